// Package stream writes JSON responses while they are made: the first bytes leave
// at once, memory stays at the size of a chunk, and a response that could not be
// completed never looks complete.
//
// [Writer] appends JSON and checks the nesting. [Respond] is the one call for a
// GraphQL handler. The package pgrows writes the rows of a query straight from
// Postgres's wire format, and incremental delivers @defer and @stream.
//
//	err := stream.Respond(rw, r, func(w *stream.Writer) error {
//		rows, err := db.Query(r.Context(), "select id, title from posts order by id")
//		if err != nil {
//			return err // An error response with status 500.
//		}
//		w.BeginObject()
//		w.Name("data")
//		w.BeginObject()
//		w.Name("posts")
//		if _, err := pgrows.Write(w, rows, pgrows.Options{}); err != nil {
//			return err // The same, unless a chunk has been sent: then the connection is aborted.
//		}
//		w.EndObject()
//		return nil // Respond closes the outermost object.
//	})
//
// # Errors after the first byte
//
// GraphQL wants null in place of what failed, and the error beside the data. A
// stream cannot take back what it has sent, so the executor says what it may want
// to take back: [Writer.Nullable] holds the value of the nearest nullable parent
// until that is complete, and puts null in its place if it fails. What is not
// inside of one, and what has grown above [Options].MaxHeld, is sent; an error there
// ends the connection, which HTTP/1.1 and HTTP/2 clients notice. For others the response is
// held whole.
//
// # Chunks
//
// A chunk begins with [Options].MinChunk, doubles when the client has taken the last
// within 2 ms, and is halved when that took more than 100 ms. While a write blocks,
// nothing is produced: with pgrows, Postgres waits. A client that takes longer than
// WriteTimeout for a chunk is given up. Larger chunks than 256 KiB bring nothing.
//
// # Proxies and middleware
//
// nginx buffers responses unless they have the header "X-Accel-Buffering: no" (set it for
// long streams; incremental does) or proxy_buffering is off; the client gets the same
// bytes, later. Compression that flushes (such as klauspost/compress/gzhttp, which is
// tested) keeps chunks and aborts working. A middleware must pass on write deadlines
// (http.ResponseController, Unwrap): without them a response could not be aborted, so it is
// held whole before it is sent. So it is without Flush, and for clients of other versions than
// HTTP/1.1 and HTTP/2. In HTTP/1.0 the end of the connection is the end of the response: nginx
// speaks that to servers unless it has "proxy_http_version 1.1". Servers of HTTP/3 end a stream
// well whatever its deadline is. CanAbort tells which it is.
package stream
