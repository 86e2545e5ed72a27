package gqlgen

import (
	"context"
	"errors"
	"net/http"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"github.com/gqlboost/gqlboost/contrib/internal/request"
	"github.com/gqlboost/gqlboost/internal/accept"
	"github.com/gqlboost/gqlboost/stream"
	"github.com/gqlboost/gqlboost/stream/incremental"
)

// Incremental returns a transport that delivers @defer to clients that accept it, in the
// format that they ask for: see package incremental. It goes before POST. It is safe for
// concurrent use.
//
// Subscriptions are refused: transport.SSE goes before it, if clients subscribe over text/event-stream.
//
// gqlgen does not know before the initial result what will follow, so clients are told about a
// deferred fragment when it comes.
//
// It needs a ResponseWriter with write deadlines, as net/http's is, and sends the whole at
// once otherwise. gqlgen's test client reads only what transport.MultipartMixed sends, and
// httptest.ResponseRecorder has no deadlines: tests of @defer by that client keep gqlgen's.
func Incremental(o Options) graphql.Transport { return &deferring{newBase(o)} }

type deferring struct{ base }

// Supports reports whether it takes a request.
func (d *deferring) Supports(r *http.Request) bool {
	return r.Method == http.MethodPost && r.Header.Get("Upgrade") == "" && request.IsJSON(r) &&
		incremental.Negotiate(r) != incremental.None
}

// Do answers a request.
func (d *deferring) Do(w http.ResponseWriter, r *http.Request, exec graphql.GraphExecutor) {
	list, batch, err := d.decode(w, r)
	if err != nil || batch {
		w.Header().Set("Content-Type", accept.JSON)
		if err != nil {
			d.refuse(w, r, exec, err)
		} else {
			writeBatch(w, execAll(r, exec, list))
		}
		return
	}
	operation, errs := exec.CreateOperationContext(r.Context(), list[0])
	keepArenas(r.Context(), operation)
	if errs != nil {
		response := exec.DispatchError(graphql.WithOperationContext(r.Context(), operation), errs)
		d.whole(w, answer{status: status(errs, accept.JSON), response: response})
		return
	}
	if operation.Operation.Operation == ast.Subscription { // Only its first event would be sent.
		d.whole(w, answer{status: http.StatusNotAcceptable, response: failure(
			"Subscriptions are not delivered in this format: the server needs a transport for them before gqlgen.Incremental.")})
		return
	}
	responses, ctx := exec.DispatchOperation(r.Context(), operation)
	first := responses(ctx) // If it panics, handler.Server answers, as for what is no JSON.
	m := prepare(first)
	whole, giveUp := context.WithCancelCause(r.Context())
	defer giveUp(nil)
	delivery, err := incremental.New(w, r.WithContext(whole), incremental.Options{})
	if err != nil { // A middleware is in the way. All at once is what is left.
		d.whole(w, answer{status: http.StatusOK, response: first})
		return
	}
	for name, values := range d.ResponseHeaders {
		for _, v := range values {
			w.Header().Add(name, v)
		}
	}
	deliver(delivery, giveUp, m, func() *graphql.Response { return later(whole, ctx, responses) })
}

var (
	errUnfinished = errors.New("gqlgen: the operation has ended before its deferred fragments")
	errExited     = errors.New("gqlgen: the operation has called runtime.Goexit")
)

// later returns a response behind the first one; nil if the request or the operation has ended.
// gqlgen may wait without an end then, for a result that is no longer sent.
func later(request, operation context.Context, responses graphql.ResponseHandler) *graphql.Response {
	type outcome struct {
		response *graphql.Response
		panicked any
	}
	done := make(chan outcome, 1)
	go func() {
		out := outcome{panicked: errExited}
		defer func() {
			if p := recover(); p != nil {
				out.panicked = p
			}
			done <- out
		}()
		out.response = responses(operation)
		out.panicked = nil
	}()
	select {
	case <-request.Done():
		return nil
	case <-operation.Done():
		return nil
	case out := <-done:
		if out.panicked != nil {
			panic(out.panicked)
		}
		return out.response
	}
}

// whole answers all at once.
func (d *deferring) whole(w http.ResponseWriter, a answer) {
	w.Header().Set("Content-Type", accept.JSON)
	d.write(w, a)
}

// deliver sends responses as they come. Errors are those of the connection, and there is
// nobody to tell. If not all of them come, giveUp has the client see that.
func deliver(d *incremental.Delivery, giveUp context.CancelCauseFunc, m prepared, next func() *graphql.Response) {
	defer func() { _ = d.Close() }()
	first := m.Response
	if first == nil {
		return
	}
	release, complete := d.Hold(), !more(first)
	defer func() {
		if !complete {
			giveUp(errUnfinished)
		}
	}()
	if complete {
		release()
	}
	err := d.Initial(func(w *stream.Writer) error {
		raw(w, "errors", m.errors)
		w.Name("data")
		data(w, first)
		raw(w, "extensions", m.extensions)
		return w.Err()
	})
	for r := first; err == nil && more(r); {
		if r = next(); r == nil {
			return
		}
		m := prepare(r)
		part := d.Defer(path(r.Path), r.Label)
		part.Extend(m.extensions)
		if !more(r) {
			complete = true
			release()
		}
		err = part.Complete(func(w *stream.Writer) error {
			data(w, r)
			for _, e := range r.Errors {
				w.Report(&stream.Error{
					Message: e.Message, Locations: locations(e.Locations), Path: path(e.Path), Extensions: e.Extensions, Err: e,
				}, nil)
			}
			return w.Err()
		})
	}
}

func more(r *graphql.Response) bool { return r.HasNext != nil && *r.HasNext }

func data(w *stream.Writer, r *graphql.Response) {
	if r.Data == nil {
		w.Null()
		return
	}
	w.Raw(r.Data)
}

func path(p ast.Path) incremental.Path {
	list := make(incremental.Path, len(p))
	for i, element := range p {
		switch e := element.(type) {
		case ast.PathName:
			list[i] = string(e)
		case ast.PathIndex:
			list[i] = int(e)
		}
	}
	return list
}

func locations(list []gqlerror.Location) []stream.Location {
	converted := make([]stream.Location, len(list))
	for i, l := range list {
		converted[i] = stream.Location(l)
	}
	return converted
}
