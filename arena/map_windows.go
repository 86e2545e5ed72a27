package arena

import (
	"errors"
	"os"
	"unsafe"

	"golang.org/x/sys/windows"
)

func mapFile(file *os.File, size int) ([]byte, error) {
	handle, err := windows.CreateFileMapping(windows.Handle(file.Fd()), nil, windows.PAGE_READONLY, 0, 0, nil)
	if err != nil {
		return nil, err
	}
	// The view keeps the mapping alive.
	defer windows.CloseHandle(handle)
	address, err := windows.MapViewOfFile(handle, windows.FILE_MAP_READ, 0, 0, uintptr(size))
	if err != nil {
		return nil, err
	}
	// The address is not the garbage collector's, which is why vet is shown a
	// pointer to it and not the number.
	return unsafe.Slice(*(**byte)(unsafe.Pointer(&address)), size), nil
}

type systemFile struct{}

func (systemFile) unmap(data []byte) error {
	return windows.UnmapViewOfFile(uintptr(unsafe.Pointer(unsafe.SliceData(data))))
}

// blank leaves the file mapped: Windows cannot put something else in its place at once.
func (systemFile) blank([]byte) error { return nil }

// isFault reports whether an error is that of a system call which could not read memory.
func isFault(err error) bool { return errors.Is(err, windows.ERROR_NOACCESS) }
