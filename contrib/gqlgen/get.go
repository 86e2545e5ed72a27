package gqlgen

import (
	"errors"
	"net/http"
	"net/url"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"github.com/gqlboost/gqlboost/contrib/internal/request"
)

// GET returns a transport that takes the place of gqlgen's transport.GET. It is safe for
// concurrent use.
func GET(o Options) graphql.Transport { return &get{newBase(o)} }

type get struct{ base }

// Supports reports whether it takes a request.
func (g *get) Supports(r *http.Request) bool {
	return r.Header.Get("Upgrade") == "" && (r.Method == http.MethodGet || g.Strict)
}

// Do answers a request.
func (g *get) Do(w http.ResponseWriter, r *http.Request, exec graphql.GraphExecutor) {
	if r.Method != http.MethodGet {
		g.begin(w, r)
		w.Header().Set("Allow", "GET, POST")
		g.refuse(w, r, exec, request.ErrMethod)
		return
	}
	form, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		g.write(w, answer{status: http.StatusBadRequest, response: failure(err.Error())})
		return
	}
	contentType := g.begin(w, r)
	start := graphql.Now()
	o, err := g.requests.Form(form)
	if err != nil {
		message := err.Error()
		if e := (*request.Undecoded)(nil); errors.As(err, &e) {
			message = e.Parameter + " could not be decoded"
		}
		g.write(w, answer{status: http.StatusBadRequest, response: failure(message)})
		return
	}
	g.respond(w, r, exec, params(o, r, start), contentType, func(o *graphql.OperationContext) *answer {
		if o.Operation.Operation == ast.Query {
			return nil
		}
		no := &answer{status: http.StatusNotAcceptable, response: failure("GET requests only allow query operations")}
		if g.Strict {
			no.status = http.StatusMethodNotAllowed
			w.Header().Set("Allow", http.MethodPost)
		}
		return no
	})
}

// failure is the response to a request that is refused before gqlgen sees it.
func failure(message string) *graphql.Response {
	return &graphql.Response{Errors: gqlerror.List{{Message: message}}}
}
