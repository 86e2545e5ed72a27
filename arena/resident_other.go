//go:build !linux

package arena

// residentOutsideGo is not known here. The governor keeps a part of its budget
// free in any case.
func residentOutsideGo() int64 { return 0 }
