package blocks

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"sync"
	"time"

	"github.com/vektah/gqlparser/v2/ast"
)

const (
	rehearsal = time.Second // at most
	rehearse  = 2           // requests at a time, so that there is a connection for more than one
	rehearsed = 2           // times each query is asked
)

// rehearse asks queries that the fleet uses before there are clients: the first requests would open the
// connections, have the Reader learn its statements and have the executor compile its plans. Nothing is
// written, and what is answered does not matter.
func (s *Server) rehearse(ctx context.Context, documents []*ast.QueryDocument) {
	ctx, cancel := context.WithTimeout(ctx, rehearsal)
	defer cancel()
	bodies := make(chan []byte)
	var all sync.WaitGroup
	for range rehearse {
		all.Go(func() {
			for body := range bodies {
				if r, err := http.NewRequestWithContext(ctx, http.MethodPost, "/graphql", bytes.NewReader(body)); err == nil {
					r.Header.Set("Content-Type", "application/json")
					s.ServeHTTP(discard{}, r)
				}
			}
		})
	}
	defer all.Wait()
	defer close(bodies)
	for range rehearsed {
		for _, d := range documents {
			body := example(d)
			if body == nil {
				continue
			}
			select {
			case bodies <- body:
			case <-ctx.Done():
				return
			}
		}
	}
}

// example returns a request for a document, nil if it does more than to read, or nobody knows with
// which variables.
func example(d *ast.QueryDocument) []byte {
	if len(d.Operations) != 1 || d.Operations[0].Operation != ast.Query {
		return nil
	}
	variables := map[string]any{}
	for _, v := range d.Operations[0].VariableDefinitions {
		value := map[string]any{"ID": "1", "Int": 1, "Float": 1, "String": "a", "Boolean": false}[v.Type.NamedType]
		if value == nil && v.Type.NonNull && v.DefaultValue == nil {
			return nil
		}
		if value != nil && v.DefaultValue == nil {
			variables[v.Variable] = value
		}
	}
	body, err := json.Marshal(map[string]any{"query": d.Operations[0].Position.Src.Input, "variables": variables})
	if err != nil {
		return nil
	}
	return body
}

// discard is a writer of responses that nobody reads.
type discard http.Header

// Header implements [http.ResponseWriter].
func (d discard) Header() http.Header { return http.Header{} }

// Write implements [http.ResponseWriter].
func (d discard) Write(data []byte) (int, error) { return len(data), nil }

// WriteHeader implements [http.ResponseWriter].
func (d discard) WriteHeader(int) {}
