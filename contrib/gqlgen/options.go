package gqlgen

import (
	"encoding/json"

	"github.com/99designs/gqlgen/graphql"

	"github.com/gqlboost/gqlboost/contrib/internal/request"
)

// Options configures a transport. The zero value makes one that answers as gqlgen's
// does.
type Options struct {
	// ResponseHeaders are added to each response, as transport.POST does it.
	ResponseHeaders map[string][]string
	// GraphQLResponse makes application/graphql-response+json the type of responses for
	// clients that do not state which they accept.
	GraphQLResponse bool
	// MaxBytes is the largest body, 16 MiB by default.
	MaxBytes int64
	// MaxBatch is the largest number of operations in a request. 0 is no batches.
	MaxBatch int
	// Strict answers as GraphQL over HTTP asks where gqlgen does otherwise: 415 for a
	// POST of another type than JSON, 405 for a mutation by GET and for methods other
	// than GET and POST. The transports take all requests then, so they must be added
	// after others, POST before GET.
	Strict bool
	// StandardRequests leaves decoding to encoding/json, and StandardResponses encoding:
	// to adopt one after the other, and to find out what each of them brings.
	StandardRequests, StandardResponses bool
}

// base is what the transports have in common.
type base struct {
	Options
	requests *request.Reader
}

func newBase(o Options) base {
	return base{o, request.NewReader(request.Options{
		MaxBytes: o.MaxBytes, MaxBatch: o.MaxBatch, Standard: o.StandardRequests, Decode: decode,
	})}
}

// decode reads an operation as gqlgen's transports do: its errors name the type.
func decode(d *json.Decoder) (request.Operation, error) {
	var p graphql.RawParams
	err := d.Decode(&p)
	return request.Operation{
		Query: p.Query, OperationName: p.OperationName, Variables: p.Variables, Extensions: p.Extensions,
	}, err
}
