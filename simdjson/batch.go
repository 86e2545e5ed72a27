package simdjson

import (
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
)

// parallelFrom is the total of bytes from which ParseBatch uses several
// goroutines: below it, starting them costs more than they save.
const parallelFrom = 64 << 10

// ParseBatch parses many texts. The documents have the indices of their texts;
// one that could not be parsed is nil, and its error is in the [*BatchError]
// that is returned beside the others. The caller closes the documents. Large
// batches are parsed in parallel.
func ParseBatch(texts [][]byte) ([]*Document, error) {
	documents := make([]*Document, len(texts))
	handles := make([]Document, len(texts))
	errs := make([]error, len(texts))
	parse := func(i int) {
		if handles[i], errs[i] = standard.document(texts[i]); errs[i] == nil {
			documents[i] = &handles[i]
		}
	}
	total := 0
	for _, text := range texts {
		total += len(text)
	}
	if workers := min(runtime.GOMAXPROCS(0), len(texts)); workers > 1 && total >= parallelFrom {
		var claimed atomic.Int64
		var wg sync.WaitGroup
		for range workers {
			wg.Go(func() {
				for i := int(claimed.Add(1)) - 1; i < len(texts); i = int(claimed.Add(1)) - 1 {
					parse(i)
				}
			})
		}
		wg.Wait()
	} else {
		for i := range texts {
			parse(i)
		}
	}
	failed := &BatchError{Errors: map[int]error{}, first: -1, count: len(texts)}
	for i, err := range errs {
		if err != nil {
			failed.Errors[i] = err
			if failed.first < 0 {
				failed.first = i
			}
		}
	}
	if failed.first < 0 {
		return documents, nil
	}
	return documents, failed
}

// BatchError is the errors of [ParseBatch].
type BatchError struct {
	Errors map[int]error // by index of the text
	first  int
	count  int
}

// Error returns the first error and how many there are.
func (e *BatchError) Error() string {
	return fmt.Sprintf("%d of %d documents: document %d: %v", len(e.Errors), e.count, e.first, e.Errors[e.first])
}

// Unwrap returns the errors in no particular order.
func (e *BatchError) Unwrap() []error {
	list := make([]error, 0, len(e.Errors))
	for _, err := range e.Errors {
		list = append(list, err)
	}
	return list
}
