// Package accept chooses the media type of a response by the request's Accept header, as
// RFC 9110, section 12.5.1 has it. All packages that answer over HTTP choose by it.
package accept

import (
	"mime"
	"net/http"
	"strconv"
	"strings"
)

// Offer is a media type that a server can answer with.
type Offer struct {
	// Type is the media type in lower case, without parameters.
	Type string
	// Parameters are what the type promises beyond its name, by names in lower case. A
	// range that asks for others, or for other values, does not match.
	Parameters map[string]string
	// Named reports whether only a range that names the type chooses it: a client that
	// takes everything does not therefore know how to read it.
	Named bool
}

// Ranges are the media ranges of a request, in its order. None means that the client takes
// anything.
type Ranges []mediaRange

type mediaRange struct {
	media      string
	parameters map[string]string // without q
	quality    float64
}

// Of returns the ranges of a request.
func Of(r *http.Request) Ranges { return Parse(r.Header.Values("Accept")) }

// Parse returns the ranges of the lines of an Accept header. A malformed range, or one with
// a malformed quality, is left out.
func Parse(lines []string) Ranges {
	var ranges Ranges
	for _, line := range lines {
		for line != "" {
			var element string
			element, line = cut(line)
			if r, ok := parse(element); ok {
				ranges = append(ranges, r)
			}
		}
	}
	return ranges
}

// cut returns the first element of a list, and what follows its comma. A comma inside of a
// quoted string separates nothing.
func cut(list string) (element, rest string) {
	quoted := false
	for i := 0; i < len(list); i++ {
		switch c := list[i]; {
		case c == '"':
			quoted = !quoted
		case c == '\\' && quoted:
			i++
		case c == ',' && !quoted:
			return list[:i], list[i+1:]
		}
	}
	return list, ""
}

func parse(element string) (mediaRange, bool) {
	media, parameters, err := mime.ParseMediaType(element)
	if err != nil {
		return mediaRange{}, false
	}
	if media == "*" {
		media = "*/*" // Java's URL connections send it.
	}
	kind, subtype, ok := strings.Cut(media, "/")
	if !ok || kind == "*" && subtype != "*" {
		return mediaRange{}, false
	}
	quality := 1.0
	if q, ok := parameters["q"]; ok {
		if quality, ok = weight(q); !ok {
			return mediaRange{}, false
		}
		delete(parameters, "q")
	}
	return mediaRange{media, parameters, quality}, true
}

// weight returns a quality value: a decimal number from 0 to 1. Clients send more digits
// than the three that the RFC allows, and ".2".
func weight(q string) (float64, bool) {
	if strings.Trim(q, "0123456789.") != "" {
		return 0, false // What ParseFloat takes besides: signs, exponents, Inf, NaN, 0x.
	}
	v, err := strconv.ParseFloat(q, 64)
	return v, err == nil && v <= 1
}

// specificity orders the ranges that match a type: the most specific one decides.
type specificity int

const (
	noMatch specificity = iota
	anything
	anySubtype
	named // and one more for each parameter
)

func (r *mediaRange) match(o *Offer) specificity {
	switch kind, _, _ := strings.Cut(o.Type, "/"); {
	case r.media == o.Type:
	case o.Named:
		return noMatch
	case r.media == "*/*":
		return anything
	case r.media == kind+"/*":
		return anySubtype
	default:
		return noMatch
	}
	s := named
	for name, value := range r.parameters {
		if name == "charset" || name == "boundary" {
			continue // JSON is UTF-8, and a boundary is the sender's choice.
		}
		if have, ok := o.Parameters[name]; !ok || !strings.EqualFold(have, value) {
			return noMatch
		}
		s++
	}
	return s
}

// Best returns the index of the offer that the client prefers and its quality, above 0 and
// at most 1, or -1 if it accepts none of them. Among equal qualities, the offer that the client
// names more precisely comes first, then the one that it names first, then the one that is
// offered first.
func (ranges Ranges) Best(offers []Offer) (index int, quality float64) {
	index = -1
	var how specificity
	var at int
	for i := range offers {
		q, s, position := ranges.rate(&offers[i])
		if q == 0 || q < quality {
			continue
		}
		if q > quality || s > how || s == how && position < at {
			index, quality, how, at = i, q, s, position
		}
	}
	return index, quality
}

// rate returns the quality of an offer, and which range gives it.
func (ranges Ranges) rate(o *Offer) (quality float64, how specificity, position int) {
	if len(ranges) == 0 && !o.Named {
		return 1, anything, 0
	}
	for i := range ranges {
		if s := ranges[i].match(o); s > how {
			quality, how, position = ranges[i].quality, s, i
		}
	}
	return quality, how, position
}
