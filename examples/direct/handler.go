package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log"
	"mime"
	"net/http"
	"strings"
	"sync"

	"github.com/jackc/pgx/v5"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/validator"

	"github.com/gqlboost/gqlboost/arena"
	"github.com/gqlboost/gqlboost/plancache"
	"github.com/gqlboost/gqlboost/pool"
	"github.com/gqlboost/gqlboost/simdjson"
	"github.com/gqlboost/gqlboost/stream"
)

const maxBody = 1 << 20 // bytes of a request

// inOne makes all but long lists leave in one write.
var inOne = stream.Options{MinChunk: 64 << 10}

// handler answers what it has a plan for. All else it leaves to next.
type handler struct {
	schema    *ast.Schema
	pool      *pool.Pool
	reader    *pool.Reader
	plans     *plancache.Cache[*query]
	variants  *plancache.Cache[*plan] // of queries with conditions
	persisted *plancache.Persisted
	parser    *simdjson.Parser
	buffers   arena.Buffers
	next      http.Handler
}

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost || r.ContentLength <= 0 || r.ContentLength > maxBody ||
		!isJSON(r.Header.Get("Content-Type")) {
		h.next.ServeHTTP(w, r)
		return
	}
	body := h.buffers.Get(int(r.ContentLength))
	defer h.buffers.Put(body)
	body.B = body.B[:r.ContentLength]
	n, err := io.ReadFull(r.Body, body.B)
	if err == nil {
		err = h.answer(w, r, body.B)
	}
	if err != nil {
		r.Body = io.NopCloser(bytes.NewReader(body.B[:n]))
		h.next.ServeHTTP(w, r)
	}
}

func isJSON(contentType string) bool {
	if contentType == "application/json" {
		return true
	}
	media, _, err := mime.ParseMediaType(contentType)
	return err == nil && media == "application/json"
}

// answer answers a request, or returns an error for what it leaves to next. Then nothing
// has been written, and nothing has been changed.
func (h *handler) answer(w http.ResponseWriter, r *http.Request, body []byte) error {
	request, err := h.parser.DecodeRequest(body)
	if err != nil {
		return err
	}
	defer request.Close()
	if request.Batch {
		return errNotPlanned
	}
	operation := &request.Operations()[0]
	if hash := operation.PersistedQueryHash(); hash != "" {
		// What it keeps must not be part of the request.
		text, err := h.persisted.Resolve(r.Context(), strings.Clone(hash), strings.Clone(operation.Query))
		if err != nil {
			return err
		}
		operation.Query = text
	}
	q, err := h.query(r.Context(), operation)
	if err != nil {
		return err
	}
	variables, err := operation.Variables.Map()
	if err != nil {
		return err
	}
	if variables, err = validator.VariableValues(h.schema, q.operation, variables); err != nil {
		return err
	}
	p, err := h.plan(r.Context(), operation, q, variables)
	if err != nil {
		return err
	}
	if p.mutation {
		return h.mutate(w, r, p, variables)
	}
	return h.read(w, r, p, variables)
}

// query returns what is known of an operation. The operation's texts are parts of the
// request, so what the cache keeps is a copy.
func (h *handler) query(ctx context.Context, o *simdjson.Operation) (*query, error) {
	key := plancache.Key{Query: o.Query, Operation: o.OperationName}
	if q, ok := h.plans.Get(ctx, key); ok {
		return q, nil
	}
	key = plancache.Key{Query: strings.Clone(o.Query), Operation: strings.Clone(o.OperationName)}
	return h.plans.Load(ctx, key,
		func(context.Context) (*query, error) { return parse(h.schema, key.Query, key.Operation) })
}

func (h *handler) plan(ctx context.Context, o *simdjson.Operation, q *query, variables map[string]any) (*plan, error) {
	if q.plan != nil {
		return q.plan, nil
	}
	var extra []byte
	for _, name := range q.conditions {
		extra = fmt.Appendf(extra, "%v,", variables[name])
	}
	key := plancache.Key{Query: strings.Clone(o.Query), Operation: strings.Clone(o.OperationName), Extra: string(extra)}
	return h.variants.Load(ctx, key, func(context.Context) (*plan, error) { return compile(q.operation, variables) })
}

// read answers a query: one statement for each of its fields, at the same time.
func (h *handler) read(w http.ResponseWriter, r *http.Request, p *plan, variables map[string]any) error {
	var few [4]pgx.Rows
	rows, errs := few[:0], make([]error, len(p.steps))
	statements, arguments := make([]string, len(p.steps)), make([][]any, len(p.steps))
	for i := range p.steps {
		rows = append(rows, nil)
		var err error
		if statements[i], arguments[i], err = p.steps[i].statement(variables); err != nil {
			return err
		}
	}
	start := func(i int) {
		if p.steps[i].constant == "" {
			rows[i], errs[i] = h.reader.Query(r.Context(), statements[i], arguments[i]...)
		}
	}
	if len(p.steps) == 1 {
		start(0)
	} else {
		var wg sync.WaitGroup
		for i := range p.steps {
			wg.Go(func() { start(i) })
		}
		wg.Wait()
	}
	defer func() {
		for _, each := range rows {
			if each != nil {
				each.Close()
			}
		}
	}()
	report(r, stream.RespondWith(w, r, inOne, func(out *stream.Writer) error {
		out.BeginObject()
		out.Name("data")
		out.BeginObject()
		for i := range p.steps {
			if err := p.steps[i].write(out, rows[i], errs[i]); err != nil {
				return err
			}
		}
		out.EndObject()
		return nil
	}))
	return nil
}

// write writes a member of the data.
func (s *step) write(out *stream.Writer, rows pgx.Rows, err error) error {
	out.Member(s.name)
	switch {
	case s.constant != "":
		out.String(s.constant)
		return nil
	case err != nil:
		return err
	case s.list:
		_, err = s.shape.Write(out, rows)
		return err
	default:
		return s.shape.WriteFirst(out, rows)
	}
}

// mutate runs mutations one after the other.
func (h *handler) mutate(w http.ResponseWriter, r *http.Request, p *plan, variables map[string]any) error {
	batches := make([]*pgx.Batch, len(p.steps))
	for i := range p.steps {
		if p.steps[i].constant != "" {
			continue
		}
		var err error
		if batches[i], err = p.steps[i].batch(variables); err != nil {
			return err // before any of them
		}
	}
	report(r, stream.RespondWith(w, r, inOne, func(out *stream.Writer) error {
		out.BeginObject()
		out.Name("data")
		out.Nullable(nil, func(out *stream.Writer) error {
			out.BeginObject()
			for i := range p.steps {
				if err := h.change(r.Context(), out, &p.steps[i], batches[i]); err != nil {
					return err
				}
			}
			out.EndObject()
			return nil
		})
		return nil
	}))
	return nil
}

// change runs one mutation.
func (h *handler) change(ctx context.Context, out *stream.Writer, s *step, b *pgx.Batch) (err error) {
	if b == nil {
		return s.write(out, nil, nil)
	}
	results := h.pool.SendBatch(ctx, b)
	defer func() {
		if closed := results.Close(); err == nil {
			err = closed
		}
	}()
	for range b.Len() - 1 {
		if _, err := results.Exec(); err != nil {
			return s.public(err)
		}
	}
	rows, err := results.Query()
	return s.write(out, rows, err)
}

func report(r *http.Request, err error) {
	if err != nil && r.Context().Err() == nil {
		log.Printf("%s: %v", r.RemoteAddr, err)
	}
}
