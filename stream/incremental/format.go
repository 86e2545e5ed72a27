package incremental

import (
	"net/http"
	"strings"

	"github.com/gqlboost/gqlboost/internal/accept"
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

// Negotiate returns the format that a request accepts: the one with the highest quality of
// those that it names. It is None if the client names none, or rather wants JSON at once. A
// range with parameters of another specification, such as subscriptionSpec=1.0, names none.
func Negotiate(r *http.Request) Format { return negotiate(r).format }

func negotiate(r *http.Request) framing {
	ranges := accept.Of(r)
	i, quality := ranges.Best(offers)
	if _, whole := ranges.Response(accept.JSON); i < 0 || whole > quality {
		return framing{}
	}
	return framings[i]
}

// framing is what a transport puts around payloads.
type framing struct {
	format      Format
	offer       accept.Offer
	contentType string
	start       string // before the first payload
	before      string // each payload
	next, last  string // what follows one, and the last one
	heartbeat   string
	oneLine     bool // payloads must not have line ends
}

// framings has what is offered, the best first where a client does not care.
var framings = []framing{
	multipart(Multipart, "", ""),
	multipart(MultipartV02, "incrementalSpec", "v0.2"),
	multipart(Multipart2022, "deferSpec", "20220824"),
	{
		format: EventStream, offer: named("text/event-stream"),
		contentType: "text/event-stream; charset=utf-8", oneLine: true,
		before: "event: next\ndata: ", next: "\n\n", last: "\n\nevent: complete\ndata:\n\n", heartbeat: ":\n\n",
	},
	lines("application/x-ndjson"),
	lines("application/jsonl"),
}

var offers = func() []accept.Offer {
	list := make([]accept.Offer, len(framings))
	for i, f := range framings {
		list[i] = f.offer
	}
	return list
}()

// named offers a type that a client must ask for by its name.
func named(media string) accept.Offer { return accept.Offer{Type: media, Named: true} }

// multipart has the specification in its content type, where Apollo's mobile clients look
// for it. Each boundary is a whole line, with the line end before it that belongs to it, and
// comes with the payload before it: clients that look for the line, such as
// fetch-multipart-graphql, have a payload as soon as it is there.
func multipart(f Format, specification, version string) framing {
	const boundary = "graphql" // JSON has no line that begins with --.
	m := framing{
		format:      f,
		offer:       named("multipart/mixed"),
		contentType: `multipart/mixed; boundary="` + boundary + `"`,
		start:       "\r\n--" + boundary + "\r\n",
		before:      "Content-Type: application/json; charset=utf-8\r\n\r\n",
		next:        "\r\n--" + boundary + "\r\n",
		last:        "\r\n--" + boundary + "--\r\n",
	}
	if specification != "" {
		m.offer.Parameters = map[string]string{strings.ToLower(specification): version}
		m.contentType += "; " + specification + "=" + version
	}
	return m
}

// lines has heartbeats that readers take for white space at the start of the next line: an
// empty line is no JSON.
func lines(media string) framing {
	return framing{
		format: Lines, offer: named(media), contentType: media + "; charset=utf-8", oneLine: true,
		next: "\n", last: "\n", heartbeat: " ",
	}
}
