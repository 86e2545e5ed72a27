// Package request reads GraphQL requests for hosts.
package request

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"unsafe"

	"github.com/valyala/bytebufferpool"

	"github.com/gqlboost/gqlboost/arena"
	"github.com/gqlboost/gqlboost/simdjson"
)

// Operation is one of a request. It refers to nothing of the request.
type Operation struct {
	Query         string         `json:"query"`
	OperationName string         `json:"operationName"`
	Variables     map[string]any `json:"variables"`
	Extensions    map[string]any `json:"extensions"`
}

// Options say how a Reader reads.
type Options struct {
	MaxBytes int64 // of a body, 16 MiB if it is 0
	MaxBatch int   // operations; 0 is no batches
	// Floats makes numbers float64, for hosts that know no json.Number.
	Floats bool
	// Standard leaves all decoding to encoding/json.
	Standard bool
	// Decode reads an operation as the host itself reads one, nil by encoding/json into an
	// Operation. It reads what simdjson refuses or may read in another way, so what a
	// request means does not depend on which of them reads it.
	Decode func(*json.Decoder) (Operation, error)
}

// Reader reads requests. It is safe for concurrent use.
type Reader struct {
	Options
	parser  *simdjson.Parser
	buffers arena.Buffers
	queries arena.Interner // Texts that come again need no memory again.
}

const defaultMaxBytes = 16 << 20

// NewReader makes a reader.
func NewReader(o Options) *Reader {
	if o.MaxBytes <= 0 {
		o.MaxBytes = defaultMaxBytes
	}
	if o.Decode == nil {
		o.Decode = decode
	}
	return &Reader{
		Options: o,
		// A request is closed, see take, before its body is put back.
		parser: simdjson.NewParser(simdjson.Options{
			MaxBytes: int(min(o.MaxBytes, 1<<30)), MaxBatch: max(o.MaxBatch, 1), AliasInput: true,
		}),
		queries: arena.Interner{MaxEntries: 1000, MaxLength: 16 << 10, MaxBytes: 4 << 20},
	}
}

// What all hosts refuse in the same words.
var (
	ErrMediaType = Refusal(http.StatusUnsupportedMediaType, "The Content-Type of a request must be application/json.")
	ErrMethod    = Refusal(http.StatusMethodNotAllowed, "The method of a request must be GET or POST.")
)

// Each runs the n operations of a request at the same time. A panic of one is that of the
// caller, when all have ended, and so is the end of its goroutine.
func Each(n int, run func(i int)) {
	panics := make([]any, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			panics[i] = "an operation of the batch has called runtime.Goexit"
			defer func() {
				if p := recover(); p != nil {
					panics[i] = p
				}
			}()
			run(i)
			panics[i] = nil
		})
	}
	wg.Wait()
	for _, p := range panics {
		if p != nil {
			panic(p)
		}
	}
}

// Post reads the operations of a body; batch reports whether it is an array. An error is a
// *Error, a *simdjson.RequestError or an *Undecoded: see Status.
func (r *Reader) Post(w http.ResponseWriter, req *http.Request) (list []Operation, batch bool, err error) {
	body, err := r.read(w, req)
	if err != nil {
		return nil, false, err
	}
	defer r.buffers.Put(body)
	return r.decode(body.B)
}

func (r *Reader) decode(body []byte) (list []Operation, batch bool, err error) {
	batch = isArray(body)
	if r.Standard || batch && r.MaxBatch == 0 {
		return r.standard(body, nil)
	}
	request, err := r.parser.DecodeRequest(body)
	switch {
	case err == nil:
		defer request.Close()
		if !slices.ContainsFunc(request.Operations(), ambiguous) {
			if list, err = r.take(request); err == nil {
				return list, batch, nil
			}
		}
	case Status(err) != http.StatusBadRequest:
		return nil, false, err
	}
	return r.standard(body, err)
}

// isArray reports whether a text of JSON is an array.
func isArray(body []byte) bool {
	return bytes.HasPrefix(bytes.TrimLeft(body, " \t\r\n"), []byte("["))
}

func ambiguous(o simdjson.Operation) bool { return o.Ambiguous }

// Form reads the operation of a query string. An error is an *Undecoded.
func (r *Reader) Form(form url.Values) (Operation, error) {
	if !r.Standard {
		request, err := r.parser.DecodeForm(form)
		if err == nil {
			defer request.Close()
			if list, err := r.take(request); err == nil {
				return list[0], nil
			}
		}
	}
	return r.standardForm(form)
}

// take copies what a request has.
func (r *Reader) take(request *simdjson.Request) (list []Operation, err error) {
	for _, from := range request.Operations() {
		o := Operation{Query: r.text(from.Query), OperationName: strings.Clone(from.OperationName)}
		if o.Variables, err = r.object(from.Variables); err == nil {
			o.Extensions, err = r.object(from.Extensions)
		}
		if err != nil {
			return nil, err
		}
		list = append(list, o)
	}
	return list, nil
}

func (r *Reader) object(v simdjson.Value) (map[string]any, error) {
	if !r.Floats || v.Kind() != simdjson.Object {
		return v.Map()
	}
	m, err := v.Any()
	if err != nil {
		return nil, err
	}
	return m.(map[string]any), nil
}

// text returns a text of its own, which may outlive the request: as a key of caches.
func (r *Reader) text(s string) string {
	return r.queries.Bytes(unsafe.Slice(unsafe.StringData(s), len(s)))
}

// read returns the body, which is to be put back.
func (r *Reader) read(w http.ResponseWriter, req *http.Request) (*bytebufferpool.ByteBuffer, error) {
	body := r.buffers.Get(int(min(max(req.ContentLength, 0), r.MaxBytes, 64<<10)))
	from := req.Body
	if from == nil { // As http.NewRequest makes it.
		from = http.NoBody
	}
	limited := http.MaxBytesReader(w, from, r.MaxBytes)
	for {
		if len(body.B) == cap(body.B) {
			body.B = append(body.B, 0)[:len(body.B)]
		}
		n, err := limited.Read(body.B[len(body.B):cap(body.B)])
		body.B = body.B[:len(body.B)+n]
		switch {
		case err == nil:
		case err == io.EOF:
			return body, nil
		default:
			r.buffers.Put(body)
			// Another limit may be that of a middleware.
			if large := (*http.MaxBytesError)(nil); errors.As(err, &large) && large.Limit == r.MaxBytes {
				return nil, Refusal(http.StatusRequestEntityTooLarge, "The request body is larger than %d bytes.", large.Limit)
			}
			return nil, &Unread{err}
		}
	}
}

// IsJSON reports whether a request's body is JSON.
func IsJSON(r *http.Request) bool {
	header := r.Header.Get("Content-Type")
	if header == "application/json" {
		return true
	}
	media, _, err := mime.ParseMediaType(header)
	return err == nil && media == "application/json"
}
