// Package host is what hosts without transports of their own have in common: HTTP.
package host

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/parser"

	"github.com/gqlboost/gqlboost/contrib/internal/request"
	"github.com/gqlboost/gqlboost/internal/accept"
	"github.com/gqlboost/gqlboost/plancache"
	"github.com/gqlboost/gqlboost/stream"
)

// Options are those of all hosts.
type Options struct {
	// MaxBytes is the largest body, 16 MiB by default.
	MaxBytes int64
	// MaxBatch is the largest number of operations in a request. 0 is no batches.
	MaxBatch int
	// Persisted has the texts of persisted queries; nil is none. With those of
	// [plancache.NewTrusted], no other operation runs.
	Persisted *plancache.Persisted
	// Pretty indents responses by tabs.
	Pretty bool
	// Browser, if there is one, answers GET requests that accept text/html, do not name
	// application/json and have no parameter raw: it is for an explorer such as GraphiQL. A mutation or a
	// subscription in the query string does not reach it, nor does what is no trusted document.
	Browser http.Handler
}

// Result is what a host makes of an operation.
type Result struct {
	// Write writes the members of the response's object.
	Write func(*stream.Writer)
	// Status is that of an operation that has no data, for clients that take
	// application/graphql-response+json: see [Failed]. It is 0 for all others.
	Status int
	// After, if there is one, is called when the response has been written.
	After func()
}

// Execute runs an operation of a request.
type Execute func(*http.Request, request.Operation) Result

// Handler serves a host.
type Handler struct {
	options  Options
	requests *request.Reader
	execute  Execute
}

// New returns a handler.
func New(o Options, execute Execute) *Handler {
	requests := request.NewReader(request.Options{MaxBytes: o.MaxBytes, MaxBatch: o.MaxBatch, Floats: true})
	return &Handler{o, requests, execute}
}

// ServeHTTP answers a request as GraphQL over HTTP asks for.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	list, batch, err := h.read(w, r)
	if h.options.Browser != nil && wantsHTML(r) && request.Status(err) != http.StatusMethodNotAllowed &&
		h.explored(r, list[0]) {
		h.options.Browser.ServeHTTP(w, r)
		return
	}
	if err != nil {
		refuse(w, r, err)
		return
	}
	results := make([]Result, len(list))
	if len(list) == 1 {
		if results[0], err = h.one(r, list[0]); err != nil {
			refuse(w, r, err)
			return
		}
	} else {
		request.Each(len(list), func(i int) { results[i], _ = h.one(r, list[i]) }) // A batch comes by POST.
	}
	if status := results[0].Status; !batch && status != 0 && wantsStatus(r) {
		w = &statusWriter{ResponseWriter: w, status: status}
	}
	// Its error is that of the connection: there is nobody to tell.
	_ = stream.RespondWith(w, r, inOne, func(out *stream.Writer) error {
		if h.options.Pretty {
			return h.indented(out, results, batch)
		}
		return h.write(out, results, batch)
	})
	for _, each := range results {
		if each.After != nil {
			each.After()
		}
	}
}

func (h *Handler) write(out *stream.Writer, results []Result, batch bool) error {
	if batch {
		out.BeginArray()
	}
	for _, each := range results {
		out.BeginObject()
		each.Write(out)
		out.EndObject()
	}
	if batch {
		out.EndArray()
	}
	return out.Err()
}

func (h *Handler) indented(out *stream.Writer, results []Result, batch bool) error {
	text, err := Render(func(w *stream.Writer) error { return h.write(w, results, batch) }, true)
	if err != nil {
		return err
	}
	out.Raw(text)
	return out.Err()
}

// Render returns what body writes.
func Render(body func(*stream.Writer) error, pretty bool) ([]byte, error) {
	var plain, indented bytes.Buffer
	w := stream.NewWriter(&plain, stream.Options{})
	if err := errors.Join(body(w), w.Close()); err != nil || !pretty {
		return plain.Bytes(), err
	}
	err := json.Indent(&indented, plain.Bytes(), "", "\t")
	return indented.Bytes(), err
}

// inOne makes most responses one write: they are all there.
var inOne = stream.Options{MinChunk: 64 << 10}

func (h *Handler) read(w http.ResponseWriter, r *http.Request) (list []request.Operation, batch bool, err error) {
	switch r.Method {
	case http.MethodPost:
		if !request.IsJSON(r) {
			return nil, false, request.ErrMediaType
		}
		return h.requests.Post(w, r)
	case http.MethodGet:
		o, err := h.requests.Form(r.URL.Query())
		if changes(o) { // Also if the rest is no JSON: the Browser may not read it.
			err = errChanges
		}
		return []request.Operation{o}, false, err
	}
	return nil, false, request.ErrMethod
}

var errChanges = request.Refusal(http.StatusMethodNotAllowed, "A GET request can only have a query.")

// explored reports whether an explorer may see a request: it may run the text in the address, of which a list of
// trusted documents knows nothing then.
func (h *Handler) explored(r *http.Request, o request.Operation) bool {
	known := h.options.Persisted
	if known == nil || !known.Trusted() || o.Query == "" {
		return true
	}
	_, err := known.Resolve(r.Context(), "", o.Query)
	return err == nil
}

// changes reports whether an operation is not a query, or may not be one: a host may accept a
// text that this parser refuses, or see another operation in it, but then the text has the keyword. Parsers
// differ in where a block string ends that has escaped quotes, or more than three in a row.
func changes(o request.Operation) bool {
	doc, err := parser.ParseQuery(&ast.Source{Input: o.Query})
	if err == nil && !strings.Contains(o.Query, `\"""`) && !strings.Contains(o.Query, `""""`) {
		if operation := doc.Operations.ForName(o.OperationName); operation != nil {
			return operation.Operation != ast.Query
		}
	}
	return strings.Contains(o.Query, "mutation") || strings.Contains(o.Query, "subscription")
}

// one runs an operation, whose text may be known by its hash. The error is that of the whole request.
func (h *Handler) one(r *http.Request, o request.Operation) (Result, error) {
	if known := h.options.Persisted; known != nil {
		persisted, _ := o.Extensions["persistedQuery"].(map[string]any)
		hash, _ := persisted["sha256Hash"].(string)
		if persisted != nil || known.Trusted() {
			text, err := known.Resolve(r.Context(), hash, o.Query)
			if err != nil {
				return failed(err, codeOf(err, o)), nil
			}
			o.Query = text
		}
		if r.Method == http.MethodGet && changes(o) { // read has seen the text of the request only.
			return Result{}, errChanges
		}
	}
	if strings.TrimSpace(o.Query) == "" {
		return failed(request.Refusal(http.StatusBadRequest, "The request has no query."), ""), nil
	}
	return h.execute(r, o), nil
}

// Failed returns the status of an operation that has no data, unless its context has ended.
func Failed(ctx context.Context, status int) int {
	if ctx.Err() != nil {
		return http.StatusServiceUnavailable
	}
	return status
}

// codeOf returns the code that clients know an error of [plancache.Persisted] by: Apollo's.
func codeOf(err error, o request.Operation) string {
	switch {
	case errors.Is(err, plancache.ErrPersistedNotFound):
		return "PERSISTED_QUERY_NOT_FOUND"
	case errors.Is(err, plancache.ErrNotAllowed):
		return request.NotAllowedCode(o.Query)
	}
	return ""
}

// failed is the result of an operation that did not run.
func failed(err error, code string) Result {
	e := &stream.Error{Message: err.Error(), Err: err}
	if code != "" {
		e.Extensions = map[string]any{"code": code}
	}
	return Result{Status: http.StatusBadRequest, Write: func(w *stream.Writer) { w.WriteErrors([]*stream.Error{e}) }}
}

func refuse(w http.ResponseWriter, r *http.Request, err error) {
	switch {
	case errors.Is(err, errChanges):
		w.Header().Set("Allow", http.MethodPost)
	case errors.Is(err, request.ErrMethod):
		w.Header().Set("Allow", "GET, POST")
	}
	stream.WriteError(w, r, &stream.Error{Message: err.Error(), Status: request.Status(err), Err: err})
}

// wantsHTML reports whether a request comes from a browser's address bar, as
// graphql-go/handler decides it.
func wantsHTML(r *http.Request) bool {
	text := r.Header.Get("Accept")
	return r.Method == http.MethodGet && strings.Contains(text, "text/html") &&
		!strings.Contains(text, accept.JSON) && !r.URL.Query().Has("raw")
}

// wantsStatus reports whether the client gets application/graphql-response+json, for which
// the status reports errors. For others it is 200.
func wantsStatus(r *http.Request) bool {
	media, _ := accept.Of(r).Response(accept.JSON)
	return media == accept.GraphQL
}

// statusWriter answers with another status than 200.
type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(int) { w.ResponseWriter.WriteHeader(w.status) }

// Unwrap is for http.ResponseController.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
