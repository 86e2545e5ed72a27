package main

import (
	"errors"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/gqlboost/gqlboost/examples/blog/store"
	"github.com/gqlboost/gqlboost/stream"
)

// mutations are the fields of Mutation: what is selected of what they have made.
// A subquery is run once; currval alone, which is volatile, for each row of the table.
var mutations = map[string]root{
	"createPost": {to: "Post", sql: "select {rows} from posts {to} where {to}.id = (select currval('posts_id_seq'))"},
	"addComment": {to: "Comment",
		sql: "select {rows} from comments {to} where {to}.id = (select currval('comments_id_seq'))"},
}

// batch returns the statements of a mutation, which are one transaction and one round
// trip. The last one has the answer.
func (s *step) batch(variables map[string]any) (*pgx.Batch, error) {
	input, ok := s.field.ArgumentMap(variables)["input"].(map[string]any)
	if !ok {
		return nil, errNotPlanned
	}
	in := inputs{input, nil}
	b := new(pgx.Batch)
	switch s.field.Name {
	case "createPost":
		author, title, body, tags := in.id("authorId"), in.text("title"), in.text("body"), in.texts("tags")
		b.Queue(`insert into posts (author_id, title, slug, excerpt, body, status, published_at)
			values ($1, $2, $3, left($4, 200), $4, 'PUBLISHED', now())`, author, title, store.Slug(title), body)
		if len(tags) > 0 {
			b.Queue("insert into tags (name) select unnest($1::text[]) on conflict do nothing", tags)
			b.Queue("insert into post_tags (post_id, tag_id) select currval('posts_id_seq'), id from tags where name = any($1)",
				tags)
		}
		in.filled(title)
	case "addComment":
		b.Queue("insert into comments (post_id, author_id, body) values ($1, $2, $3)", in.id("postId"), in.id("authorId"),
			in.filled(in.text("body")))
	}
	if in.err != nil {
		return nil, in.err
	}
	sql, arguments, err := s.statement(variables)
	if err != nil {
		return nil, err
	}
	b.Queue(sql, arguments...)
	return b, nil
}

// inputs reads an input object. Its err is errNotPlanned if one of the fields is not valid.
type inputs struct {
	fields map[string]any
	err    error
}

func (in *inputs) id(name string) int64 {
	n, err := integer(in.fields[name])
	if err != nil {
		in.err = err
	}
	return n
}

func (in *inputs) text(name string) string {
	s, ok := in.fields[name].(string)
	if !ok || strings.ContainsRune(s, 0) {
		in.err = errNotPlanned
	}
	return s
}

func (in *inputs) texts(name string) (list []string) {
	given, ok := in.fields[name].([]any)
	if _, there := in.fields[name]; there && !ok {
		in.err = errNotPlanned
	}
	for _, each := range given {
		s, ok := each.(string)
		if !ok || strings.ContainsRune(s, 0) {
			in.err = errNotPlanned
		}
		list = append(list, s)
	}
	return list
}

func (in *inputs) filled(s string) string {
	if strings.TrimSpace(s) == "" {
		in.err = errNotPlanned // The server behind this one says why.
	}
	return s
}

// public says of a mutation's error what the blog says.
func (s *step) public(err error) error {
	var e *pgconn.PgError
	if errors.As(err, &e) && e.Code == "23503" {
		at := s.field.Position
		return &stream.Error{Message: e.ConstraintName + ": not found",
			Locations: []stream.Location{{Line: at.Line, Column: at.Column}}, Path: stream.Path{s.key}, Err: err}
	}
	return err
}
