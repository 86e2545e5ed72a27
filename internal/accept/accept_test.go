package accept

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
)

// offered is what gqlboost's packages answer with.
var offered = []Offer{
	{Type: JSON},
	{Type: GraphQL},
	{Type: "multipart/mixed", Named: true},
	{Type: "multipart/mixed", Named: true, Parameters: map[string]string{"incrementalspec": "v0.2"}},
	{Type: "multipart/mixed", Named: true, Parameters: map[string]string{"deferspec": "20220824"}},
	{Type: "text/event-stream", Named: true},
	{Type: "application/x-ndjson", Named: true},
	{Type: "application/jsonl", Named: true},
}

func show(i int) string {
	if i < 0 {
		return "nothing"
	}
	o := offered[i]
	for name, value := range o.Parameters {
		return o.Type + ";" + name + "=" + value
	}
	return o.Type
}

func TestBest(t *testing.T) {
	const apollo3, v02 = "multipart/mixed;deferspec=20220824", "multipart/mixed;incrementalspec=v0.2"
	for _, c := range []struct {
		lines   []string
		want    string
		quality float64
	}{
		// Clients as they are.
		{nil, JSON, 1},
		{[]string{""}, JSON, 1},
		{[]string{"*/*"}, JSON, 1}, // curl, fetch, Apollo Client 3 without @defer
		{[]string{"text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8,application/signed-exchange;v=b3;q=0.7"}, JSON, 0.8}, // Chrome
		{[]string{"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}, JSON, 0.8},                                                                         // Firefox, Safari
		{[]string{"text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2"}, JSON, 0.2},                                                                                    // Java
		{[]string{"application/json, text/plain, */*"}, JSON, 1},                                                                                                         // axios
		{[]string{"application/json, text/javascript, */*; q=0.01"}, JSON, 1},                                                                                            // jQuery
		{[]string{"application/json; charset=utf-8"}, JSON, 1},
		{[]string{"application/graphql-response+json; charset=utf-8, application/json; charset=utf-8"}, GraphQL, 1}, // GraphQL over HTTP
		{[]string{"application/graphql-response+json,application/json;q=0.9"}, GraphQL, 1},                          // Apollo Client 4
		{[]string{"multipart/mixed;deferSpec=20220824,application/json"}, apollo3, 1},                               // Apollo Client 3
		{[]string{`multipart/mixed;deferSpec="20220824", application/json`}, apollo3, 1},
		{[]string{"multipart/mixed;deferSpec=20220824,application/graphql-response+json,application/json;q=0.9"}, apollo3, 1}, // Apollo Client 4
		{[]string{"multipart/mixed;incrementalSpec=v0.2,application/graphql-response+json,application/json;q=0.9"}, v02, 1},
		{[]string{"multipart/mixed;deferSpec=20220824, application/graphql-response+json, application/json"}, apollo3, 1}, // Apollo Kotlin
		{[]string{"multipart/mixed;boundary=graphql;subscriptionSpec=1.0,application/json"}, JSON, 1},                     // a subscription of Apollo's
		{[]string{`multipart/mixed;boundary="graphql";subscriptionSpec="1.0", application/json`}, JSON, 1},
		{[]string{"application/graphql-response+json, application/graphql+json, application/json, text/event-stream, multipart/mixed"}, GraphQL, 1}, // urql
		{[]string{"text/event-stream, multipart/mixed"}, "text/event-stream", 1},                                                                    // a subscription of urql's
		{[]string{"text/event-stream"}, "text/event-stream", 1},                                                                                     // EventSource, graphql-sse
		{[]string{"application/json, multipart/mixed"}, JSON, 1},                                                                                    // GraphiQL
		{[]string{"multipart/mixed; deferSpec=20220824, */*"}, apollo3, 1},
		// Qualities.
		{[]string{"application/json;q=0.5, application/graphql-response+json;q=0.6"}, GraphQL, 0.6},
		{[]string{"application/json;q=0, application/graphql-response+json;q=0.001"}, GraphQL, 0.001},
		{[]string{"application/json;q=0, application/graphql-response+json;q=0.000"}, "nothing", 0},
		{[]string{"application/json; Q=0.3"}, JSON, 0.3},
		{[]string{"application/jsonl;q=0.5, text/event-stream;q=0.4"}, "application/jsonl", 0.5},
		// Specificity.
		{[]string{"*/*, application/json;q=0"}, GraphQL, 1},
		{[]string{"application/json;q=0, application/*"}, GraphQL, 1},
		{[]string{"*/*;q=0.9, application/*;q=0.1"}, JSON, 0.1},
		{[]string{"*/*, application/graphql-response+json"}, GraphQL, 1},
		{[]string{"*/*, application/graphql-response+json;q=0.9"}, JSON, 1},
		{[]string{"application/*;q=0, */*"}, "nothing", 0},
		{[]string{"multipart/mixed;q=0.9, multipart/mixed;deferSpec=20220824;q=0.2"}, "multipart/mixed", 0.9},
		{[]string{"multipart/mixed, multipart/mixed;deferSpec=20220824"}, apollo3, 1},
		{[]string{"text/*, multipart/*"}, "nothing", 0}, // Parts must be asked for by name.
		{[]string{"text/html"}, "nothing", 0},
		// Parameters.
		{[]string{"multipart/mixed;DEFERSPEC=20220824"}, apollo3, 1},
		{[]string{"multipart/mixed;deferSpec=20230101"}, "nothing", 0},
		{[]string{"multipart/mixed;incrementalSpec=v0.3, multipart/mixed;q=0.1"}, "multipart/mixed", 0.1},
		{[]string{"application/json;profile=x, application/graphql-response+json;q=0.1"}, GraphQL, 0.1},
		{[]string{`multipart/mixed;boundary="a,b;q=0", application/json;q=0.5`}, "multipart/mixed", 1},
		{[]string{"APPLICATION/JSON"}, JSON, 1},
		// Several lines.
		{[]string{"text/html", "application/json;q=0.5", "application/graphql-response+json"}, GraphQL, 1},
		{[]string{`multipart/mixed;boundary="open`, "application/json"}, JSON, 1},
		{[]string{"", "application/graphql-response+json"}, GraphQL, 1},
		// Malformed.
		{[]string{"application/json;q=x, application/graphql-response+json;q=0.1"}, GraphQL, 0.1},
		{[]string{"application/json;q=-1, application/graphql-response+json;q=0.1"}, GraphQL, 0.1},
		{[]string{"application/json;q=1.1, application/graphql-response+json;q=0.1"}, GraphQL, 0.1},
		{[]string{"application/json;q=NaN, application/graphql-response+json;q=0.1"}, GraphQL, 0.1},
		{[]string{"application/json;q=1e-1, application/graphql-response+json;q=0.1"}, GraphQL, 0.1},
		{[]string{"application/json;q=, application/graphql-response+json;q=0.1"}, GraphQL, 0.1},
		{[]string{"application/json;q=0.5;q=0.9, application/graphql-response+json;q=0.1"}, GraphQL, 0.1},
		{[]string{", ,;,application/graphql-response+json,,"}, GraphQL, 1},
		{[]string{"*/json, application/graphql-response+json"}, GraphQL, 1},
		{[]string{"json, application/graphql-response+json"}, GraphQL, 1},
		{[]string{";"}, JSON, 1},
	} {
		i, quality := Of(&http.Request{Header: http.Header{"Accept": c.lines}}).Best(offered)
		if show(i) != c.want || quality != c.quality {
			t.Errorf("%q: got %s with %v, want %s with %v", c.lines, show(i), quality, c.want, c.quality)
		}
	}
}

func TestResponse(t *testing.T) {
	for _, c := range []struct{ accept, usual, want string }{
		{"*/*", JSON, JSON}, {"*/*", GraphQL, GraphQL}, {"", GraphQL, GraphQL}, {"application/*;q=0.1", GraphQL, GraphQL},
		{"application/json", GraphQL, JSON}, {"text/html", JSON, ""}, {"application/json;q=0", JSON, ""},
	} {
		if got, _ := Parse([]string{c.accept}).Response(c.usual); got != c.want {
			t.Errorf("%q, usually %s: got %q, want %q", c.accept, c.usual, got, c.want)
		}
	}
}

// ranged is a media range of the model, with its text in many spellings.
type ranged struct {
	kind, subtype, name, value string
	thousandths                int
	broken                     bool
}

func random(r *rand.Rand) ranged {
	pick := func(list ...string) string { return list[r.IntN(len(list))] }
	v := ranged{thousandths: 1000, broken: r.IntN(12) == 0}
	v.kind, v.subtype, _ = strings.Cut(pick("application/json", GraphQL, "multipart/mixed", "multipart/mixed", "text/event-stream",
		"application/x-ndjson", "application/jsonl", "application/*", "multipart/*", "*/*", "text/html"), "/")
	if r.IntN(3) == 0 && v.subtype != "*" {
		v.name, v.value, _ = strings.Cut(pick("deferSpec=20220824", "incrementalSpec=v0.2", "deferSpec=1", "charset=utf-8", "boundary=a,b", "x=y"), "=")
	}
	if r.IntN(2) == 0 {
		v.thousandths = r.IntN(4) * 250
	}
	return v
}

func (v ranged) text(r *rand.Rand) string {
	space := func() string { return strings.Repeat(" ", r.IntN(2)) }
	spelt := func(s string) string {
		if r.IntN(3) == 0 {
			return strings.ToUpper(s)
		}
		return s
	}
	var parameters []string
	if v.name != "" {
		value := v.value
		if strings.Contains(value, ",") || r.IntN(3) == 0 {
			value = `"` + value + `"`
		}
		parameters = append(parameters, spelt(v.name)+"="+value)
	}
	quality := fmt.Sprintf("%d.%03d", v.thousandths/1000, v.thousandths%1000)
	switch {
	case v.broken:
		quality = []string{"x", "2", "-0.5", "0.5.5", "Inf", ""}[r.IntN(6)]
	case r.IntN(2) == 0:
		quality = strings.TrimSuffix(strings.TrimRight(quality, "0"), ".")
	}
	if v.broken || v.thousandths != 1000 || r.IntN(4) == 0 {
		if quality == "" && !v.broken {
			quality = "0"
		}
		parameters = append(parameters, spelt("q")+"="+quality)
		if r.IntN(4) == 0 { // The order does not matter.
			parameters[0], parameters[len(parameters)-1] = parameters[len(parameters)-1], parameters[0]
		}
	}
	s := space() + spelt(v.kind) + "/" + spelt(v.subtype)
	for _, p := range parameters {
		s += space() + ";" + space() + p
	}
	return s + space()
}

// model chooses by the RFC's text, without a parser: for each offer the ranges of the
// highest precedence that match give the quality.
func model(list []ranged) (best int, quality float64) {
	best = -1
	bestPrecedence, bestPosition := 0, 0
	for i, o := range offered {
		precedence, position, thousandths := 0, 0, 0
		if len(list) == 0 && !o.Named {
			precedence, thousandths = 1, 1000
		}
		for at, v := range list {
			p := 0
			switch {
			case v.kind+"/"+v.subtype == o.Type && (v.name == "" || v.name == "charset" || v.name == "boundary"):
				p = 3
			case v.kind+"/"+v.subtype == o.Type && v.name != "" && o.Parameters[strings.ToLower(v.name)] == v.value:
				p = 4
			case !o.Named && v.subtype == "*" && v.kind == "application":
				p = 2
			case !o.Named && v.kind == "*":
				p = 1
			}
			if p > precedence {
				precedence, position, thousandths = p, at, v.thousandths
			}
		}
		q := float64(thousandths) / 1000
		if q > quality || q > 0 && q == quality && (precedence > bestPrecedence || precedence == bestPrecedence && position < bestPosition) {
			best, quality, bestPrecedence, bestPosition = i, q, precedence, position
		}
	}
	return best, quality
}

func TestBestEqualsModel(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	n := 100_000
	if testing.Short() {
		n = 5_000
	}
	for range n {
		var sound []ranged
		lines := make([]string, r.IntN(3))
		for i := range lines {
			var texts []string
			for range r.IntN(4) {
				v := random(r)
				if !v.broken {
					sound = append(sound, v)
				}
				texts = append(texts, v.text(r))
			}
			lines[i] = strings.Join(texts, ",")
		}
		want, wantQuality := model(sound)
		got, quality := Parse(lines).Best(offered)
		if got != want || quality != wantQuality {
			t.Fatalf("%q: got %s with %v, want %s with %v", lines, show(got), quality, show(want), wantQuality)
		}
	}
}

// Whatever a client sends: nothing panics, what is chosen is offered, and a line that is
// cut in two at a comma outside of quotes means the same.
func FuzzBest(f *testing.F) {
	for _, s := range []string{"", "*/*", "application/json;q=0.5, */*;q=0", `multipart/mixed;boundary="a\",b", text/event-stream`, "a/b;q=;;,\"", "*;q=.2", "x*/y;q*0=1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, line string) {
		i, quality := Parse([]string{line}).Best(offered)
		if i < -1 || i >= len(offered) || quality < 0 || quality > 1 || (i < 0) != (quality == 0) {
			t.Fatalf("got %d with %v", i, quality)
		}
		element, rest := cut(line)
		if j, q := Parse([]string{element, rest}).Best(offered); j != i || q != quality {
			t.Errorf("in two lines: got %s with %v, in one %s with %v", show(j), q, show(i), quality)
		}
	})
}
