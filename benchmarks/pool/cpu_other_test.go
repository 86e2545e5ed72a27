//go:build !unix

package pool

import "time"

// cpu is measured on Unix only.
func cpu() time.Duration { return 0 }
