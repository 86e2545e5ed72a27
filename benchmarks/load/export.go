package load

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
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
	// Rounds are the requests of which this is the median one by Whole, and the lowest and the highest
	// are those of all of them; 0 in old files, which have one request only.
	Rounds  int     `json:"rounds,omitempty"`
	Lowest  float64 `json:"wholeMsLowest,omitempty"`
	Highest float64 `json:"wholeMsHighest,omitempty"`
}

// MedianExport returns the median one of a server's exports, which must not be none: the slower one
// of the two in the middle.
func MedianExport(list []*Export) *Export {
	sorted := slices.SortedFunc(slices.Values(list), func(a, b *Export) int { return cmp.Compare(a.Whole, b.Whole) })
	n := len(sorted)
	median := *sorted[n/2]
	median.Rounds, median.Lowest, median.Highest = n, sorted[0].Whole, sorted[n-1].Whole
	return &median
}

// Range is what to write behind Whole: the lowest and the highest, "" if there is one request only.
func (e *Export) Range() string {
	if e.Rounds < 2 {
		return ""
	}
	return fmt.Sprintf(" (%.0f to %.0f)", e.Lowest, e.Highest)
}

// ExportsAre says how the exports of a report were measured.
func (r *Report) ExportsAre() string {
	if len(r.Exports) == 0 || r.Exports[0].Rounds < 2 {
		return "one request to each server"
	}
	return fmt.Sprintf("the median one of %d requests to each server, in turns; in parentheses the lowest and the highest",
		r.Exports[0].Rounds)
}

const exportTimeout = 2 * time.Minute

// ExportRows is how many rows an export has: half of the comments that there are at scale 1.
const ExportRows = 100_000

const exportQuery = `{"query":"{ comments(first: 100000) { id body createdAt } }"}`

// exportRoom is more than an answer takes.
const exportRoom = 64 << 20

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
	// Growing takes time that is not the server's, and so do pages that are used for the first time.
	room := make([]byte, exportRoom)
	clear(room)
	body := bytes.NewBuffer(room[:0])
	start := time.Now()
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if _, err := io.CopyN(body, response.Body, 1); err != nil {
		return nil, err
	}
	e := &Export{Server: t.Name, FirstByte: float64(time.Since(start)) / 1e6}
	if _, err := body.ReadFrom(response.Body); err != nil {
		return nil, err
	}
	e.Whole, e.Bytes = float64(time.Since(start))/1e6, int64(body.Len())
	var answer struct {
		Data struct{ Comments []json.RawMessage }
	}
	err = json.Unmarshal(body.Bytes(), &answer)
	if err == nil && len(answer.Data.Comments) != ExportRows {
		err = fmt.Errorf("%d rows of %d", len(answer.Data.Comments), ExportRows)
	}
	if err != nil {
		return nil, fmt.Errorf("load: %s: the export is not complete: %s, %d bytes: %w", t.Name, response.Status, e.Bytes,
			err)
	}
	return e, nil
}
