//go:build !linux

package cpu

import "time"

// FamilyTime is not known.
func FamilyTime() time.Duration { return 0 }
