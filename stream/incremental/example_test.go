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
	serve("application/x-ndjson", func(d *incremental.Delivery) error {
		comments := d.Defer(incremental.Path{"post"}, "comments")
		err := d.Initial(func(w *stream.Writer) error {
			w.Name("data")
			w.Raw([]byte(`{"post":{"id":1}}`))
			return nil
		})
		// Other goroutines may do this.
		return errors.Join(err, comments.Complete(func(w *stream.Writer) error {
			return w.Any(map[string]any{"comments": []any{"Nice"}})
		}))
	})
	// Output:
	// {"data":{"post":{"id":1}},"pending":[{"id":"0","path":["post"],"label":"comments"}],"hasNext":true}
	// {"incremental":[{"id":"0","path":["post"],"label":"comments","data":{"comments":["Nice"]}}],"completed":[{"id":"0"}],"hasNext":false}
}

// A list whose first item is in the initial result.
func ExampleDelivery_Stream() {
	serve("text/event-stream", func(d *incremental.Delivery) error {
		rest := d.Stream(incremental.Path{"names"}, "", 1)
		err := d.Initial(func(w *stream.Writer) error {
			w.Name("data")
			w.Raw([]byte(`{"names":["Ada"]}`))
			return nil
		})
		return errors.Join(err,
			rest.Items(2, func(w *stream.Writer) error {
				w.String("Grace")
				w.String("Barbara")
				return nil
			}),
			rest.End())
	})
	// Output:
	// event: next
	// data: {"data":{"names":["Ada"]},"pending":[{"id":"0","path":["names"]}],"hasNext":true}
	//
	// event: next
	// data: {"incremental":[{"id":"0","path":["names",1],"items":["Grace","Barbara"]}],"hasNext":true}
	//
	// event: next
	// data: {"completed":[{"id":"0"}],"hasNext":false}
	//
	// event: complete
	// data:
}

// An executor that learns of a part after it has sent the initial result.
func ExampleDelivery_Hold() {
	serve("application/jsonl", func(d *incremental.Delivery) error {
		release := d.Hold()
		defer release()
		err := d.Initial(func(w *stream.Writer) error {
			w.Name("data")
			w.Raw([]byte(`{"post":{}}`))
			return nil
		})
		late := d.Defer(incremental.Path{"post"}, "")
		release() // No other part will come.
		return errors.Join(err, late.Fail(&stream.Error{Message: "no such post"}))
	})
	// Output:
	// {"data":{"post":{}},"hasNext":true}
	// {"pending":[{"id":"0","path":["post"]}],"completed":[{"id":"0","errors":[{"message":"no such post","path":["post"]}]}],"hasNext":false}
}

// serve lets run answer a client that accepts a media type, and prints the response.
func serve(accept string, run func(d *incremental.Delivery) error) {
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		d, err := incremental.New(rw, r, incremental.Options{})
		if err != nil {
			http.Error(rw, "execute without parts", http.StatusNotImplemented)
			return
		}
		err = run(d)
		if err := errors.Join(err, d.Close()); err != nil {
			fmt.Println(err)
		}
	}))
	defer server.Close()
	defer server.Client().CloseIdleConnections()
	request, _ := http.NewRequest(http.MethodPost, server.URL, nil)
	request.Header.Set("Accept", accept)
	response, err := server.Client().Do(request)
	if err != nil {
		panic(err)
	}
	defer response.Body.Close()
	body, _ := io.ReadAll(response.Body)
	fmt.Printf("%s", body)
}
