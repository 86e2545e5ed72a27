//go:build !unix && !windows

package arena

import (
	"errors"
	"os"
)

func mapFile(*os.File, int) (data []byte, unmap func([]byte) error, err error) {
	return nil, nil, errors.ErrUnsupported
}
