package arena

import (
	"bytes"
	"os"
	"strconv"
)

// residentOutsideGo returns the resident bytes that Go's runtime does not know:
// the program's code and mapped files. 0 if they cannot be found out.
func residentOutsideGo() (total int64) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for line := range bytes.Lines(status) {
		name, value, _ := bytes.Cut(line, []byte(":"))
		if string(name) != "RssFile" && string(name) != "RssShmem" {
			continue
		}
		number := string(bytes.TrimSuffix(bytes.TrimSpace(value), []byte(" kB")))
		if kilobytes, err := strconv.ParseInt(number, 10, 64); err == nil {
			total += kilobytes << 10
		}
	}
	return total
}
