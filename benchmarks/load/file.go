package load

import (
	"errors"
	"io"
	"os"
	"path/filepath"
)

// WriteFile writes a file, unless the name is "".
func WriteFile(name string, write func(io.Writer) error) error {
	if name == "" {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	file, err := os.Create(name)
	if err != nil {
		return err
	}
	return errors.Join(write(file), file.Close())
}
