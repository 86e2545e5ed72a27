package load

import (
	"encoding/json"
	"io"
)

// WriteJSON writes a report for programs.
func WriteJSON(w io.Writer, r *Report) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(r)
}
