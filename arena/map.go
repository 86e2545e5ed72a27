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
	mu     sync.Mutex
	idle   sync.Cond // no View is running
	views  int       // that are running
	lent   bool      // Bytes has returned the data, which somebody may keep
	closed bool
	data   []byte
	file   mappedFile // nil for a copy
}

// mappedFile is the operating system's part of a mapping.
type mappedFile interface {
	// unmap gives the addresses back.
	unmap(data []byte) error
	// blank keeps the addresses, so that reading them stays allowed, with zeros
	// instead of the file where the system can do that.
	blank(data []byte) error
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
	data, err := mapFile(file, int(size))
	if errors.Is(err, errors.ErrUnsupported) {
		return readWhole(file)
	}
	if err != nil {
		return nil, fmt.Errorf("arena: mapping %s: %w", path, err)
	}
	mapped.files.Add(1)
	mapped.bytes.Add(size)
	return newMapping(data, systemFile{}), nil
}

func newMapping(data []byte, file mappedFile) *Mapping {
	m := &Mapping{data: data, file: file}
	m.idle.L = &m.mu
	return m
}

func readWhole(file *os.File) (*Mapping, error) {
	data, err := io.ReadAll(file)
	if err != nil {
		return nil, err
	}
	return newMapping(data, nil), nil
}

// Len returns the number of bytes, 0 after Close.
func (m *Mapping) Len() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.data)
}

// Bytes returns the whole file without a copy, nil after Close. The bytes must not be
// written to. After Close they read as zeros (as the file on Windows, where it stays
// mapped, and if it is below 64 KiB), so the addresses of a file whose Bytes were returned are not used again. A
// read of them ends the process if the file was truncated: use View unless nobody can
// do that.
func (m *Mapping) Bytes() []byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.lent = true
	return m.data
}

// View calls read with the n bytes at offset and returns its error, or
// [ErrTruncated] if they could not be read. The bytes must not be written to,
// nor kept after read has returned. read may use the mapping, but as Close waits
// for it, it must not call Close.
func (m *Mapping) View(offset, n int, read func([]byte) error) (err error) {
	data, err := m.enter()
	if err != nil {
		return err
	}
	defer m.leave()
	if offset < 0 || n < 0 || offset > len(data) || n > len(data)-offset {
		return fmt.Errorf("arena: %d bytes at offset %d of a file of %d: %w", n, offset, len(data), io.ErrUnexpectedEOF)
	}
	if m.file != nil {
		defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
		defer recoverFault(data, &err)
	}
	err = read(data[offset : offset+n : offset+n])
	if m.file != nil && isFault(err) {
		// A system call that gets the bytes fails where touching them is a fault.
		err = fmt.Errorf("%w: %w", ErrTruncated, err)
	}
	return err
}

// enter keeps the data mapped until leave.
func (m *Mapping) enter() ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return nil, os.ErrClosed
	}
	m.views++
	return m.data, nil
}

func (m *Mapping) leave() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.views--; m.views == 0 {
		m.idle.Broadcast()
	}
}

// recoverFault turns a fault at an address of the data into an error. Every other
// panic is somebody's bug and goes on.
func recoverFault(data []byte, err *error) {
	p := recover()
	if p == nil {
		return
	}
	if fault, ok := p.(interface{ Addr() uintptr }); ok {
		start := uintptr(unsafe.Pointer(unsafe.SliceData(data)))
		if address := fault.Addr(); address >= start && address-start < uintptr(len(data)) {
			*err = ErrTruncated
			return
		}
	}
	panic(p)
}

// ReadAt implements [io.ReaderAt]. It returns [ErrTruncated] instead of crashing
// when the file has been truncated.
func (m *Mapping) ReadAt(p []byte, offset int64) (int, error) {
	if offset < 0 {
		return 0, errors.New("arena: negative offset")
	}
	size := int64(m.Len())
	from := min(offset, size)
	n := int(min(int64(len(p)), size-from))
	if err := m.View(int(from), n, func(b []byte) error { copy(p, b); return nil }); err != nil {
		return 0, err
	}
	if n < len(p) || offset >= size {
		return n, io.EOF
	}
	return n, nil
}

// Close waits until every View has returned and unmaps the file. Closing again does
// nothing.
func (m *Mapping) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return nil
	}
	m.closed = true
	for m.views > 0 {
		m.idle.Wait()
	}
	data := m.data
	m.data = nil
	if m.file == nil {
		return nil
	}
	mapped.files.Add(-1)
	mapped.bytes.Add(-int64(len(data)))
	if m.lent {
		return m.file.blank(data)
	}
	return m.file.unmap(data)
}
