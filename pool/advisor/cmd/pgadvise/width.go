package main

import (
	"io"
	"os"
	"strconv"
)

// columns is how wide a terminal is: what COLUMNS says, or the terminal itself; 80 if the
// text goes elsewhere.
func columns(w io.Writer) int {
	file, ok := w.(*os.File)
	if !ok {
		return 80
	}
	n := terminalWidth(file)
	if n == 0 {
		return 80
	}
	if said, err := strconv.Atoi(os.Getenv("COLUMNS")); err == nil && said > 0 {
		return said
	}
	return n
}
