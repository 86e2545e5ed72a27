package advisor

import (
	"fmt"
	"math"
)

// spilled finds what did not fit into memory.
func (a *analysis) spilled(s *statement) {
	var bytes int64
	if s.Calls > 0 {
		bytes = s.TempWritten * 8192 / s.Calls
	}
	s.sampled.walk(func(n *node, _ []*node) {
		if n.SpaceKind == "Disk" {
			bytes = max(bytes, n.SpaceUsed<<10)
		}
		if n.Batches > 1 || n.AggBatches > 1 {
			bytes = max(bytes, n.TempWritten*8192)
		}
	})
	if bytes < 1<<20 {
		return
	}
	// What is sorted takes about three times as much in memory as in a file.
	megabytes := 1 << int(math.Ceil(math.Log2(float64(3*bytes)/(1<<20))))
	f := s.about(Spill, fmt.Sprintf("A statement writes %s of temporary files each time", size(bytes)))
	f.Evidence = []string{a.took(s)}
	f.Hint = &Hint{Settings: map[string]string{"work_mem": fmt.Sprintf("%dMB", min(megabytes, 1024))}}
	f.Action = fmt.Sprintf(
		"Sort or join less, or give the statement the memory: SET LOCAL work_mem = '%s' (see Hint).",
		f.Hint.Settings["work_mem"],
	)
	f.Risk = "Each sort and each hash table of each connection that runs it may take that much."
	a.report.add(f)
}
