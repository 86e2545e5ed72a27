// Package store reads and writes the blog's tables.
package store

import (
	"errors"
	"io"
	"time"
)

// ErrNotFound is returned when a row that must exist does not.
var ErrNotFound = errors.New("not found")

// User is a row of users.
type User struct {
	ID        int
	Handle    string
	Name      string
	Email     string
	Bio       string
	Profile   JSON
	CreatedAt time.Time
}

func (u *User) targets(t texts) []any {
	return []any{&u.ID, t.to(&u.Handle), t.to(&u.Name), t.to(&u.Email), t.to(&u.Bio), (*[]byte)(&u.Profile), &u.CreatedAt}
}

// Post is a row of posts without its body, which few queries want.
type Post struct {
	ID          int
	AuthorID    int
	Title       string
	Slug        string
	Excerpt     string
	Status      string
	Views       int
	PublishedAt *time.Time
}

func (p *Post) targets(t texts) []any {
	return []any{&p.ID, &p.AuthorID, t.to(&p.Title), t.to(&p.Slug), t.to(&p.Excerpt), t.to(&p.Status), &p.Views,
		&p.PublishedAt}
}

// Comment is a row of comments.
type Comment struct {
	ID        int
	PostID    int
	AuthorID  int
	Body      string
	CreatedAt time.Time
}

func (c *Comment) targets(t texts) []any {
	return []any{&c.ID, &c.PostID, &c.AuthorID, t.to(&c.Body), &c.CreatedAt}
}

// Tag is a row of tags.
type Tag struct {
	ID   int
	Name string
}

func (tag *Tag) targets(t texts) []any {
	return []any{&tag.ID, t.to(&tag.Name)}
}

// Totals counts the rows of the big tables.
type Totals struct {
	Users    int
	Posts    int
	Comments int
}

func (n *Totals) targets(texts) []any {
	return []any{&n.Users, &n.Posts, &n.Comments}
}

// JSON is a value that Postgres has checked already; it is passed on as it is.
type JSON []byte

// MarshalGQL writes the value into a response.
func (j JSON) MarshalGQL(w io.Writer) {
	if len(j) == 0 {
		j = JSON("null")
	}
	_, _ = w.Write(j) // gqlgen's writer is a buffer.
}

// UnmarshalGQL refuses: the schema has no JSON input.
func (j *JSON) UnmarshalGQL(any) error { return errors.New("JSON is an output type") }
