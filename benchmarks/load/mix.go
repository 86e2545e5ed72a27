package load

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"

	"github.com/bytedance/sonic"
)

// Totals is how much data the server has; the ids of a table are 1 to its total.
type Totals struct{ Users, Posts, Comments int }

// Operation is one kind of request in a mix.
type Operation struct {
	Name string
	// Weight is its share of the mix; 0 leaves it out.
	Weight int
	query  string
	// prepare draws the variables of one request and returns the check of its
	// response's data.
	prepare func(d *generator) (variables map[string]any, check check)
}

type check func(data *answer) error

// Mix is the requests that a load is made of.
type Mix []Operation

// Request is one HTTP body and what its response must satisfy.
type Request struct {
	Operation int // index into the mix
	Body      []byte
	check     check

	text      string
	variables []byte
}

// generator makes random parameters. A few ids get most of the requests, as in life:
// they follow Zipf's law, scattered over the table.
type generator struct {
	random   *rand.Rand
	totals   Totals
	users    *rand.Zipf
	posts    *rand.Zipf
	variants *rand.Zipf
	total    int // sum of weights
	mix      Mix
}

const zipfExponent = 1.1

// newGenerator returns a source of requests. With variants above 1 every query comes
// in that many texts, so that a server's caches of parsed queries must work.
func newGenerator(mix Mix, totals Totals, seed uint64, variants int) *generator {
	random := rand.New(rand.NewPCG(seed, 1))
	zipf := func(n int) *rand.Zipf { return rand.NewZipf(random, zipfExponent, 1, uint64(max(n, 1)-1)) }
	d := &generator{random: random, totals: totals, users: zipf(totals.Users), posts: zipf(totals.Posts),
		variants: zipf(variants), mix: mix}
	for _, o := range mix {
		d.total += o.Weight
	}
	return d
}

// scatter maps the ranks 0..n-1 onto the ids 1..n one to one, so that popular
// rows do not lie side by side: a step that shares no factor with n visits all.
func scatter(rank uint64, n int) int { return int(rank*scatterStep(n)%uint64(n)) + 1 }

func scatterStep(n int) uint64 {
	step := uint64(0.618*float64(n)) | 1
	for gcd(step, uint64(n)) != 1 {
		step += 2
	}
	return step
}

func gcd(a, b uint64) uint64 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

func (d *generator) user() int { return scatter(d.users.Uint64(), d.totals.Users) }
func (d *generator) post() int { return scatter(d.posts.Uint64(), d.totals.Posts) }

// next draws a request.
func (d *generator) next() Request {
	n := d.random.IntN(d.total)
	i := 0
	for n >= d.mix[i].Weight {
		n -= d.mix[i].Weight
		i++
	}
	return d.request(i)
}

// request draws one of operation i.
func (d *generator) request(i int) Request {
	o := d.mix[i]
	variables, check := o.prepare(d)
	text := o.text(d.variants.Uint64())
	encoded, err := json.Marshal(variables)
	if err != nil {
		panic(err) // Variables are numbers and strings.
	}
	body, err := json.Marshal(map[string]any{"query": text, "variables": json.RawMessage(encoded)})
	if err != nil {
		panic(err) // As above.
	}
	return Request{Operation: i, Body: body, check: check, text: text, variables: encoded}
}

// text returns one of the texts of the operation.
func (o Operation) text(variant uint64) string {
	return strings.Replace(o.query, "NAME", o.Name+strconv.FormatUint(variant, 10), 1)
}

// Reads reports whether the operation is a query, which may be sent again.
func (o Operation) Reads() bool { return strings.HasPrefix(o.query, "query ") }

// answer is what any of the operations can return.
type answer struct {
	User       *user
	Post       *post
	Feed       []*post
	Search     []*post
	Comments   []*comment
	CreatePost *post
	AddComment *comment
	Totals     *Totals
}

type user struct {
	ID, Name, Bio string
	Profile       *struct{ City string }
	FollowerCount *int
	Posts         []*post
}

type post struct {
	ID, Title, Slug, Excerpt, Body string
	Author                         *user
	Tags                           []*struct{ Name string }
	Comments                       []*comment
	CommentCount                   *int
}

type comment struct {
	ID, Body, CreatedAt string
	Author              *user
}

// Check decides whether body is the complete and right answer.
func (r Request) Check(body []byte) error {
	var envelope struct {
		Data   *answer
		Errors []struct{ Message string }
	}
	if err := sonic.ConfigFastest.Unmarshal(body, &envelope); err != nil {
		return fmt.Errorf("response is not JSON: %w", err)
	}
	if len(envelope.Errors) > 0 {
		return fmt.Errorf("GraphQL error: %s", envelope.Errors[0].Message)
	}
	if envelope.Data == nil {
		return errors.New("response without data")
	}
	return r.check(envelope.Data)
}

// BlogMix is the weighted mix of the blog's queries and mutations.
func BlogMix() Mix {
	return Mix{
		{"user", 25, `query NAME($id: ID!) { user(id: $id) { id name bio profile followerCount } }`, prepareUser},
		{"userPosts", 20,
			`query NAME($id: ID!) { user(id: $id) { id name posts(first: 10) { id title excerpt author { id name } tags { name } } } }`, prepareUserPosts},
		{"post", 20,
			`query NAME($id: ID!) { post(id: $id) { id title body author { id name } tags { name } commentCount comments(first: 10) { id body author { id name } } } }`, preparePost},
		{"feed", 18,
			`query NAME($before: ID!) { feed(first: 20, before: $before) { id title excerpt author { id name } commentCount comments(first: 3) { id body author { id name } } } }`, prepareFeed},
		{"search", 8, `query NAME($text: String!) { search(text: $text, first: 20) { id title author { id name } } }`,
			prepareSearch},
		{"list", 3, `query NAME($after: ID!) { comments(first: 1000, after: $after) { id body createdAt } }`,
			prepareList(1000)},
		{"export", 0, `query NAME($after: ID!) { comments(first: 100000, after: $after) { id body createdAt } }`,
			prepareList(100_000)},
		{"createPost", 2,
			`mutation NAME($author: ID!, $title: String!, $body: String!) { createPost(input: {authorId: $author, title: $title, body: $body, tags: ["load"]}) { id title author { id name } } }`, prepareCreatePost},
		{"addComment", 4,
			`mutation NAME($author: ID!, $post: ID!, $body: String!) { addComment(input: {authorId: $author, postId: $post, body: $body}) { id body author { id name } } }`, prepareAddComment},
	}
}

// Only returns the mix of a single operation.
func (m Mix) Only(name string) (Mix, error) {
	for _, o := range m {
		if o.Name == name {
			o.Weight = 1
			return Mix{o}, nil
		}
	}
	return nil, fmt.Errorf("no operation is named %q", name)
}

func id(n int) map[string]any { return map[string]any{"id": strconv.Itoa(n)} }

func (u *user) is(want string) error {
	if u == nil || u.ID != want || u.Name == "" {
		return fmt.Errorf("want user %s with a name, got %+v", want, u)
	}
	return nil
}

func (u *user) known() error {
	if u == nil || u.ID == "" || u.Name == "" {
		return fmt.Errorf("want a user, got %+v", u)
	}
	return nil
}

func prepareUser(d *generator) (map[string]any, check) {
	variables := id(d.user())
	return variables, func(a *answer) error {
		if err := a.User.is(variables["id"].(string)); err != nil {
			return err
		}
		if a.User.Bio == "" || a.User.Profile == nil || a.User.Profile.City == "" || a.User.FollowerCount == nil {
			return fmt.Errorf("incomplete user %s", a.User.ID)
		}
		return nil
	}
}

func prepareUserPosts(d *generator) (map[string]any, check) {
	variables := id(d.user())
	return variables, func(a *answer) error {
		if err := a.User.is(variables["id"].(string)); err != nil {
			return err
		}
		if a.User.Posts == nil {
			return errors.New("no list of posts")
		}
		for _, p := range a.User.Posts {
			if p.Title == "" || p.Excerpt == "" || p.Tags == nil {
				return fmt.Errorf("incomplete post %s", p.ID)
			}
			if err := p.Author.is(a.User.ID); err != nil {
				return err
			}
		}
		return nil
	}
}

func preparePost(d *generator) (map[string]any, check) {
	variables := id(d.post())
	return variables, func(a *answer) error {
		p := a.Post
		if p == nil || p.ID != variables["id"] || p.Title == "" || p.Body == "" || p.Tags == nil || p.CommentCount == nil {
			return fmt.Errorf("want post %s, got %+v", variables["id"], p)
		}
		if err := p.Author.known(); err != nil {
			return err
		}
		return p.commented(10)
	}
}

// commented checks the first comments of a post, at most limit. The count comes
// from another statement: comments that are added in between may be in it.
func (p *post) commented(limit int) error {
	if len(p.Comments) > limit || len(p.Comments) < min(limit, *p.CommentCount) && *p.CommentCount-len(p.Comments) > 2 {
		return fmt.Errorf("post %s has %d comments and lists %d", p.ID, *p.CommentCount, len(p.Comments))
	}
	for _, c := range p.Comments {
		if c.Body == "" {
			return fmt.Errorf("comment %s without a body", c.ID)
		}
		if err := c.Author.known(); err != nil {
			return err
		}
	}
	return nil
}

func prepareFeed(d *generator) (map[string]any, check) {
	// Most look at the newest page.
	before := d.totals.Posts + 1 - 20*int(d.posts.Uint64()%uint64(max(d.totals.Posts/40, 1)))
	return map[string]any{"before": strconv.Itoa(before)}, func(a *answer) error {
		if len(a.Feed) != 20 {
			return fmt.Errorf("a page of %d posts, want 20", len(a.Feed))
		}
		last := before
		for _, p := range a.Feed {
			n, err := strconv.Atoi(p.ID)
			if err != nil || n >= last {
				return fmt.Errorf("post %q after %d", p.ID, last)
			}
			last = n
			if p.CommentCount == nil || p.Excerpt == "" {
				return fmt.Errorf("incomplete post %s", p.ID)
			}
			if err := errors.Join(p.Author.known(), p.commented(3)); err != nil {
				return err
			}
		}
		return nil
	}
}

// words are in the titles of the generated posts.
var words = []string{"problem", "government", "family", "company", "question", "team", "moment", "teacher", "history",
	"weather"}

func prepareSearch(d *generator) (map[string]any, check) {
	word := words[d.random.IntN(len(words))]
	return map[string]any{"text": word}, func(a *answer) error {
		if a.Search == nil || len(a.Search) > 20 {
			return fmt.Errorf("%d results", len(a.Search))
		}
		for _, p := range a.Search {
			if !strings.Contains(strings.ToLower(p.Title), word) {
				return fmt.Errorf("%q found for %q", p.Title, word)
			}
			if err := p.Author.known(); err != nil {
				return err
			}
		}
		return nil
	}
}

func prepareList(size int) func(*generator) (map[string]any, check) {
	return func(d *generator) (map[string]any, check) {
		after := d.random.IntN(max(d.totals.Comments-size, 0) + 1)
		want := min(size, d.totals.Comments-after)
		return map[string]any{"after": strconv.Itoa(after)}, func(a *answer) error {
			// Comments are added while the test runs, at the end.
			if len(a.Comments) < want || len(a.Comments) > size {
				return fmt.Errorf("%d comments, want %d", len(a.Comments), want)
			}
			for i, c := range a.Comments[:want] {
				if c.ID != strconv.Itoa(after+1+i) || c.Body == "" || c.CreatedAt == "" {
					return fmt.Errorf("comment %+v, want %d", c, after+1+i)
				}
			}
			return nil
		}
	}
}

// newBody is the text of the posts that the load makes.
var newBody = strings.Repeat("Ein Satz für den Test. ", 40)

func prepareCreatePost(d *generator) (map[string]any, check) {
	author := strconv.Itoa(d.user())
	title := "Load test " + strconv.FormatUint(d.random.Uint64(), 36)
	// As many have a word that is searched for as of the posts that were there: a search
	// for the newest would have to look at all new posts otherwise.
	if d.random.IntN(4) == 0 {
		title += " " + words[d.random.IntN(len(words))]
	}
	return map[string]any{"author": author, "title": title, "body": newBody},
		func(a *answer) error {
			if a.CreatePost == nil || a.CreatePost.Title != title {
				return fmt.Errorf("created %+v, want %q", a.CreatePost, title)
			}
			return a.CreatePost.Author.is(author)
		}
}

func prepareAddComment(d *generator) (map[string]any, check) {
	// Any post: those that are read most would grow by thousands of comments, and with
	// them what requests cost, the more the faster a server is.
	author, postID := strconv.Itoa(d.user()), strconv.Itoa(1+d.random.IntN(max(d.totals.Posts, 1)))
	body := "Seen by the load test: " + strconv.FormatUint(d.random.Uint64(), 36)
	return map[string]any{"author": author, "post": postID, "body": body}, func(a *answer) error {
		if a.AddComment == nil || a.AddComment.Body != body {
			return fmt.Errorf("added %+v, want %q", a.AddComment, body)
		}
		return a.AddComment.Author.is(author)
	}
}
