package stream

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/bytedance/sonic"
	goccy "github.com/goccy/go-json"
	"github.com/gqlboost/gqlboost/stream"
)

// post is a row of the blog.
type post struct {
	ID        int64     `json:"id"`
	Title     string    `json:"title"`
	Body      string    `json:"body"`
	AuthorID  int64     `json:"authorId"`
	Score     float64   `json:"score"`
	Published bool      `json:"published"`
	CreatedAt time.Time `json:"createdAt"`
	Tags      []string  `json:"tags"`
	Summary   *string   `json:"summary"`
}

func posts(n int) []post {
	list := make([]post, n)
	summary := "A summary of \"one\" line"
	for i := range list {
		list[i] = post{ID: int64(i), Title: fmt.Sprintf("Post number %d", i), Body: strings.Repeat("Some text of a post. ", 5) + "\n",
			AuthorID: int64(i % 100), Score: float64(i) / 8, Published: i%2 == 0, CreatedAt: time.Unix(1.7e9+int64(i), 0).UTC(), Tags: []string{"go", "graphql"}}
		if i%3 == 0 {
			list[i].Summary = &summary
		}
	}
	return list
}

var (
	nameID, nameTitle, nameBody = stream.NewName("id"), stream.NewName("title"), stream.NewName("body")
	nameAuthor, nameScore       = stream.NewName("authorId"), stream.NewName("score")
	namePublished, nameCreated  = stream.NewName("published"), stream.NewName("createdAt")
	nameTags, nameSummary       = stream.NewName("tags"), stream.NewName("summary")
)

func writePosts(w *stream.Writer, list []post) {
	w.BeginArray()
	for i := range list {
		p := &list[i]
		w.BeginObject()
		w.Member(nameID)
		w.Int(p.ID)
		w.Member(nameTitle)
		w.String(p.Title)
		w.Member(nameBody)
		w.String(p.Body)
		w.Member(nameAuthor)
		w.Int(p.AuthorID)
		w.Member(nameScore)
		w.Float(p.Score)
		w.Member(namePublished)
		w.Bool(p.Published)
		w.Member(nameCreated)
		w.Time(p.CreatedAt)
		w.Member(nameTags)
		w.BeginArray()
		for _, tag := range p.Tags {
			w.String(tag)
		}
		w.EndArray()
		w.Member(nameSummary)
		if p.Summary == nil {
			w.Null()
		} else {
			w.String(*p.Summary)
		}
		w.EndObject()
	}
	w.EndArray()
}

type counter struct{ n int64 }

func (c *counter) Write(b []byte) (int, error) { c.n += int64(len(b)); return len(b), nil }

// BenchmarkEncode writes 10 000 structs to a writer that counts.
func BenchmarkEncode(b *testing.B) {
	list := posts(10_000)
	whole, err := json.Marshal(list)
	if err != nil {
		b.Fatal(err)
	}
	for _, c := range []struct {
		name  string
		write func(io.Writer) error
	}{
		{"gqlboost", func(to io.Writer) error {
			w := stream.NewWriter(to, stream.Options{})
			writePosts(w, list)
			return w.Close()
		}},
		{"encoding-json", func(to io.Writer) error { return json.NewEncoder(to).Encode(list) }},
		{"sonic", func(to io.Writer) error { return sonic.ConfigDefault.NewEncoder(to).Encode(list) }},
		{"goccy", func(to io.Writer) error {
			return goccy.NewEncoder(to).EncodeWithOption(list, goccy.UnorderedMap(), goccy.DisableHTMLEscape())
		}},
	} {
		b.Run("work=10k-structs/impl="+c.name, func(b *testing.B) {
			b.SetBytes(int64(len(whole)))
			b.ReportAllocs()
			for b.Loop() {
				var to counter
				if err := c.write(&to); err != nil {
					b.Fatal(err)
				}
				if to.n < int64(len(whole)) || to.n > int64(len(whole))+1 {
					b.Fatalf("%d bytes, want %d", to.n, len(whole))
				}
			}
		})
	}
}

// BenchmarkString writes 1 KB of text without anything to escape. The byte loop is
// how encoding/json and most others look for it.
func BenchmarkString(b *testing.B) {
	text := strings.Repeat("0123456789abcdef", 64)
	b.Run("work=clean-1KB/impl=gqlboost", func(b *testing.B) {
		w := stream.NewWriter(io.Discard, stream.Options{})
		w.BeginArray()
		b.SetBytes(int64(len(text)))
		for b.Loop() {
			w.String(text)
		}
	})
	b.Run("work=clean-1KB/impl=byte-loop", func(b *testing.B) {
		var safe [256]bool
		for c := range safe {
			safe[c] = c >= ' ' && c != '"' && c != '\\' && c < 0x80
		}
		buf := make([]byte, 0, 4<<10)
		b.SetBytes(int64(len(text)))
		for b.Loop() {
			buf = append(buf[:0], '"')
			start := 0
			for i := 0; i < len(text); i++ {
				if safe[text[i]] {
					continue
				}
				buf = append(buf, text[start:i]...)
				start = i + 1
			}
			buf = append(append(buf, text[start:]...), '"')
		}
	})
}
