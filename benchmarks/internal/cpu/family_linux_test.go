package cpu

import (
	"os/exec"
	"testing"
	"time"
)

// What a child of a child has used counts, while it lives and after it has ended.
func TestFamilyTimeHasGrandchildren(t *testing.T) {
	before := FamilyTime()
	const burn = `sh -c 'i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done'; true`
	if output, err := exec.Command("sh", "-c", burn).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, output)
	}
	if used := FamilyTime() - before; used < 50*time.Millisecond {
		t.Errorf("a loop of 300 000 steps in a grandchild has used %v", used)
	}
}

func TestParseStat(t *testing.T) {
	text := "42 (a (strange) name) S 7 1 1 0 -1 4194560 1 2 3 4 100 20 3 4 20 0 1 0 5 6 7"
	if pid, parent, used, ok := parseStat(text); pid != 42 || parent != 7 || used != 1270*time.Millisecond || !ok {
		t.Error(pid, parent, used, ok)
	}
	for _, broken := range []string{"", "42 (a", "42 (a) S 7", "x (a) S 7 1 1 0 -1 1 1 2 3 4 100 20 3 4 20 0"} {
		if _, _, _, ok := parseStat(broken); ok {
			t.Errorf("%q is taken", broken)
		}
	}
}
