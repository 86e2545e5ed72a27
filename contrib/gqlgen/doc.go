// Package gqlgen makes a gqlgen server use gqlboost's blocks. Each line works
// without the others:
//
//	srv := handler.New(schema)
//	srv.AddTransport(transport.Options{})
//	srv.AddTransport(gqlgen.Incremental(gqlgen.Options{})) // @defer
//	srv.AddTransport(gqlgen.GET(gqlgen.Options{}))         // instead of transport.GET{}
//	srv.AddTransport(gqlgen.POST(gqlgen.Options{}))        // instead of transport.POST{}
//	srv.SetQueryCache(gqlgen.QueryCache(plans, schema))    // a *plancache.Cache[*ast.QueryDocument]
//	srv.Use(extension.AutomaticPersistedQuery{Cache: persisted}) // a *plancache.Persisted
//	srv.Use(gqlgen.Trusted{Documents: documents})         // or instead of that, a list of documents: nothing else runs
//	srv.Use(&gqlgen.CacheControl{})                       // Cache-Control, from the schema
//	http.Handle("/graphql", gqlgen.WithArenas(srv))        // memory of a request, see Arena
//
// # What differs from gqlgen's own transports
//
// Requests are decoded by simdjson, and responses go to the client as gqlgen has made
// them: encoding/json would read each of them once more, and rewrite it. So a response
// keeps <, > and & as they are, which encoding/json escapes; any JSON parser reads the
// same. It is checked with simdjson that a response is JSON.
//
//   - What simdjson refuses, or encoding/json may read in another way, encoding/json reads:
//     names in capital letters, members that come twice, text that is not UTF-8.
//   - An error about an invalid request body does not repeat the body, and a member
//     "headers" of a request, which gqlgen refuses if it is no http.Header, is ignored.
//   - Text of a result that is not UTF-8 has U+FFFD for each wrong byte. gqlgen sends it
//     as it is.
//   - A body above Options.MaxBytes is answered by 413.
//   - With Options.MaxBatch, a body may be an array of operations, which run at the same
//     time.
//   - With Options.Strict, requests are refused as GraphQL over HTTP asks for.
//
// # What a transport cannot do
//
// gqlgen makes the whole response before a transport sees it, so a long list neither
// begins early nor takes less memory. And most of the costs are in its execution: its
// fields, its goroutines for lists, and the garbage of both, for which arena.TuneGC is.
// A schema that package compile has compiled has neither: lists whose resolvers return
// sequences are sent by [POST] and [GET] while they are made.
package gqlgen
