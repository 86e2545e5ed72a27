package request

import (
	"fmt"
	"net/http/httptest"
	"reflect"
	"runtime"
	"strings"
	"testing"
)

// What simdjson and encoding/json read is the same to a host, and so is what they refuse.
func TestPost(t *testing.T) {
	numbers := map[string]any{"a": 1.5}
	for body, want := range map[string]struct {
		list   []Operation
		batch  bool
		status int
	}{
		`{"query":"{a}","variables":{"a":1.5}}`:   {list: []Operation{{Query: "{a}", Variables: numbers}}},
		`{"QUERY":"{a}","Variables":{"a":1.5}} x`: {list: []Operation{{Query: "{a}", Variables: numbers}}},
		"{\"query\":\"\xff\"}":                    {list: []Operation{{Query: "\ufffd"}}},
		`[{"query":"{a}"},{"Query":"{b}"}]`:       {list: []Operation{{Query: "{a}"}, {Query: "{b}"}}, batch: true},
		"[{\"query\":\"\xff\"},{}] x":             {list: []Operation{{Query: "\ufffd"}, {}}, batch: true},
		"[{},{},{\"query\":\"\xff\"}]":            {status: 413},
		`[{},{},{}]`:                              {status: 413},
		`[{},{}`:                                  {status: 400},
		`[]`:                                      {status: 400},
		" [ ] ":                                   {status: 400},
		`[1]`:                                     {status: 400},
		`{"variables":[]}`:                        {status: 400},
		`{"variables":{"a":1e999}}`:               {status: 400},
		``:                                        {status: 400},
		`{"query":"` + strings.Repeat("x", 200) + `"}`: {status: 413},
	} {
		for _, standard := range []bool{false, true} {
			r := NewReader(Options{MaxBytes: 100, MaxBatch: 2, Floats: true, Standard: standard})
			list, batch, err := r.Post(httptest.NewRecorder(), httptest.NewRequest("POST", "/", strings.NewReader(body)))
			switch {
			case want.status != 0:
				if err == nil || Status(err) != want.status {
					t.Errorf("standard %v, %.50q: got %v, want status %d", standard, body, err, want.status)
				}
			case err != nil || batch != want.batch || !reflect.DeepEqual(list, want.list):
				t.Errorf("standard %v, %q: got %+v %v %v", standard, body, list, batch, err)
			}
		}
	}
	_, _, err := NewReader(Options{}).Post(httptest.NewRecorder(), httptest.NewRequest("POST", "/", strings.NewReader(`[{}]`)))
	if err == nil || Status(err) != 400 {
		t.Errorf("a batch where there are none: %v", err)
	}
}

// An operation that ends its goroutine is seen, and so is one that panics.
func TestEachEnds(t *testing.T) {
	for name, c := range map[string]struct {
		end  func()
		want string
	}{
		"panic":  {func() { panic("on purpose") }, "on purpose"},
		"Goexit": {runtime.Goexit, "Goexit"},
		"return": {func() {}, "<nil>"},
	} {
		got := func() (p any) {
			defer func() { p = recover() }()
			Each(2, func(i int) {
				if i == 0 {
					c.end()
				}
			})
			return nil
		}()
		if !strings.Contains(fmt.Sprint(got), c.want) {
			t.Errorf("%s: %v", name, got)
		}
	}
}
