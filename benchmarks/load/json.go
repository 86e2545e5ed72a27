package load

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
)

// WriteJSON writes a report for programs.
func WriteJSON(w io.Writer, report any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(report)
}

// Continue reads the report that earlier sessions have written to a file, whose machine is m.
// Without a file the report stays as it is; one of another machine than this is an error, and
// so is one of another command than the report had before: figures of two sizes of the data,
// or of two loads, are not rounds of one run.
func Continue(file string, report any, m *Machine, command *string) error {
	this := *command
	text, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, report); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	if machine := ThisMachine(); !m.Same(machine) {
		return fmt.Errorf("%s is of %v, and this is %v", file, *m, machine)
	}
	if *command != this {
		return fmt.Errorf("%s is of %s, and this is %s", file, *command, this)
	}
	return nil
}
