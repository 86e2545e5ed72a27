// Package simdjson parses JSON into documents that are read lazily, and decodes
// GraphQL requests.
//
// Parsing checks a text whole (RFC 8259 grammar, UTF-8, nesting) and writes a
// tape: where each value is, and what kind it has. Numbers and strings are
// converted when they are asked for, so what nobody reads costs nothing. Strings
// without escapes are parts of the document, not copies.
//
//	doc, err := simdjson.Parse(body)
//	if err != nil {
//		return err
//	}
//	defer doc.Close()
//	name, err := doc.Root().Get("user").Get("name").String()
//
// A [Value] is printed by fmt, and written by encoding/json, as its JSON.
//
// # Ownership
//
// A document copies the text that it is given into memory of its own, so the caller
// may reuse the text; [Options].AliasInput turns that off. [Document.Close] gives
// the memory to the next document, and a document that is not closed is garbage
// collected.
//
// Handles ([Document], [Request], those of lines and batches) are not used again:
//
//   - Closing one twice is harmless, from any goroutine and at any time. It never ends
//     another owner's document.
//   - Whatever is asked of a value after Close, it is Invalid, its errors wrap
//     [ErrClosed], and ranging over it ends. Operations of a closed request are empty.
//     Nothing panics, and nothing shows another owner's document.
//   - Strings of [Value.String] and of an [Operation], and the bytes of [Value.Raw],
//     are the exception: Go cannot take them back. Their bytes are valid until Close,
//     and may be another document's afterwards. Copy what must live longer
//     (strings.Clone). Results of [Value.Any], [Value.Map] and [Value.Decode] are
//     copies.
//   - A document may be read by many goroutines at a time. Close must come after their
//     last method call has returned, as with any memory that is given away: one
//     that overlaps with it is a data race, which the race detector reports, and what
//     that one call returns is undefined.
//
// # The same as encoding/json
//
// A Parser accepts what encoding/json accepts, but refuses invalid UTF-8. The
// [SyntaxError] of a refused text has the words and the offset of encoding/json. The
// last one of members with the same name counts; half a surrogate pair becomes
// U+FFFD; nesting deeper than 10 000 is refused.
//
// [Unmarshal] and [Value.Decode] do what json.Unmarshal does, including its errors.
//
// # Kernels
//
// With AVX-512, AVX2 or NEON a first stage finds the positions that matter, a
// window of the text at a time, and a second one in Go walks over them; small
// texts, and other CPUs, are read in one pass of portable Go. [Kernel] tells which
// it is, the environment variable GQLBOOST_SIMD (avx512, avx2, neon, portable) and
// [Options].Kernel choose a lower one, and the build tag purego leaves the assembly
// out. All write the same tape, which the tests compare; [Verify] compares them in
// production. A name that is no kernel never means the best one: see [Kernel] and
// [Options].
//
// # Debugging
//
// A build with the tag gqlboost_debug panics when a value is used after its
// document was closed, overwrites the strings that came from it, and prints the
// stacks of a second Close and of the first one.
package simdjson
