package simdjson

import (
	"os"
	"syscall"
	"testing"
)

// A text that ends where the next page may not be touched, and one that starts
// there: a parser that reads outside of it is killed.
func TestGuardPages(t *testing.T) {
	page := os.Getpagesize()
	memory, err := syscall.Mmap(-1, 0, 3*page, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Munmap(memory)
	for _, guard := range [][]byte{memory[:page], memory[2*page:]} {
		if err := syscall.Mprotect(guard, syscall.PROT_NONE); err != nil {
			t.Fatal(err)
		}
	}
	room := memory[page : 2*page]
	for n := range 300 {
		for _, text := range []string{`["a`, "[1", "[tru", `["\u12`, "[\"\xe6\x97", "   ", "12345678"} {
			for len(text) < n {
				text = " " + text
			}
			for _, place := range [][]byte{room[page-len(text):], room[:len(text)]} {
				copy(place, text)
				compareKernels(t, place, text == "12345678" || n > 8 && text[len(text)-8:] == "12345678")
			}
		}
	}
}
