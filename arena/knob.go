package arena

import "runtime/debug"

// knob is one of the runtime's two settings.
type knob struct {
	ours  bool  // ours to turn
	found int64 // its value before
	last  int64 // the value that we have set
	set   func(int64) int64
}

// turn sets a value, unless somebody else has set another one meanwhile: then
// the knob is theirs from now on.
func (k *knob) turn(value int64) (turned bool) {
	if !k.ours || value == k.last {
		return false
	}
	if previous := k.set(value); previous != k.last {
		k.set(previous)
		k.ours = false
		return false
	}
	k.last = value
	return true
}

func setGOGC(v int64) int64 { return int64(debug.SetGCPercent(int(v))) }
