// Package server is the blog's HTTP server as a good gqlgen team sets one up
// today. It is the baseline that the blocks are measured against: it uses none
// of them and stays as it is.
package server

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/handler"
	"github.com/99designs/gqlgen/graphql/handler/extension"
	"github.com/99designs/gqlgen/graphql/handler/lru"
	"github.com/99designs/gqlgen/graphql/handler/transport"
	"github.com/99designs/gqlgen/graphql/playground"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/vektah/gqlparser/v2/ast"

	"github.com/gqlboost/gqlboost/examples/blog/graph"
	"github.com/gqlboost/gqlboost/examples/blog/spans"
	"github.com/gqlboost/gqlboost/examples/blog/store"
)

const (
	maxBody    = 1 << 20 // bytes of a request
	maxTokens  = 10_000  // of a query
	queryCache = 1000    // parsed queries
	apqCache   = 1000    // texts of persisted queries
)

// New returns the handler of everything that the blog serves. The recorder may
// be nil; with one, the pool's tracer must be the recorder's.
func New(pool *pgxpool.Pool, recorder *spans.Recorder) http.Handler {
	s := store.New(pool)
	api := handler.New(graph.NewExecutableSchema(graph.Config{Resolvers: &graph.Resolver{Store: s}}))
	api.AddTransport(transport.Options{})
	api.AddTransport(transport.GET{})
	api.AddTransport(transport.POST{})
	api.SetQueryCache(lru.New[*ast.QueryDocument](queryCache))
	api.SetParserTokenLimit(maxTokens)
	api.Use(extension.Introspection{})
	api.Use(extension.AutomaticPersistedQuery{Cache: lru.New[string](apqCache)})
	if recorder != nil {
		api.AroundResponses(recorder.Response)
	}

	var endpoint http.Handler = limitBody(specStatus(graph.WithLoaders(s, api)))
	if recorder != nil {
		endpoint = recorder.Handler(endpoint)
	}
	mux := http.NewServeMux()
	mux.Handle("/graphql", endpoint)
	mux.Handle("GET /{$}", playground.Handler("gqlboost blog", "/graphql"))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, r *http.Request) { health(w, r, s) })
	return mux
}

func health(w http.ResponseWriter, r *http.Request, s *store.Store) {
	ctx, cancel := context.WithTimeout(r.Context(), 2*time.Second)
	defer cancel()
	if err := s.Ping(ctx); err != nil {
		http.Error(w, "Postgres does not answer", http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintln(w, "ok")
}

// specStatus answers as GraphQL over HTTP asks where gqlgen does otherwise: 415
// for a media type that it does not take, 405 for a mutation by GET.
func specStatus(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			if mediaType, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || mediaType != "application/json" {
				refuse(w, http.StatusUnsupportedMediaType, "a request's Content-Type must be application/json")
				return
			}
		} else {
			w = getWriter{w}
		}
		next.ServeHTTP(w, r)
	})
}

// getWriter is the writer of a response to a GET.
type getWriter struct{ http.ResponseWriter }

func (w getWriter) WriteHeader(status int) {
	if status == http.StatusNotAcceptable {
		status = http.StatusMethodNotAllowed
		w.Header().Set("Allow", http.MethodPost)
	}
	w.ResponseWriter.WriteHeader(status)
}

// limitBody refuses large requests before gqlgen reads them: it would answer 200,
// and repeat a body that is not JSON in its error. Bodies of unknown length are
// read here for that reason.
func limitBody(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength < 0 && r.Body != nil {
			body, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
			if err != nil {
				refuse(w, http.StatusBadRequest, "the request's body could not be read")
				return
			}
			r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		}
		if r.ContentLength > maxBody {
			refuse(w, http.StatusRequestEntityTooLarge, fmt.Sprintf("the request's body is larger than %d bytes", maxBody))
			return
		}
		next.ServeHTTP(w, r)
	})
}

// refuse writes an error as GraphQL does.
func refuse(w http.ResponseWriter, status int, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(graphql.ErrorResponse(context.Background(), "%s", message)) // The client may have gone.
}
