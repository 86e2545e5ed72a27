//go:build !unix

package main

import "os"

// terminalWidth is how many columns a file's terminal has; it is not known here.
func terminalWidth(*os.File) int { return 0 }
