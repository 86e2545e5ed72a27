package accept

import (
	"mime"
	"net/http"
	"strings"
)

// The media types of a GraphQL response that comes at once.
const (
	JSON    = "application/json"
	GraphQL = "application/graphql-response+json"
)

var (
	jsonFirst    = []Offer{{Type: JSON}, {Type: GraphQL}}
	graphQLFirst = []Offer{{Type: GraphQL}, {Type: JSON}}
)

// Response returns which of [JSON] and [GraphQL] the client prefers, and its quality: usual
// if it has no preference, and "" if it accepts neither.
func (ranges Ranges) Response(usual string) (media string, quality float64) {
	offers := jsonFirst
	if usual == GraphQL {
		offers = graphQLFirst
	}
	i, quality := ranges.Best(offers)
	if i < 0 {
		return "", 0
	}
	return offers[i].Type, quality
}

// AsGqlgen returns what gqlgen's transports answer with, for transports that stand in for
// them: the first type on the header's first line that they have, whatever its quality.
func AsGqlgen(r *http.Request, usual string) string {
	line := r.Header.Get("Accept")
	if line == "" {
		return usual
	}
	for element := range strings.SplitSeq(line, ",") {
		media, _, err := mime.ParseMediaType(strings.TrimSpace(element))
		if err != nil {
			continue
		}
		switch media {
		case "*/*", "application/*":
			return usual
		case JSON, GraphQL:
			return media
		}
	}
	return GraphQL
}
