package request

import (
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

// Messages for clients name what is wrong, and no type of this library.
func TestMessagesNameNoTypes(t *testing.T) {
	r := NewReader(Options{})
	for body, want := range map[string]string{
		`[{"query":"{a}"}]`:              "is an array",
		`5`:                              "must be an object",
		`"{a}"`:                          "must be an object",
		`{"query":5}`:                    "query",
		`{"query":"{a}","variables":1}`:  "variables",
		`{"query":"{a}","variables":[]}`: "variables",
		`{"operationName":{}}`:           "operationName",
	} {
		_, _, err := r.Post(httptest.NewRecorder(), httptest.NewRequest("POST", "/", strings.NewReader(body)))
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "Go value") {
			t.Errorf("%s: %v", body, err)
		}
	}
	for name, text := range map[string]string{"variables": "5", "extensions": "[]"} {
		_, err := r.Form(url.Values{"query": {"{a}"}, name: {text}})
		if err == nil || !strings.Contains(err.Error(), name) || strings.Contains(err.Error(), "Go value") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
