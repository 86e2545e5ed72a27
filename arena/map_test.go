package arena

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"testing/iotest"
)

func testFile(t *testing.T, size int) (path string, content []byte) {
	t.Helper()
	content = make([]byte, size)
	for i := range content {
		content[i] = byte(i * 7 / 3)
	}
	path = filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path, content
}

func TestMapReadsTheFile(t *testing.T) {
	for _, size := range []int{0, 1, copyBelow - 1, copyBelow, 1<<20 + 17} {
		path, content := testFile(t, size)
		m, err := Map(path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(m.Bytes(), content) || m.Len() != size {
			t.Errorf("%d bytes: contents differ", size)
		}
		if err := iotest.TestReader(io.NewSectionReader(m, 0, int64(size)), content); err != nil {
			t.Errorf("%d bytes: %v", size, err)
		}
		own := errors.New("of the reader")
		if err := m.View(size/2, size-size/2, func(b []byte) error {
			if !bytes.Equal(b, content[size/2:]) || cap(b) != len(b) {
				t.Errorf("%d bytes: View differs", size)
			}
			return own
		}); !errors.Is(err, own) {
			t.Errorf("View = %v, want the reader's error", err)
		}
		for _, bad := range [][2]int{{-1, 1}, {0, -1}, {0, size + 1}, {size + 1, 0}, {1, int(^uint(0) >> 1)}} {
			if err := m.View(bad[0], bad[1], func([]byte) error { return nil }); !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("View(%v) = %v", bad, err)
			}
		}
		for range 2 {
			if err := m.Close(); err != nil {
				t.Error(err)
			}
		}
		if m.Bytes() != nil || m.Len() != 0 {
			t.Error("bytes after Close")
		}
		if err := m.View(0, 0, func([]byte) error { return nil }); !errors.Is(err, os.ErrClosed) {
			t.Errorf("View after Close = %v", err)
		}
		if _, err := m.ReadAt(make([]byte, 1), 0); !errors.Is(err, os.ErrClosed) {
			t.Errorf("ReadAt after Close = %v", err)
		}
	}
	if n := mapped.files.Load(); n != 0 {
		t.Errorf("%d files are still mapped", n)
	}
}

func TestMapErrors(t *testing.T) {
	if _, err := Map(filepath.Join(t.TempDir(), "missing")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing file: %v", err)
	}
	if _, err := Map(t.TempDir()); err == nil {
		t.Error("a folder was mapped")
	}
}

// truncated maps a file of a megabyte, of which it leaves the first bytes. The content is what was there.
func truncated(t *testing.T, left int64) (m *Mapping, content []byte) {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("Windows does not truncate a mapped file")
	}
	path, content := testFile(t, 1<<20)
	m, err := Map(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	if err := os.Truncate(path, left); err != nil {
		t.Fatal(err)
	}
	return m, content
}

// Truncation under the mapping is an error, not the end of the process.
func TestTruncatedFile(t *testing.T) {
	m, content := truncated(t, 8192)
	buffer := make([]byte, 100)
	if _, err := m.ReadAt(buffer, 500_000); !errors.Is(err, ErrTruncated) {
		t.Errorf("ReadAt behind the end = %v", err)
	}
	if n, err := m.ReadAt(buffer, 100); n != 100 || err != nil || !bytes.Equal(buffer, content[100:200]) {
		t.Errorf("ReadAt before the end = %d, %v", n, err)
	}
	var sum int
	if err := m.View(0, m.Len(), func(b []byte) error {
		for _, c := range b {
			sum += int(c)
		}
		return nil
	}); !errors.Is(err, ErrTruncated) {
		t.Errorf("View over the end = %v", err)
	}
	// A fault that is not the file's is not swallowed.
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the reader's own panic was swallowed")
			}
		}()
		_ = m.View(0, 1, func([]byte) error { panic("a bug") })
	}()
	if err := m.View(0, 1, func([]byte) error { return nil }); err != nil {
		t.Errorf("View after a panic: %v", err)
	}
}

func TestCloseWaitsForViews(t *testing.T) {
	path, _ := testFile(t, 1<<20)
	m, err := Map(path)
	if err != nil {
		t.Fatal(err)
	}
	inside, leave := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		_ = m.View(0, m.Len(), func(b []byte) error {
			close(inside)
			<-leave
			_ = b[len(b)-1] // Must still be mapped.
			return nil
		})
	})
	<-inside
	closed := make(chan error, 1)
	go func() { closed <- m.Close() }()
	select {
	case <-closed:
		t.Error("Close did not wait")
	default:
	}
	close(leave)
	wg.Wait()
	if err := <-closed; err != nil {
		t.Error(err)
	}
}

// Bytes that somebody has kept can be read after Close.
func TestBytesAfterClose(t *testing.T) {
	path, content := testFile(t, 1<<20)
	m, err := Map(path)
	if err != nil {
		t.Fatal(err)
	}
	kept := m.Bytes()
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	other, err := Map(path) // May not get the same addresses.
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	for i, c := range kept {
		if c != 0 && (runtime.GOOS != "windows" || c != content[i]) {
			t.Fatalf("byte %d after Close is %d", i, c)
		}
	}
	if !bytes.Equal(other.Bytes(), content) {
		t.Error("the other mapping differs")
	}
}

// A View may use the mapping while Close waits for it.
func TestViewWhileClosing(t *testing.T) {
	path, _ := testFile(t, 1<<20)
	m, err := Map(path)
	if err != nil {
		t.Fatal(err)
	}
	closed := make(chan error, 1)
	err = m.View(0, 10, func(b []byte) error {
		go func() { closed <- m.Close() }()
		for { // Until Close has begun.
			if _, err := m.ReadAt(make([]byte, 1), 0); errors.Is(err, os.ErrClosed) {
				break
			}
			m.Len()
			runtime.Gosched()
		}
		_ = b[9] // Still mapped.
		return m.View(0, 1, func([]byte) error { return nil })
	})
	if !errors.Is(err, os.ErrClosed) {
		t.Errorf("View in a View of a closing mapping = %v", err)
	}
	if err := <-closed; err != nil {
		t.Error(err)
	}
}

// A system call that gets bytes of a View reports a fault, where touching them raises one.
func TestTruncatedFileInASystemCall(t *testing.T) {
	m, _ := truncated(t, 0)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	if err := m.View(0, 100, func(b []byte) error {
		_, err := w.Write(b)
		return err
	}); !errors.Is(err, ErrTruncated) {
		t.Errorf("a View that is written to a pipe = %v, want ErrTruncated", err)
	}
}
