package load

import (
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/gqlboost/gqlboost/benchmarks/internal/machine"
)

// answering serves the data of a request that text stands for.
func answering(t *testing.T, name, text string) Target {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, text) // The client is there.
	}))
	t.Cleanup(s.Close)
	return Target{Name: name, URL: s.URL}
}

func TestAgreeOn(t *testing.T) {
	const right = `{"data":{"post":{"id":"1","at":"2024-01-01T00:00:00.123456Z","tags":[{"name":"a"},{"name":"b"}],"n":3}}}`
	const spelled = `{"data":{"post":{"n":3,"tags":[{"name":"a"},{"name":"b"}],"at":"2024-01-01T01:00:00.123+01:00","id":"1"}}}`
	swapped := strings.NewReplacer(`"a"`, `"b"`, `"b"`, `"a"`).Replace(right)
	failed := strings.Replace(right, `{"data"`, `{"errors":[{"message":"x"}],"data"`, 1)
	for _, c := range []struct {
		name, other string
		mutation    bool
		difference  string // "" if there is none
	}{
		{"the same", right, false, ""},
		{"other keys' order and spelling of time", spelled, false, ""},
		{"another second", strings.Replace(right, ":00.1", ":01.1", 1), false, "data.post.at"},
		{"another order of a list", swapped, false, "data.post.tags[0].name"},
		{"an element less", strings.Replace(right, `,{"name":"b"}`, "", 1), false, "data.post.tags"},
		{"a key more", strings.Replace(right, `"n"`, `"x":1,"n"`, 1), false, "data.post"},
		{"null", `{"data":{"post":null}}`, false, "data.post"},
		{"a text for a number", strings.Replace(right, "3}", `"3"}`, 1), false, "data.post.n"},
		{"another row", strings.Replace(right, `"id":"1"`, `"id":"2"`, 1), false, "data.post.id"},
		{"another row that was made", strings.Replace(right, `"id":"1"`, `"id":"2"`, 1), true, ""},
		{"errors beside the data", failed, false, "no data without errors"},
		{"no JSON", "<html>", false, "invalid character"},
	} {
		want, got := answering(t, "right", right), answering(t, "other", c.other)
		err := agreeOn(t.Context(), want, got, []byte("{}"), c.mutation, nil)
		if (err == nil) != (c.difference == "") || err != nil && !strings.Contains(err.Error(), c.difference) {
			t.Errorf("%s: %v, want %q", c.name, err, c.difference)
		}
	}
}

func TestReportOfPeers(t *testing.T) {
	round := func(a, b float64) *Comparison {
		results := []*Result{{Server: "a", Throughput: a}, {Server: "b", Throughput: b, Errors: 1,
			Conditions: &machine.Conditions{Steal: a / 100, Load: 9}}}
		return &Comparison{Preset: "closed", Rounds: [][]*Result{results}}
	}
	p := new(PeerReport)
	for _, c := range []*Comparison{round(10, 20), round(30, 90), round(20, 20)} {
		if err := p.Add(c, nil, 2.5); err != nil {
			t.Fatal(err)
		}
	}
	a, b := p.Results[0], p.Results[1]
	ratio := p.Gains[0].Throughput.Median
	if len(p.Rounds) != 3 || a.Throughput != 20 || b.Throughput != 20 || b.Errors != 3 || ratio != 2 {
		t.Errorf("%+v, %+v", p.Results, p.Gains)
	}
	if n := len(p.Conditions); n != 3 || *p.Conditions[1] != (machine.Conditions{Steal: 0.3, Load: 2.5}) {
		t.Errorf("conditions of %d sessions: %v", n, p.Conditions[1])
	}
	other := round(1, 1)
	other.Rounds[0][1].Server = "c"
	if err := p.Add(other, nil, 0); err == nil || len(p.Rounds) != 3 {
		t.Error("rounds of other contenders were added")
	}
	p.Compact()
	want := [][]float64{{10, 20, 30}, {20, 20, 90}}
	if p.Rounds != nil || !slices.EqualFunc(p.Throughputs, want, slices.Equal[[]float64]) {
		t.Errorf("compacted: %v", p)
	}
}

func TestComplaintsOfPGBench(t *testing.T) {
	got := complaints("pgbench (15)\npgbench: error: client 3: ERROR:  deadlock\nSQL script 1\n - weight: 30\n")
	if got != "\npgbench: error: client 3: ERROR:  deadlock" {
		t.Errorf("%q", got)
	}
}
