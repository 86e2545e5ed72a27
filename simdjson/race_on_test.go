//go:build race

package simdjson

const raceEnabled = true
