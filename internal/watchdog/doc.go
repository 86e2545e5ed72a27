// Package watchdog cleans up after a process that was killed: a shell, which outlives it, ends the
// server that it has started and removes its folder.
package watchdog
