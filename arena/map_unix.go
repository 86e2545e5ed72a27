//go:build unix

package arena

import (
	"os"

	"golang.org/x/sys/unix"
)

func mapFile(file *os.File, size int) (data []byte, unmap func([]byte) error, err error) {
	data, err = unix.Mmap(int(file.Fd()), 0, size, unix.PROT_READ, unix.MAP_SHARED)
	return data, unix.Munmap, err
}
