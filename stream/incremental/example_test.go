package incremental_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"

	"github.com/gqlboost/gqlboost/stream"
	"github.com/gqlboost/gqlboost/stream/incremental"
)

// A resolver of a post whose comments are deferred.
func ExampleDelivery() {
	handler := func(rw http.ResponseWriter, r *http.Request) {
		d, err := incremental.New(rw, r, incremental.Options{})
		if err != nil {
			http.Error(rw, "execute without parts", http.StatusNotImplemented)
			return
		}
		comments := d.Defer(incremental.Path{"post"}, "comments")
		err = d.Initial(func(w *stream.Writer) error {
			w.Name("data")
			w.Raw([]byte(`{"post":{"id":1}}`))
			return nil
		})
		// Other goroutines may do this.
		err = errors.Join(err, comments.Complete(func(w *stream.Writer) error {
			return w.Any(map[string]any{"comments": []any{"Nice"}})
		}))
		if err := errors.Join(err, d.Close()); err != nil {
			fmt.Println(err)
		}
	}
	server := httptest.NewServer(http.HandlerFunc(handler))
	defer server.Close()
	defer server.Client().CloseIdleConnections()
	request, _ := http.NewRequest(http.MethodPost, server.URL, nil)
	request.Header.Set("Accept", "application/x-ndjson")
	response, err := server.Client().Do(request)
	if err != nil {
		panic(err)
	}
	defer response.Body.Close()
	body, _ := io.ReadAll(response.Body)
	fmt.Printf("%s", body)
	// Output:
	// {"data":{"post":{"id":1}},"pending":[{"id":"0","path":["post"],"label":"comments"}],"hasNext":true}
	// {"incremental":[{"id":"0","path":["post"],"label":"comments","data":{"comments":["Nice"]}}],"completed":[{"id":"0"}],"hasNext":false}
}
