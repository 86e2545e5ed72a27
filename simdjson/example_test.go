package simdjson_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"strings"

	"github.com/gqlboost/gqlboost/simdjson"
)

func ExampleParse() {
	doc, err := simdjson.Parse([]byte(`{"user":{"name":"Ada","langs":["en","fr"]}}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer doc.Close()
	user := doc.Root().Get("user")
	name, err := user.Get("name").String()
	fmt.Println(name, err)
	for i, lang := range user.Get("langs").Elements() {
		fmt.Println(i, string(lang.Raw()))
	}
	fmt.Println(user.Get("no").Index(3).Get("such").Kind())
	// Output:
	// Ada <nil>
	// 0 "en"
	// 1 "fr"
	// invalid
}

func ExampleDecodeRequest() {
	request, err := simdjson.DecodeRequest([]byte(`{"query":"query($id: ID!) { user(id: $id) { name } }","variables":{"id":"7"}}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer request.Close()
	for _, o := range request.Operations() {
		id, _ := o.Variables.Get("id").String()
		fmt.Println(o.Query, id)
	}
	// Output: query($id: ID!) { user(id: $id) { name } } 7
}

func ExampleParseBatch() {
	docs, err := simdjson.ParseBatch([][]byte{[]byte(`1`), []byte(`{`), []byte(`[2]`)})
	fmt.Println(err)
	for i, doc := range docs {
		if doc != nil {
			fmt.Println(i, doc.Root().Kind())
			doc.Close()
		}
	}
	// Output:
	// 1 of 3 documents: document 1: unexpected end of JSON input
	// 0 number
	// 2 array
}

func ExampleUnmarshal() {
	var order struct {
		ID    int      `json:"id"`
		Items []string `json:"items"`
	}
	err := simdjson.Unmarshal([]byte(`{"id": 7, "items": ["tea", "milk"]}`), &order)
	fmt.Println(order, err)
	err = simdjson.Unmarshal([]byte(`{"id": "7"}`), &order)
	fmt.Println(err)
	// Output:
	// {7 [tea milk]} <nil>
	// json: cannot unmarshal string into Go struct field .id of type int
}

func ExampleParseLines() {
	log := strings.NewReader("{\"level\":\"info\"}\n{\"level\":\n{\"level\":\"error\"}\n")
	for doc, err := range simdjson.ParseLines(log) {
		if err != nil {
			fmt.Println(err)
			continue
		}
		level, _ := doc.Root().Get("level").String()
		fmt.Println(level)
		doc.Close()
	}
	// Output:
	// info
	// line 2: unexpected end of JSON input
	// error
}

func ExampleValue_Pointer() {
	doc, err := simdjson.Parse([]byte(`{"data": {"users": [{"name": "Ada"}]}}`))
	if err != nil {
		panic(err)
	}
	defer doc.Close()
	fmt.Println(doc.Root().Pointer("/data/users/0/name").String())
	// Output: Ada <nil>
}

// A value prints as its JSON.
func ExampleValue_Format() {
	doc, err := simdjson.Parse([]byte(`{"user": {"id": 7, "tags": ["a"]}}`))
	if err != nil {
		panic(err)
	}
	defer doc.Close()
	user := doc.Root().Get("user")
	fmt.Println(user)
	encoded, err := json.Marshal(map[string]any{"who": user})
	fmt.Println(string(encoded), err)
	fmt.Println(doc.Root().Get("missing"))
	// Output:
	// {"id": 7, "tags": ["a"]}
	// {"who":{"id":7,"tags":["a"]}} <nil>
	// <invalid>
}

// A host chooses its answer by the kind of an error.
func ExampleRequestError() {
	parser := simdjson.NewParser(simdjson.Options{MaxBatch: 1})
	for _, body := range []string{`{"query":`, `{"query":1}`, `[{},{}]`} {
		_, err := parser.DecodeRequest([]byte(body))
		var refused *simdjson.RequestError
		if errors.As(err, &refused) {
			fmt.Printf("%v: %s\n", refused.Kind, refused.Message)
		}
	}
	// Output:
	// not JSON: The request body is not valid JSON: unexpected end of JSON input
	// not a request: The parameter "query" must be a string, not a number.
	// batch too large: A batch of 2 operations is larger than the limit of 1.
}

// Options.AliasInput saves the copy of a text that nobody changes until Close.
func ExampleOptions_aliasInput() {
	parser := simdjson.NewParser(simdjson.Options{AliasInput: true})
	body := []byte(`{"id":"7"}`)
	doc, err := parser.Parse(body)
	if err != nil {
		panic(err)
	}
	id, err := doc.Root().Get("id").String()
	fmt.Println(strings.Clone(id), err)
	doc.Close() // From here on, body may be used again.
	// Output: 7 <nil>
}

// A server that changes its parser verifies some of its documents first.
func ExampleParser_verify() {
	parser := simdjson.NewParser(simdjson.Options{
		Mode: simdjson.Verify, Sample: 0.05,
		OnMismatch: func(m simdjson.Mismatch) { log.Printf("kernel %s: %q", m.Kernel, m.Text) },
	})
	request, err := parser.DecodeRequest([]byte(`{"query": "{ me { name } }"}`))
	if err != nil {
		panic(err)
	}
	defer request.Close()
	fmt.Println(request.Operations()[0].Query)
	// Output: { me { name } }
}
