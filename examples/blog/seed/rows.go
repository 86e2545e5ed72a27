package seed

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/brianvoe/gofakeit/v7"
)

// start is when the blog opened. Nothing depends on today's date.
var start = time.Date(2024, time.January, 1, 0, 0, 0, 0, time.UTC)

type table struct {
	name    string
	columns []string
	count   int
	row     func(i int) []any // i counts from 1
}

// tables lists what is copied, parents first. Each table draws from a random
// sequence of its own, so that a change to one leaves the others as they were.
func tables(n Counts) []table {
	users, posts, comments := newText(1), newText(2), newText(3)
	links, follows := newText(4), newText(5)
	linked := newPairs(links.random, n.Posts, n.Tags)
	following := newPairs(follows.random, n.Users, n.Users)
	return []table{
		{"users", []string{"id", "handle", "name", "email", "bio", "profile", "created_at"}, n.Users, users.user},
		{"posts", []string{"id", "author_id", "title", "slug", "excerpt", "body", "status", "views", "published_at"}, n.Posts,
			func(i int) []any { return posts.post(i, n) }},
		{"comments", []string{"id", "post_id", "author_id", "body", "created_at"}, n.Comments,
			func(i int) []any { return comments.comment(i, n) }},
		{"tags", []string{"id", "name"}, n.Tags, links.tag},
		{"post_tags", []string{"post_id", "tag_id"}, min(2*n.Posts, n.Posts*n.Tags/4), linked.next},
		{"follows", []string{"followee_id", "follower_id"}, min(n.Follows, n.Users*n.Users/4), following.next},
	}
}

// text makes the sentences of one table.
type text struct {
	fake   *gofakeit.Faker
	random *rand.Rand
}

func newText(seed uint64) *text {
	return &text{gofakeit.New(seed), rand.New(rand.NewPCG(seed, 0))}
}

// foreign are what a blog's readers write besides English: letters of two to
// four bytes, right-to-left text, combining marks, and what JSON must escape.
var foreign = []string{
	"Καλημέρα κόσμε, τι κάνετε σήμερα;", "今日はとても良い天気ですね。", "Съешь же ещё этих мягких французских булок",
	"هذا مقال رائع، شكرا لكم", "मुझे यह लेख बहुत पसंद आया", "Façade naïve: d'où vient l'été à Noël?",
	"🎉🚀 well done 👩‍👩‍👧‍👦", "e\u0301 is not é, and \"quotes\" \\ slashes / matter", "tabs\tand\nnew lines",
}

func (t *text) sentence() string {
	if t.random.IntN(12) == 0 {
		return foreign[t.random.IntN(len(foreign))]
	}
	return t.fake.Sentence(6 + t.random.IntN(10))
}

func (t *text) sentences(n int) string {
	list := make([]string, n)
	for i := range list {
		list[i] = t.sentence()
	}
	return strings.Join(list, " ")
}

// squared draws from 1..n with small numbers more often: a few posts and
// authors get most of the comments.
func (t *text) squared(n int) int64 {
	f := t.random.Float64()
	return int64(f*f*float64(n)) + 1
}

func (t *text) user(i int) []any {
	name := t.fake.Name()
	handle := fmt.Sprintf("%s%d", strings.ToLower(strings.Join(strings.Fields(name), ".")), i)
	profile, err := json.Marshal(map[string]any{
		"city": t.fake.City(), "job": t.fake.JobTitle(), "languages": []string{t.fake.Language(), t.fake.Language()},
		"settings": map[string]any{"theme": []string{"light", "dark"}[i%2], "digest": i%3 == 0, "pageSize": 10 + i%20},
		"score":    float64(t.random.IntN(10_000)) / 100,
	})
	if err != nil {
		panic(err) // Nothing above is anything but JSON.
	}
	return []any{int64(i), handle, name, handle + "@example.com", t.sentences(1 + t.random.IntN(3)), profile,
		start.Add(time.Duration(i) * time.Minute)}
}

func (t *text) post(i int, n Counts) []any {
	title := strings.TrimSuffix(t.fake.Sentence(4+t.random.IntN(5)), ".")
	length := 8 + t.random.IntN(16)
	if i%100 == 0 { // A long read of about 20 kB.
		length = 300
	}
	body := t.sentences(length)
	status := "PUBLISHED"
	published := new(time.Time)
	*published = start.Add(time.Duration(i) * 7 * time.Minute)
	if i%20 == 19 {
		status, published = "DRAFT", nil
	}
	slug := strings.ToLower(strings.Join(strings.Fields(title), "-"))
	return []any{int64(i), t.squared(n.Users), title, slug, prefix(body, 200), body, status, int32(t.random.IntN(100_000)),
		published}
}

func (t *text) comment(i int, n Counts) []any {
	return []any{int64(i), t.squared(n.Posts), t.squared(n.Users), t.sentences(1 + t.random.IntN(3)),
		start.Add(time.Duration(i) * 2 * time.Minute)}
}

func (t *text) tag(i int) []any {
	return []any{int64(i), fmt.Sprintf("%s-%d", strings.ToLower(t.fake.Noun()), i)}
}

// prefix returns the first n characters of s.
func prefix(s string, n int) string {
	for i := range s {
		if n == 0 {
			return s[:i]
		}
		n--
	}
	return s
}

// pairs draws different pairs of ids.
type pairs struct {
	random *rand.Rand
	left   int
	right  int
	seen   map[[2]int64]struct{}
}

func newPairs(random *rand.Rand, left, right int) *pairs {
	return &pairs{random, left, right, map[[2]int64]struct{}{}}
}

func (p *pairs) next(int) []any {
	for {
		f := p.random.Float64()
		pair := [2]int64{int64(p.random.IntN(p.left)) + 1, int64(f*f*float64(p.right)) + 1}
		if _, again := p.seen[pair]; !again {
			p.seen[pair] = struct{}{}
			return []any{pair[0], pair[1]}
		}
	}
}
