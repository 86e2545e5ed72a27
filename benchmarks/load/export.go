package load

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// Export is how a server answers with a long list.
type Export struct {
	Server    string  `json:"server"`
	Bytes     int64   `json:"bytes"`
	FirstByte float64 `json:"firstByteMs"`
	Whole     float64 `json:"wholeMs"`
	// Memory is what the server's resident memory has grown by at most, in bytes.
	Memory uint64 `json:"memoryBytes"`
}

const exportTimeout = 2 * time.Minute

// exportQuery asks for half of the comments that there are at scale 1.
const exportQuery = `{"query":"{ comments(first: 100000) { id body createdAt } }"}`

// MeasureExport asks a server for 100 000 comments. The server should have been started
// for it: memory that it has from before is not seen.
func MeasureExport(ctx context.Context, t Target) (*Export, error) {
	p := newProcesses(t.PID, false)
	p.sample()
	before := p.peak
	sampling, stop := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for sampling.Err() == nil {
			p.sample()
			sleep(sampling, 2*time.Millisecond)
		}
	}()
	e, err := export(ctx, t)
	stop()
	<-done
	if err != nil {
		return nil, err
	}
	e.Memory = p.peak - before
	return e, nil
}

func export(ctx context.Context, t Target) (*Export, error) {
	ctx, cancel := context.WithTimeout(ctx, exportTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, t.URL, strings.NewReader(exportQuery))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/json")
	start := time.Now()
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	var tail [8]byte
	if _, err := io.ReadFull(response.Body, tail[:1]); err != nil {
		return nil, err
	}
	e := &Export{Server: t.Name, FirstByte: float64(time.Since(start)) / 1e6, Bytes: 1}
	buffer := make([]byte, 64<<10)
	for {
		n, err := response.Body.Read(buffer)
		e.Bytes += int64(n)
		if n >= len(tail) {
			copy(tail[:], buffer[n-len(tail):n])
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
	}
	e.Whole = float64(time.Since(start)) / 1e6
	if response.StatusCode != http.StatusOK || e.Bytes < 1_000_000 ||
		!strings.HasSuffix(strings.TrimSpace(string(tail[:])), "]}}") {
		return nil, fmt.Errorf("load: %s: the export is not complete: %s, %d bytes, ending in %q", t.Name, response.Status,
			e.Bytes, tail)
	}
	return e, nil
}
