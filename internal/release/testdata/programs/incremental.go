package main

import (
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"

	"github.com/gqlboost/gqlboost/stream"
	"github.com/gqlboost/gqlboost/stream/incremental"
)

func handle(w http.ResponseWriter, r *http.Request) {
	d, err := incremental.New(w, r, incremental.Options{})
	if err != nil {
		log.Fatal(err)
	}
	err = d.Initial(func(w *stream.Writer) error {
		w.Name("data")
		return w.Any(map[string]int{"id": 1})
	})
	if err := errors.Join(err, d.Close()); err != nil {
		log.Fatal(err)
	}
}

func main() {
	server := httptest.NewServer(http.HandlerFunc(handle))
	defer server.Close()
	request, err := http.NewRequest("GET", server.URL, nil)
	if err != nil {
		log.Fatal(err)
	}
	request.Header.Set("Accept", "application/x-ndjson")
	response, err := server.Client().Do(request)
	if err != nil {
		log.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	fmt.Print(string(body), err)
	// Output:
	// {"data":{"id":1},"hasNext":false}
	// <nil>
}
