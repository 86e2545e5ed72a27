//go:build gqlboost_debug

package simdjson

import (
	"strings"
	"testing"
)

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
