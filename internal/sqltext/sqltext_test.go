package sqltext

import "testing"

func TestFirstWord(t *testing.T) {
	for sql, want := range map[string]string{
		"": "", "select 1": "select", " \n(( SELECT": "select", "-- a\n/* b */ With x": "with", "/* torn": "", "-- torn": "", "1": "", "déjà": "d", "TABLE": "table",
	} {
		if got := FirstWord(sql); got != want {
			t.Errorf("%q: %q", sql, got)
		}
	}
}
