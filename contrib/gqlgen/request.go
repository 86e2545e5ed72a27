package gqlgen

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
	"unsafe"

	"github.com/99designs/gqlgen/graphql"
	"github.com/valyala/bytebufferpool"

	"github.com/gqlboost/gqlboost/simdjson"
)

// decode reads the operations of a body. What it returns refers to nothing of the
// request. An error is a *simdjson.RequestError.
func (b *base) decode(w http.ResponseWriter, r *http.Request) (list []*graphql.RawParams, batch bool, err error) {
	start := graphql.Now()
	body, err := b.read(w, r)
	if err != nil {
		return nil, false, err
	}
	defer b.buffers.Put(body)
	if string(bytes.TrimSpace(body.B)) == "null" { // For gqlgen it is an operation without a query.
		return []*graphql.RawParams{{Headers: r.Header, ReadTime: graphql.TraceTiming{Start: start, End: graphql.Now()}}}, false, nil
	}
	if b.StandardRequests {
		params := &graphql.RawParams{Headers: r.Header}
		decoder := json.NewDecoder(bytes.NewReader(body.B))
		decoder.UseNumber()
		if err := decoder.Decode(params); err != nil {
			return nil, false, &simdjson.RequestError{Status: http.StatusBadRequest, Message: "The request body could not be decoded: " + err.Error(), Err: err}
		}
		params.ReadTime = graphql.TraceTiming{Start: start, End: graphql.Now()}
		return []*graphql.RawParams{params}, false, nil
	}
	request, err := b.parser.DecodeRequest(body.B)
	if err != nil {
		return nil, false, err
	}
	defer request.Close()
	if request.Batch && b.MaxBatch == 0 {
		return nil, false, &simdjson.RequestError{Status: http.StatusBadRequest, Message: "Batches of operations are not accepted."}
	}
	for i, o := range request.Operations {
		params := &graphql.RawParams{Query: b.text(o.Query), OperationName: strings.Clone(o.OperationName), Headers: r.Header}
		if params.Variables, err = o.Variables.Map(); err == nil {
			params.Extensions, err = o.Extensions.Map()
		}
		if err != nil {
			return nil, false, &simdjson.RequestError{Status: http.StatusBadRequest, Message: fmt.Sprintf("Operation %d could not be decoded.", i), Err: err}
		}
		params.ReadTime = graphql.TraceTiming{Start: start, End: graphql.Now()}
		list = append(list, params)
	}
	return list, request.Batch, nil
}

// text returns a text of its own, which may outlive the request: as a key of caches.
func (b *base) text(s string) string {
	return b.queries.Bytes(unsafe.Slice(unsafe.StringData(s), len(s)))
}

// read returns the body, which is to be put back.
func (b *base) read(w http.ResponseWriter, r *http.Request) (*bytebufferpool.ByteBuffer, error) {
	body := b.buffers.Get(int(min(max(r.ContentLength, 0), b.MaxBytes, 64<<10)))
	limited := http.MaxBytesReader(w, r.Body, b.MaxBytes)
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
			b.buffers.Put(body)
			refusal := &simdjson.RequestError{Status: http.StatusBadRequest, Message: "The request body could not be read.", Err: err}
			if large := (*http.MaxBytesError)(nil); errors.As(err, &large) {
				refusal.Status = http.StatusRequestEntityTooLarge
				refusal.Message = fmt.Sprintf("The request body is larger than %d bytes.", large.Limit)
			}
			return nil, refusal
		}
	}
}

// isJSON tells whether a request's body is JSON.
func isJSON(r *http.Request) bool {
	header := r.Header.Get("Content-Type")
	if header == "application/json" {
		return true
	}
	media, _, err := mime.ParseMediaType(header)
	return err == nil && media == "application/json"
}
