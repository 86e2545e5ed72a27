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
// # Ownership
//
// A document copies the text that it is given into memory of its own, so the
// caller may reuse the text; [Options].CopyInput turns that off. Everything that
// comes from a document, values and strings alike, is valid until
// [Document.Close], which gives the memory to the next document. Copy what must
// live longer.
//
// # The same as encoding/json
//
// What is accepted is what encoding/json accepts, and invalid UTF-8 is refused
// besides. A refused text has the words and the offset of encoding/json in its
// [SyntaxError]. Of members with the same name the last one counts; half a
// surrogate pair becomes U+FFFD; nesting deeper than 10 000 is refused.
//
// # Kernels
//
// With AVX-512, AVX2 or NEON a first stage finds the positions that matter, a
// window of the text at a time, and a second one in Go walks over them; small
// texts, and other CPUs, are read in one pass of portable Go. [Kernel] tells which
// it is, the environment variable GQLBOOST_SIMD (avx512, avx2, neon, portable) and
// [Options].Kernel choose a lower one, and the build tag purego leaves the assembly
// out. All write the same tape, which the tests compare; [Verify] compares them in
// production.
//
// A build with the tag gqlboost_debug panics when a value is used after its
// document was closed, and overwrites the strings that came from it.
package simdjson
