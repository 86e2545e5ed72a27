package arena_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"

	"github.com/gqlboost/gqlboost/arena"
)

// A handler writes its response into a pooled buffer and sends it at once.
func ExampleBuffers() {
	var buffers arena.Buffers
	handler := func(w http.ResponseWriter, r *http.Request) {
		b := buffers.Get(4096)
		defer buffers.Put(b) // After the write: its bytes are not ours any more.
		b.B = fmt.Appendf(b.B, `{"data":{"path":%q}}`, r.URL.Path)
		_, _ = w.Write(b.B)
	}
	w := httptest.NewRecorder()
	handler(w, httptest.NewRequest("GET", "/graphql", nil))
	fmt.Println(w.Body)
	// Output: {"data":{"path":"/graphql"}}
}

type Post struct {
	ID    int
	Title string
	Tags  []string
}

// A resolver takes the rows of its request from an arena, which is freed when
// the response has been written.
func ExampleArena() {
	resolve := func(a *arena.Arena, titles [][]byte) []*Post {
		posts := arena.Slice[*Post](a, 0, len(titles))
		for i, title := range titles {
			p := arena.Alloc[Post](a)
			p.ID, p.Title = i+1, a.String(title)
			p.Tags = arena.Append(a, p.Tags, "go", "graphql")
			posts = append(posts, p)
		}
		return posts
	}
	a := arena.New()
	defer a.Free() // Nothing from it is used after the response.
	for _, p := range resolve(a, [][]byte{[]byte("First"), []byte("Second")}) {
		fmt.Println(p.ID, p.Title, p.Tags)
	}
	// Output:
	// 1 First [go graphql]
	// 2 Second [go graphql]
}

// Field names that come from the network as bytes become strings without an
// allocation when they were seen before.
func ExampleInterner() {
	var names arena.Interner
	for _, row := range []string{"id", "title", "id"} {
		fmt.Print(names.Bytes([]byte(row)), " ")
	}
	fmt.Println(names.Stats().Entries)
	// Output: id title id 2
}

func ExamplePool() {
	type scratch struct{ columns []string }
	pool := arena.Pool[scratch]{
		Reset: func(s *scratch) { s.columns = s.columns[:0] },
		Keep:  func(s *scratch) bool { return cap(s.columns) <= 1024 },
	}
	s := pool.Get()
	s.columns = append(s.columns, "id", "title")
	fmt.Println(len(s.columns))
	pool.Put(s)
	fmt.Println(len(pool.Get().columns))
	// Output:
	// 2
	// 0
}

func ExampleMap() {
	path := filepath.Join(os.TempDir(), "gqlboost-example")
	if err := os.WriteFile(path, []byte("plans of yesterday"), 0o600); err != nil {
		panic(err)
	}
	defer os.Remove(path)
	m, err := arena.Map(path)
	if err != nil {
		panic(err)
	}
	defer m.Close()
	err = m.View(9, 9, func(b []byte) error {
		fmt.Printf("%s\n", b)
		return nil
	})
	fmt.Println(err)
	// Output:
	// yesterday
	// <nil>
}

// A server calls TuneGC once in main. In a container the budget is found out.
func ExampleTuneGC() {
	stop := arena.TuneGC(arena.GCOptions{Budget: 256 << 20})
	defer stop()
	fmt.Println("serving")
	// Output: serving
}

func ExampleSource() {
	for m := range arena.Source().Metrics() {
		if m.Name == "gqlboost.arena.mapped.files" {
			fmt.Println(m.Name, m.Value)
		}
	}
	// Output: gqlboost.arena.mapped.files 0
}
