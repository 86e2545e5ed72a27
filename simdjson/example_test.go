package simdjson_test

import (
	"fmt"

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
