// Package server is the blog's HTTP server as a good gqlgen team sets one up
// today. It is the baseline that the blocks are measured against: it uses none
// of them and stays as it is. Package blocks puts them into it.
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
	"github.com/vektah/gqlparser/v2/ast"

	"github.com/gqlboost/gqlboost/examples/blog/graph"
	"github.com/gqlboost/gqlboost/examples/blog/spans"
	"github.com/gqlboost/gqlboost/examples/blog/store"
)

const (
	// MaxBody is the bytes of a request.
	MaxBody = 1 << 20
	// MaxTokens is the tokens of a query.
	MaxTokens  = 10_000
	queryCache = 1000 // parsed queries
	apqCache   = 1000 // texts of persisted queries
)

// Parts are what the server is made of. Those that are nil are the baseline's.
type Parts struct {
	Store      *store.Store
	Recorder   *spans.Recorder // of spans; the pool's tracer must be the recorder's
	Schema     func(*graph.Resolver) graphql.ExecutableSchema
	Transports []graphql.Transport
	QueryCache func(graphql.ExecutableSchema) graphql.Cache[*ast.QueryDocument]
	Persisted  graphql.Cache[string]
	Extensions []graphql.HandlerExtension
	Around     func(http.Handler) http.Handler // the handler of requests
}

// New returns the handler of everything that the baseline serves. The recorder may be
// nil.
func New(pool store.Pool, recorder *spans.Recorder) http.Handler {
	return Assemble(Parts{Store: store.New(pool), Recorder: recorder})
}

// Assemble returns the handler of everything that the blog serves.
func Assemble(p Parts) http.Handler {
	if p.Schema == nil {
		p.Schema = func(r *graph.Resolver) graphql.ExecutableSchema {
			return graph.NewExecutableSchema(graph.Config{Resolvers: r})
		}
	}
	schema := p.Schema(&graph.Resolver{Store: p.Store})
	api := handler.New(schema)
	api.AddTransport(transport.Options{})
	around := p.Around
	if around == nil {
		around = func(next http.Handler) http.Handler { return next }
	}
	if p.Transports == nil {
		p.Transports = []graphql.Transport{transport.GET{}, transport.POST{}}
		inner := around
		around = func(next http.Handler) http.Handler { return limitBody(specStatus(inner(next))) }
	}
	for _, t := range p.Transports {
		api.AddTransport(t)
	}
	if p.QueryCache == nil {
		p.QueryCache = func(graphql.ExecutableSchema) graphql.Cache[*ast.QueryDocument] {
			return lru.New[*ast.QueryDocument](queryCache)
		}
	}
	if p.Persisted == nil {
		p.Persisted = lru.New[string](apqCache)
	}
	api.SetQueryCache(p.QueryCache(schema))
	api.SetParserTokenLimit(MaxTokens)
	api.Use(extension.Introspection{})
	api.Use(extension.AutomaticPersistedQuery{Cache: p.Persisted})
	for _, e := range p.Extensions {
		api.Use(e)
	}
	if p.Recorder != nil {
		api.AroundResponses(p.Recorder.Response)
	}

	endpoint := around(graph.WithLoaders(p.Store, api))
	if p.Recorder != nil {
		endpoint = p.Recorder.Handler(endpoint)
	}
	mux := http.NewServeMux()
	mux.Handle("/graphql", endpoint)
	mux.Handle("GET /{$}", playground.Handler("gqlboost blog", "/graphql"))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, r *http.Request) { health(w, r, p.Store) })
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
			if mediaType, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil ||
				mediaType != "application/json" {
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
			body, err := io.ReadAll(io.LimitReader(r.Body, MaxBody+1))
			if err != nil {
				refuse(w, http.StatusBadRequest, "the request's body could not be read")
				return
			}
			r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		}
		if r.ContentLength > MaxBody {
			refuse(w, http.StatusRequestEntityTooLarge, fmt.Sprintf("the request's body is larger than %d bytes", MaxBody))
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
