//go:build !unix && !windows

package arena

import (
	"errors"
	"os"
)

func mapFile(*os.File, int) ([]byte, error) { return nil, errors.ErrUnsupported }

type systemFile struct{}

func (systemFile) unmap([]byte) error { return nil }
func (systemFile) blank([]byte) error { return nil }

func isFault(error) bool { return false }
