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
// The Accept header of the client decides about the transport and the payloads:
//
//	Accept                                   transport    payloads
//	multipart/mixed;incrementalSpec=v0.2     multipart    current: pending, incremental, completed
//	multipart/mixed;deferSpec=20220824       multipart    of 2022: path and data (Apollo Client 3)
//	multipart/mixed                          multipart    current, with the paths of 2022 besides (urql, meros)
//	text/event-stream                        SSE          the same (graphql-sse, distinct connections mode)
//	application/x-ndjson, application/jsonl  a line each  the same
//
// Clients of either payload find what they look for where both are: those of 2022
// use path and ignore the rest, the others use id. Accept is read as RFC 9110 has it:
// the range of the highest quality counts, of equal ones the most specific, then the
// first. The client must name a type of the table: "*/*" does not ask for parts, and JSON
// with a higher quality asks for none. A multipart range with the parameter of
// another specification, such as subscriptionSpec=1.0, is not accepted.
//
// The response's content type is the one that was asked for, with its specification.
// A multipart response is framed as the RFC Incremental Delivery over HTTP has it: the
// line end that belongs to a boundary comes before the first one as well.
//
// # Payloads
//
// A payload is one write of the ResponseWriter, and so one chunk of HTTP/1.1, with its
// frame: the next boundary comes with the payload before it, and what ends the response
// comes with the last. An initial result that is larger than MaxQueued is sent in
// several, as it is made. Parts that are ready while one is sent share the next payload.
//
// # Errors
//
// A body that returns an error or panics fails its part, and the client is told. If the
// initial result fails, Close answers with an ordinary error response, in an event stream
// with an event, or aborts what has begun: no client takes it for complete. Nothing is
// sent after Close, and a part that is announced when the client has been told that
// nothing follows gets [ErrEnded].
//
// # Proxies
//
// A proxy that buffers undoes all of this. The response has "X-Accel-Buffering: no",
// which nginx respects, and "Cache-Control: no-cache, no-transform"; other proxies
// must be configured. SSE and lines have heartbeats while nothing is ready, so that
// idle connections are not closed: a comment, or a space before the next line. Multipart
// has no place for them.
//
// # When not to use it
//
// Where all parts are ready at once, one response by stream.Respond is smaller and
// sooner complete. Subscriptions are not delivered: Apollo's subscriptions over multipart
// (subscriptionSpec) and the single connection mode of graphql-sse are other protocols.
package incremental
