package arena

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"unsafe"
)

// copyBelow is the size up to which a file is read into memory instead: a
// mapping costs more than that in system calls and page faults.
const copyBelow = 64 << 10

// ErrTruncated is returned when a mapped file became shorter, or its disk
// failed, while it was read.
var ErrTruncated = errors.New("arena: the mapped file was truncated or could not be read")

var mapped struct{ files, bytes atomic.Int64 }

// Mapping is a file in memory, read-only. Its methods are safe for concurrent
// use.
//
// A mapping shows the file as it is, not as it was. If somebody truncates the
// file, touching what lies behind its new end is a fault that ends the process,
// unless it happens inside [Mapping.View] or [Mapping.ReadAt], which return
// [ErrTruncated]. Files below 64 KiB are copied, and have no such trouble.
type Mapping struct {
	mu     sync.RWMutex // held for reading while the bytes are in use
	data   []byte
	unmap  func([]byte) error // nil for a copy
	closed bool
}

// Map maps a file. The file may be renamed or removed afterwards; the mapping
// stays until Close.
func Map(path string) (*Mapping, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	size := info.Size()
	if !info.Mode().IsRegular() || size < copyBelow {
		return readWhole(file)
	}
	if int64(int(size)) != size {
		return nil, fmt.Errorf("arena: %s: %d bytes do not fit into the address space", path, size)
	}
	data, unmap, err := mapFile(file, int(size))
	if errors.Is(err, errors.ErrUnsupported) {
		return readWhole(file)
	}
	if err != nil {
		return nil, fmt.Errorf("arena: mapping %s: %w", path, err)
	}
	mapped.files.Add(1)
	mapped.bytes.Add(size)
	return &Mapping{data: data, unmap: unmap}, nil
}

func readWhole(file *os.File) (*Mapping, error) {
	data, err := io.ReadAll(file)
	if err != nil {
		return nil, err
	}
	return &Mapping{data: data}, nil
}

// Len is the number of bytes, 0 after Close.
func (m *Mapping) Len() int {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return len(m.data)
}

// Bytes returns the whole file without a copy, nil after Close. The bytes must
// not be written to, nor used after Close, and nothing protects their reader if
// the file is truncated: use View unless nobody can do that.
func (m *Mapping) Bytes() []byte {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.data
}

// View calls read with the n bytes at offset and returns its error, or
// [ErrTruncated] if they could not be read. The bytes must not be written to,
// nor kept after read has returned. Close waits for it, so read must not call
// Close.
func (m *Mapping) View(offset, n int, read func([]byte) error) (err error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if m.closed {
		return os.ErrClosed
	}
	if offset < 0 || n < 0 || offset > len(m.data) || n > len(m.data)-offset {
		return fmt.Errorf("arena: bytes %d to %d of a file of %d: %w", offset, offset+n, len(m.data), io.ErrUnexpectedEOF)
	}
	if m.unmap != nil {
		defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
		defer m.recoverFault(&err)
	}
	return read(m.data[offset : offset+n : offset+n])
}

// recoverFault turns a fault at an address of the mapping into an error. Every
// other panic is somebody's bug and goes on.
func (m *Mapping) recoverFault(err *error) {
	p := recover()
	if p == nil {
		return
	}
	if fault, ok := p.(interface{ Addr() uintptr }); ok && m.contains(fault.Addr()) {
		*err = ErrTruncated
		return
	}
	panic(p)
}

func (m *Mapping) contains(address uintptr) bool {
	start := uintptr(unsafe.Pointer(unsafe.SliceData(m.data)))
	return address >= start && address-start < uintptr(len(m.data))
}

// ReadAt implements [io.ReaderAt]. It returns [ErrTruncated] instead of crashing
// when the file has been truncated.
func (m *Mapping) ReadAt(p []byte, offset int64) (int, error) {
	size := int64(m.Len())
	if offset < 0 {
		return 0, errors.New("arena: negative offset")
	}
	if offset >= size {
		m.mu.RLock()
		defer m.mu.RUnlock()
		if m.closed {
			return 0, os.ErrClosed
		}
		return 0, io.EOF
	}
	n := int(min(int64(len(p)), size-offset))
	if err := m.View(int(offset), n, func(b []byte) error { copy(p, b); return nil }); err != nil {
		return 0, err
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// Close unmaps the file when every View has returned. Closing again does
// nothing.
func (m *Mapping) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return nil
	}
	m.closed = true
	data := m.data
	m.data = nil
	if m.unmap == nil {
		return nil
	}
	mapped.files.Add(-1)
	mapped.bytes.Add(-int64(len(data)))
	return m.unmap(data)
}
