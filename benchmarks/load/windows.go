package load

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// windowLog is the file of a soak's windows while a session adds to it.
type windowLog struct {
	file *os.File
	size int64 // what we know of it
}

// openLog opens a file to add lines to, and ends a line that was cut short, which must not go on.
func openLog(name string) (*windowLog, error) {
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return nil, err
	}
	text, err := os.ReadFile(name)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	file, err := os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	l := &windowLog{file: file, size: int64(len(text))}
	if len(text) > 0 && text[len(text)-1] != '\n' {
		if err := l.append([]byte("\n")); err != nil {
			return nil, errors.Join(err, file.Close())
		}
	}
	return l, nil
}

// append adds a line, unless somebody else has added one: two runs that add to one file at the
// same time are not one run in pieces, and each of them is load beside the other.
func (l *windowLog) append(line []byte) error {
	info, err := l.file.Stat()
	if err != nil {
		return err
	}
	if info.Size() != l.size {
		return fmt.Errorf("load: %s has %d bytes, not %d: another run uses it as well", l.file.Name(), info.Size(), l.size)
	}
	n, err := l.file.Write(line)
	l.size += int64(n)
	return err
}

// ReadWindows reads what earlier sessions have measured. A line that was cut short is left
// out; another one that is no window is an error, because a soak without it would look like one
// that was shorter. There are none if there is no file.
func ReadWindows(file string) (windows []Window, err error) {
	from, err := os.Open(file)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer from.Close()
	lines := bufio.NewReader(from)
	for n := 1; ; n++ {
		line, err := lines.ReadBytes('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		}
		w, cut, bad := readWindow(line)
		switch {
		case bad != nil:
			return nil, fmt.Errorf("%s, line %d: %w", file, n, bad)
		case !cut:
			windows = append(windows, w)
		}
		if err != nil {
			return windows, nil
		}
	}
}

// readWindow reads a line, which may have been cut short, or be empty.
func readWindow(line []byte) (w Window, cut bool, err error) {
	err = json.Unmarshal(line, &w)
	var syntax *json.SyntaxError
	switch {
	case errors.As(err, &syntax) && syntax.Offset >= int64(len(line)):
		return w, true, nil // There is nothing wrong but its end.
	case err != nil:
		return w, false, fmt.Errorf("no window of a soak: %w", err)
	case w.Requests <= 0:
		return w, false, errors.New("no window of a soak: it has no requests")
	}
	return w, false, nil
}
