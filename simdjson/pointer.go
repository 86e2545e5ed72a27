package simdjson

import "strings"

// Pointer returns the value at a JSON Pointer (RFC 6901), such as
// "/data/users/0/name". The empty pointer is the value itself. A pointer that
// leads nowhere or is malformed returns a Value that does not exist.
func (v Value) Pointer(pointer string) Value {
	if pointer == "" {
		return v
	}
	if pointer[0] != '/' {
		return Value{}
	}
	for token := range strings.SplitSeq(pointer[1:], "/") {
		switch v.Kind() {
		case Object:
			name, ok := pointerName(token)
			if !ok {
				return Value{}
			}
			v = v.Get(name)
		case Array:
			i, ok := pointerIndex(token, v.Len())
			if !ok {
				return Value{}
			}
			v = v.Index(i)
		default:
			return Value{}
		}
	}
	return v
}

var pointerEscapes = strings.NewReplacer("~0", "~", "~1", "/")

// pointerName replaces the escapes ~0 and ~1.
func pointerName(token string) (string, bool) {
	_, rest, escape := strings.Cut(token, "~")
	if !escape {
		return token, true
	}
	for ; escape; _, rest, escape = strings.Cut(rest, "~") {
		if rest == "" || rest[0] != '0' && rest[0] != '1' {
			return "", false
		}
	}
	return pointerEscapes.Replace(token), true
}

// pointerIndex reads an index below n: digits without a leading zero.
func pointerIndex(token string, n int) (int, bool) {
	if token == "" || len(token) > 1 && token[0] == '0' {
		return 0, false
	}
	i := 0
	for _, c := range []byte(token) {
		if c < '0' || c > '9' {
			return 0, false
		}
		if i = 10*i + int(c-'0'); i >= n {
			return 0, false
		}
	}
	return i, true
}
