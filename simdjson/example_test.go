package simdjson_test

import (
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
	for _, o := range request.Operations {
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
	fmt.Println(request.Operations[0].Query)
	// Output: { me { name } }
}
