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

// Reader reads requests. It is safe for concurrent use.
type Reader struct {
	// Floats makes numbers float64, for hosts that know no json.Number.
	Floats bool
	// Null takes a body that is null for an operation without a query.
	Null     bool
	maxBytes int64
	batches  bool
	parser   *simdjson.Parser
	buffers  arena.Buffers
	queries  arena.Interner // Texts that come again need no memory again.
}

const defaultMaxBytes = 16 << 20

// NewReader makes a reader of bodies up to maxBytes, 16 MiB if that is 0, and of batches
// up to maxBatch operations; 0 is no batches.
func NewReader(maxBytes int64, maxBatch int) *Reader {
	if maxBytes <= 0 {
		maxBytes = defaultMaxBytes
	}
	return &Reader{
		maxBytes: maxBytes, batches: maxBatch > 0,
		// A request is closed, see take, before its body is put back.
		parser: simdjson.NewParser(simdjson.Options{
			MaxBytes: int(min(maxBytes, 1<<30)), MaxBatch: max(maxBatch, 1), AliasInput: true,
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
// caller, when all have ended.
func Each(n int, run func(i int)) {
	panics := make([]any, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			defer func() { panics[i] = recover() }()
			run(i)
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
// *Error or a *simdjson.RequestError: see Status.
func (r *Reader) Post(w http.ResponseWriter, req *http.Request) (list []Operation, batch bool, err error) {
	body, err := r.read(w, req)
	if err != nil {
		return nil, false, err
	}
	defer r.buffers.Put(body)
	if r.Null && string(bytes.TrimSpace(body.B)) == "null" {
		return make([]Operation, 1), false, nil
	}
	request, err := r.parser.DecodeRequest(body.B)
	if err != nil {
		return nil, false, err
	}
	return r.take(request)
}

// Standard is Post by encoding/json.
func (r *Reader) Standard(w http.ResponseWriter, req *http.Request) (o Operation, err error) {
	body, err := r.read(w, req)
	if err != nil {
		return o, err
	}
	defer r.buffers.Put(body)
	decoder := json.NewDecoder(bytes.NewReader(body.B))
	decoder.UseNumber()
	if err := decoder.Decode(&o); err != nil {
		return o, Refusal(http.StatusBadRequest, "The request body could not be decoded: %v", err)
	}
	return o, nil
}

// Form reads the operation of a query string.
func (r *Reader) Form(form url.Values) (o Operation, err error) {
	request, err := r.parser.DecodeForm(form)
	if err != nil {
		return o, err
	}
	list, _, err := r.take(request)
	if err != nil {
		return o, err
	}
	return list[0], nil
}

// take copies what a request has, and closes it.
func (r *Reader) take(request *simdjson.Request) (list []Operation, batch bool, err error) {
	defer request.Close()
	if request.Batch && !r.batches {
		return nil, false, Refusal(http.StatusBadRequest, "Batches of operations are not accepted.")
	}
	for i, from := range request.Operations {
		o := Operation{Query: r.text(from.Query), OperationName: strings.Clone(from.OperationName)}
		if o.Variables, err = r.object(from.Variables); err == nil {
			o.Extensions, err = r.object(from.Extensions)
		}
		if err != nil {
			return nil, false, Refusal(http.StatusBadRequest, "Operation %d could not be decoded.", i)
		}
		list = append(list, o)
	}
	return list, request.Batch, nil
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
	body := r.buffers.Get(int(min(max(req.ContentLength, 0), r.maxBytes, 64<<10)))
	limited := http.MaxBytesReader(w, req.Body, r.maxBytes)
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
			if large := (*http.MaxBytesError)(nil); errors.As(err, &large) {
				return nil, Refusal(http.StatusRequestEntityTooLarge, "The request body is larger than %d bytes.", large.Limit)
			}
			return nil, Refusal(http.StatusBadRequest, "The request body could not be read.")
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
