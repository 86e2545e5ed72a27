//go:build gqlboost_debug

package simdjson

import (
	"strings"
	"testing"
)

func init() { report = func(string) {} } // Tests close twice all the time.

func TestUseAfterCloseIsCaught(t *testing.T) {
	doc, err := Parse([]byte(`{"name":"value"}`))
	if err != nil {
		t.Fatal(err)
	}
	v := doc.Root().Get("name")
	kept, _ := v.String()
	doc.Close()
	if strings.Contains(kept, "v") {
		t.Errorf("a kept string still reads %q", kept)
	}
	for name, use := range map[string]func(){
		"Kind": func() { v.Kind() }, "Get": func() { doc.Root().Get("name") }, "String": func() { _, _ = v.String() },
		"Raw": func() { v.Raw() }, "Any": func() { _, _ = v.Any() }, "Members": func() {
			for range doc.Root().Members() {
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("it was not caught")
				}
			}()
			use()
		})
	}
}

// A second Close does nothing, and is reported with both stacks.
func TestSecondCloseIsReported(t *testing.T) {
	defer func(before func(string)) { report = before }(report)
	var got []string
	report = func(text string) { got = append(got, text) }
	doc, err := Parse([]byte(`1`))
	if err != nil {
		t.Fatal(err)
	}
	closeFirst(doc)
	if len(got) != 0 {
		t.Errorf("the first Close was reported: %s", got)
	}
	closeSecond(doc)
	if len(got) != 1 {
		t.Fatalf("%d reports", len(got))
	}
	second, first := strings.Index(got[0], "closeSecond"), strings.Index(got[0], "closeFirst")
	if first < 0 || second < 0 || second > first {
		t.Errorf("not both stacks, the second first: %s", got[0])
	}
}

//go:noinline
func closeFirst(d *Document) { d.Close() }

//go:noinline
func closeSecond(d *Document) { d.Close() }
