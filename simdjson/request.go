package simdjson

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"unicode/utf8"
	"unsafe"
)

// Operation is one GraphQL operation of a request. Its strings and values are
// parts of the request, and valid until that is closed.
type Operation struct {
	Query         string
	OperationName string
	// Variables is an object, null, or Invalid if there are none.
	Variables Value
	// Extensions is likewise.
	Extensions Value
}

// PersistedQueryHash returns the SHA-256 hash of an automatic persisted query
// (extensions.persistedQuery.sha256Hash), "" if there is none.
func (o Operation) PersistedQueryHash() string {
	hash, err := o.Extensions.Get("persistedQuery").Get("sha256Hash").String()
	if err != nil {
		return ""
	}
	return hash
}

// Request is the operations of one HTTP request.
type Request struct {
	Operations []Operation
	// Batch tells that the body was an array, so that the response must be one.
	Batch bool
	doc   *Document
}

// Close gives the request's memory back. Nothing of it may be used afterwards.
// Closing it again or a nil request does nothing.
func (r *Request) Close() {
	if r == nil || r.doc == nil {
		return
	}
	doc := r.doc
	r.doc = nil
	doc.Close()
}

// RequestError is returned for a body that is not a GraphQL request.
type RequestError struct {
	// Status is that of the HTTP response: 400, or 413 for a body or batch above
	// the limits.
	Status int
	// Message is for the client.
	Message string
	Err     error // the cause, or nil
}

// Error returns the message.
func (e *RequestError) Error() string { return e.Message }

// Unwrap returns the cause.
func (e *RequestError) Unwrap() error { return e.Err }

func badRequest(format string, args ...any) error {
	return &RequestError{Status: http.StatusBadRequest, Message: fmt.Sprintf(format, args...)}
}

// DecodeRequest reads the body of a GraphQL request, one object or an array of
// them, which the caller closes. Members that it does not know are ignored. An
// error is a [*RequestError]. The body is copied.
func DecodeRequest(body []byte) (*Request, error) { return standard.DecodeRequest(body) }

// DecodeRequest is the function of that name with the parser's options.
func (p *Parser) DecodeRequest(body []byte) (*Request, error) {
	d, err := p.Parse(body)
	if err != nil {
		status := http.StatusBadRequest
		if errors.Is(err, ErrTooLarge) {
			status = http.StatusRequestEntityTooLarge
		}
		return nil, &RequestError{Status: status, Message: "The request body is not valid JSON: " + err.Error(), Err: err}
	}
	r := &d.request
	r.doc = d
	// All texts with escapes go to one buffer, which must not move any more.
	if d.scratch = d.scratch[:0]; cap(d.scratch) < len(body) && d.hasEscapes() {
		d.scratch = make([]byte, 0, len(body))
	}
	if err := r.fill(d.Root(), p.resolved().MaxBatch); err != nil {
		r.Close()
		return nil, err
	}
	return r, nil
}

func (d *Document) hasEscapes() bool {
	for _, w := range d.tape {
		if w.tag() == tagEscaped {
			return true
		}
	}
	return false
}

func (r *Request) fill(root Value, maxBatch int) error {
	switch root.Kind() {
	case Object:
		r.Batch = false
		r.Operations = append(r.Operations[:0], Operation{})
		return r.Operations[0].read(root)
	case Array:
		r.Batch = true
		n := root.Len()
		if n == 0 {
			return badRequest("The batch of operations is empty.")
		}
		if n > maxBatch {
			return &RequestError{Status: http.StatusRequestEntityTooLarge, Message: fmt.Sprintf("A batch of %d operations is larger than the limit of %d.", n, maxBatch)}
		}
		r.Operations = r.Operations[:0]
		for i, element := range root.Elements() {
			r.Operations = append(r.Operations, Operation{})
			if element.Kind() != Object {
				return badRequest("Operation %d of the batch must be an object, not %s.", i, article(element))
			}
			if err := r.Operations[i].read(element); err != nil {
				return err
			}
		}
		return nil
	}
	return badRequest("The request body must be an object or an array of objects, not %s.", article(root))
}

// read takes the members that GraphQL over HTTP knows.
func (o *Operation) read(v Value) error {
	d := v.doc
	for i := v.i + 1; i < d.tape[v.i].n(); i = next(d.tape, i+1) {
		name, member := d.tape[i], Value{d, i + 1}
		if name.tag() == tagEscaped {
			if err := o.set(d.text(name), member); err != nil {
				return err
			}
			continue
		}
		raw := d.data[name.offset() : name.offset()+name.n()]
		if err := o.set(unsafe.String(unsafe.SliceData(raw), len(raw)), member); err != nil {
			return err
		}
	}
	return nil
}

func (o *Operation) set(name string, v Value) (err error) {
	switch name {
	case "query":
		o.Query, err = v.requestText(name)
	case "operationName":
		o.OperationName, err = v.requestText(name)
	case "variables":
		o.Variables, err = v.requestObject(name)
	case "extensions":
		o.Extensions, err = v.requestObject(name)
	}
	return err
}

func article(v Value) string {
	switch k := v.Kind(); k {
	case Null:
		return "null"
	case Object, Array:
		return "an " + k.String()
	case Bool:
		return "a boolean"
	default:
		return "a " + k.String()
	}
}

// requestText returns a string, or "" for null.
func (v Value) requestText(name string) (string, error) {
	w := v.doc.tape[v.i]
	switch w.tag() {
	case tagNull:
		return "", nil
	case tagString:
		return v.doc.text(w), nil
	case tagEscaped:
		start := len(v.doc.scratch)
		if known := v.doc.cursor.allEscapes(); len(known) > 0 {
			v.doc.scratch = v.doc.unescapeIndexed(v.doc.scratch, w.offset(), w.offset()+w.n(), known)
		} else {
			v.doc.scratch = unescape(v.doc.scratch, v.doc.data[w.offset():w.offset()+w.n()])
		}
		text := v.doc.scratch[start:]
		return unsafe.String(unsafe.SliceData(text), len(text)), nil
	}
	return "", badRequest("The parameter %q must be a string, not %s.", name, article(v))
}

func (v Value) requestObject(name string) (Value, error) {
	if k := v.Kind(); k != Object && k != Null {
		return Value{}, badRequest("The parameter %q must be an object, not %s.", name, article(v))
	}
	return v, nil
}

// DecodeForm reads a GraphQL request from the parameters of a GET request's URL
// or of an application/x-www-form-urlencoded body.
func (p *Parser) DecodeForm(form url.Values) (*Request, error) {
	// The parameters become the members of one object, which is then read as
	// any request is: variables and extensions are JSON already.
	body := append([]byte(nil), '{')
	for _, name := range []string{"query", "operationName", "variables", "extensions"} {
		text := form.Get(name)
		if text == "" {
			continue
		}
		if len(body) > 1 {
			body = append(body, ',')
		}
		body = append(body, '"')
		body = append(append(body, name...), '"', ':')
		if name == "variables" || name == "extensions" {
			if !Valid([]byte(text)) {
				return nil, badRequest("The parameter %q is not valid JSON.", name)
			}
			body = append(body, text...)
		} else {
			if !utf8.ValidString(text) {
				return nil, badRequest("The parameter %q is not valid UTF-8.", name)
			}
			quoted, err := json.Marshal(text)
			if err != nil {
				return nil, badRequest("The parameter %q: %v.", name, err)
			}
			body = append(body, quoted...)
		}
	}
	return p.DecodeRequest(append(body, '}'))
}

// DecodeForm is the method of that name with the default options.
func DecodeForm(form url.Values) (*Request, error) { return standard.DecodeForm(form) }
