package hosts

import (
	"os"
	"testing"
)

// The go command takes no -modfile in a workspace, and contrib's would be found from here.
func TestMain(m *testing.M) {
	if err := os.Setenv("GOWORK", "off"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}
