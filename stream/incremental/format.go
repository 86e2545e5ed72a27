package incremental

import (
	"mime"
	"net/http"
	"strconv"
	"strings"
)

// Format is how parts are sent.
type Format uint8

// The formats. None is that of a client that takes no parts.
const (
	None          Format = iota
	Multipart            // for clients that name no specification
	MultipartV02         // incrementalSpec=v0.2
	Multipart2022        // deferSpec=20220824
	EventStream
	Lines
)

// Negotiate returns the format that a request accepts.
func Negotiate(r *http.Request) Format {
	best, highest := None, 0.0
	for part := range strings.SplitSeq(strings.Join(r.Header.Values("Accept"), ","), ",") {
		media, parameters, err := mime.ParseMediaType(part)
		if err != nil {
			continue
		}
		quality := 1.0
		if q, ok := parameters["q"]; ok {
			if quality, err = strconv.ParseFloat(q, 64); err != nil {
				continue
			}
		}
		if f := formatOf(media, parameters); f != None && quality > highest {
			best, highest = f, quality
		}
	}
	return best
}

func formatOf(media string, parameters map[string]string) Format {
	switch media {
	case "multipart/mixed":
		// mime makes the names of parameters lower case.
		switch {
		case parameters["deferspec"] == "20220824":
			return Multipart2022
		case parameters["incrementalspec"] == "v0.2":
			return MultipartV02
		}
		return Multipart
	case "text/event-stream":
		return EventStream
	case "application/x-ndjson", "application/jsonl":
		return Lines
	}
	return None
}

// framing is what a transport puts around payloads.
type framing struct {
	contentType   string
	start         string // the response
	before, after string // a payload
	end           string // the response
	heartbeat     string
	oneLine       bool // payloads must not have line ends
}

const boundary = "graphql"

var (
	multipart = framing{
		contentType: `multipart/mixed; boundary="` + boundary + `"`,
		start:       "--" + boundary,
		before:      "\r\nContent-Type: application/json; charset=utf-8\r\n\r\n",
		// The next boundary comes with a payload, so that clients take that for complete.
		after: "\r\n--" + boundary, end: "--\r\n",
	}
	framings = [...]framing{
		Multipart: multipart, MultipartV02: multipart, Multipart2022: multipart,
		EventStream: {contentType: "text/event-stream; charset=utf-8", before: "event: next\ndata: ", after: "\n\n", end: "event: complete\ndata:\n\n", heartbeat: ":\n\n", oneLine: true},
		Lines:       {contentType: "application/x-ndjson; charset=utf-8", after: "\n", heartbeat: "\n", oneLine: true},
	}
)
