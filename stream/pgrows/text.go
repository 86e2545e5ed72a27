package pgrows

import (
	"bytes"
	"encoding/hex"
	"fmt"

	"github.com/gqlboost/gqlboost/stream"
)

// The text format, which the simple protocol has, and which pgx asks for where it does
// not know better. Most of it is the JSON as a string; the rest is read here.

func parseBool(o *output, src []byte) error {
	switch string(src) {
	case "t":
		o.w.Bool(true)
	case "f":
		o.w.Bool(false)
	default:
		return errText
	}
	return nil
}

func parseInt8(o *output, src []byte) error {
	if o.options.Int8AsString {
		o.w.StringBytes(src)
		return nil
	}
	return parseNumber(o, src)
}

func parseNumeric(o *output, src []byte) error {
	if o.options.NumericAsString {
		o.w.StringBytes(src)
		return nil
	}
	return parseNumber(o, src)
}

// parseNumber writes digits as they are, and what is not a number in JSON as a string.
func parseNumber(o *output, src []byte) error {
	if i := len(src) - 1; i < 0 || src[i] < '0' || src[i] > '9' {
		o.w.StringBytes(src)
	} else {
		o.w.Raw(src)
	}
	return nil
}

// parseBytea reads \x and hexadecimal digits, or with bytea_output = escape bytes and
// their octal numbers.
func parseBytea(o *output, src []byte) error {
	mark := len(o.scratch)
	var err error
	if digits, ok := bytes.CutPrefix(src, []byte(`\x`)); ok {
		o.scratch, err = hex.AppendDecode(o.scratch, digits)
	} else {
		for i := 0; i < len(src) && err == nil; i++ {
			c := src[i]
			switch {
			case c != '\\':
			case i+1 < len(src) && src[i+1] == '\\':
				i++
			case i+3 < len(src):
				c = src[i+1]<<6 | src[i+2]&7<<3 | src[i+3]&7
				i += 3
			default:
				err = errText
			}
			o.scratch = append(o.scratch, c)
		}
	}
	value := o.scratch[mark:]
	o.scratch = o.scratch[:mark]
	if err != nil {
		return errText
	}
	return writeBytea(o, value)
}

// likeArray reports whether a text may be that of an array: it begins with a bracket,
// or with bounds such as [0:1].
func likeArray(src []byte) bool {
	if len(src) == 0 || src[0] != '[' {
		return len(src) > 0 && src[0] == '{'
	}
	bounds, _, ok := bytes.Cut(src[1:], []byte("]"))
	return ok && bytes.IndexByte(bounds, ':') > 0 && len(bytes.Trim(bounds, "0123456789:-")) == 0
}

// parseArray reads {a,"b c",NULL,{...}}, which bounds may come before.
func parseArray(element *typ, delimiter byte) encoder {
	var array func(o *output, src []byte) (rest []byte, err error)
	array = func(o *output, src []byte) (rest []byte, err error) {
		o.w.BeginArray()
		for src = src[1:]; len(src) == 0 || src[0] != '}'; {
			if len(src) == 0 {
				return nil, errText
			}
			if src[0] == '{' {
				src, err = array(o, src)
			} else {
				src, err = o.item(src, delimiter, '}', func(item []byte, quoted bool) error {
					if !quoted && string(item) == "NULL" {
						o.w.Null()
						return nil
					}
					return element.writeText(o, item)
				})
			}
			if err != nil {
				return nil, err
			}
			if len(src) > 0 && src[0] == delimiter {
				src = src[1:]
			}
		}
		o.w.EndArray()
		return src[1:], nil
	}
	return func(o *output, src []byte) error {
		if len(src) > 0 && src[0] == '[' {
			_, src, _ = bytes.Cut(src, []byte("="))
		}
		if len(src) == 0 || src[0] != '{' {
			return errText
		}
		rest, err := array(o, src)
		if err == nil && len(rest) > 0 {
			err = errText
		}
		return err
	}
}

// parseVector reads the text of an int2vector, 1 2 3.
func parseVector(element *typ) encoder {
	return func(o *output, src []byte) error {
		o.w.BeginArray()
		for item := range bytes.FieldsSeq(src) {
			if err := element.writeText(o, item); err != nil {
				return err
			}
		}
		o.w.EndArray()
		return nil
	}
}

// parseComposite reads (a,"b c",), where nothing is null.
func parseComposite(names []stream.Name, fields []*typ, changed error) encoder {
	return func(o *output, src []byte) (err error) {
		if len(src) < 2 || src[0] != '(' || src[len(src)-1] != ')' {
			return errText
		}
		o.w.BeginObject()
		if len(names) == 0 {
			src = src[1:]
		}
		for i, name := range names {
			if src[0] == ')' {
				return changed
			}
			o.w.Member(name)
			src, err = o.item(src[1:], ',', ')', func(item []byte, quoted bool) error {
				if len(item) == 0 && !quoted {
					o.w.Null()
					return nil
				}
				return fields[i].writeText(o, item)
			})
			if err != nil {
				return err
			}
		}
		if string(src) != ")" {
			return changed
		}
		o.w.EndObject()
		return nil
	}
}

// item reads an item up to the delimiter or the end. In quotes these count as others.
// A backslash escapes the next character; quotes may be doubled.
func (o *output) item(
	src []byte, delimiter, end byte, use func(item []byte, quoted bool) error,
) (rest []byte, err error) {
	mark := len(o.scratch)
	inside, quoted := false, false
	for i := 0; i < len(src); i++ {
		switch c := src[i]; {
		case c == '\\' && i+1 < len(src):
			i++
			o.scratch = append(o.scratch, src[i])
		case c == '"' && inside && i+1 < len(src) && src[i+1] == '"':
			i++
			o.scratch = append(o.scratch, c)
		case c == '"':
			inside, quoted = !inside, true
		case !inside && (c == delimiter || c == end):
			err := use(o.scratch[mark:], quoted)
			o.scratch = o.scratch[:mark]
			return src[i:], err
		default:
			o.scratch = append(o.scratch, c)
		}
	}
	o.scratch = o.scratch[:mark]
	return nil, errText
}

// parseHstore reads "a"=>"1", "b"=>NULL.
func parseHstore(o *output, src []byte) error {
	if !o.options.HstoreAsObject {
		o.w.StringBytes(src)
		return nil
	}
	o.w.BeginObject()
	for len(src) > 0 {
		mark := len(o.scratch)
		key, rest, err := o.quoted(src)
		if err != nil {
			return err
		}
		rest, ok := bytes.CutPrefix(rest, []byte("=>"))
		if !ok {
			return errText
		}
		var value []byte
		if after, null := bytes.CutPrefix(rest, []byte("NULL")); null {
			rest = after
		} else if value, rest, err = o.quoted(rest); err != nil {
			return err
		}
		writePair(o, key, value)
		o.scratch = o.scratch[:mark]
		src = bytes.TrimPrefix(rest, []byte(", "))
	}
	o.w.EndObject()
	return nil
}

// quoted reads a string in quotes, which backslashes escape. It stays in scratch.
func (o *output) quoted(src []byte) (text, rest []byte, err error) {
	if len(src) < 2 || src[0] != '"' {
		return nil, nil, errText
	}
	mark := len(o.scratch)
	for i := 1; i < len(src); i++ {
		c := src[i]
		if c == '"' {
			return o.scratch[mark:len(o.scratch):len(o.scratch)], src[i+1:], nil
		}
		if c == '\\' && i+1 < len(src) {
			i++
			c = src[i]
		}
		o.scratch = append(o.scratch, c)
	}
	return nil, nil, errText
}

// textError tells which text is not understood.
func textError(src []byte, what string) error {
	return fmt.Errorf("%.100q is not %s as pgrows knows it: set DateStyle to ISO, or cast the value to text", src, what)
}
