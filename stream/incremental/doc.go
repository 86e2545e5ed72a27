// Package incremental delivers GraphQL results in parts: @defer and @stream.
//
// An executor announces what comes later, writes the initial result, and completes
// the parts as they are ready, from any goroutines:
//
//	d, err := incremental.New(rw, r, incremental.Options{})
//	if err != nil {
//		return err // The client takes no parts: execute without @defer and @stream.
//	}
//	comments := d.Defer(incremental.Path{"post"}, "comments")
//	go func() {
//		comments.Complete(func(w *stream.Writer) error { return writeComments(w) })
//	}()
//	err = d.Initial(func(w *stream.Writer) error {
//		w.Name("data")
//		return writePost(w)
//	})
//	return errors.Join(err, d.Close()) // Waits for the parts.
//
// # Formats
//
// What the client accepts decides about the transport and the payloads:
//
//	Accept                                   transport    payloads
//	multipart/mixed;incrementalSpec=v0.2     multipart    current: pending, incremental, completed
//	multipart/mixed;deferSpec=20220824       multipart    of 2022: path and data (Apollo Client 3)
//	multipart/mixed                          multipart    current, with the paths of 2022 besides (urql, meros)
//	text/event-stream                        SSE          the same (graphql-sse, distinct connections mode)
//	application/x-ndjson, application/jsonl  a line each  the same
//
// Clients of either payload find what they look for where both are: those of 2022
// use path and ignore the rest, the others use id. The media type with the highest
// quality counts, the first of equal ones.
//
// The test suite reads parts with meros, graphql-sse, @apollo/client 3 and
// @urql/core. Apollo Client 3 knows @defer but not @stream.
//
// # Proxies
//
// A proxy that buffers undoes all of this. The response has "X-Accel-Buffering: no",
// which nginx respects, and "Cache-Control: no-cache, no-transform"; other proxies
// must be configured. SSE and lines have heartbeats while nothing is ready, so that
// idle connections are not closed; multipart has no place for them.
package incremental
