package store

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strconv"
	"strings"
	"sync"
	"unicode"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/gqlboost/gqlboost/arena"
)

// Reader is what reads rows.
type Reader interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// Pool is what also writes them. A *pgxpool.Pool is one.
type Pool interface {
	Reader
	Begin(ctx context.Context) (pgx.Tx, error)
	Ping(ctx context.Context) error
}

// Store is safe for concurrent use.
type Store struct {
	// Reads is what queries read from, the pool by default.
	Reads Reader
	// Arena returns where the rows of a batch are put, for as long as the request is
	// under way; nil is the heap.
	Arena func(context.Context) *arena.Arena
	// Dataloader makes loaders those of package dataloader.
	Dataloader bool
	// Merge has loaders fetch for several requests at once, where they are those of package
	// dataloader and Arena is nil.
	Merge bool
	// Committed, if it is not nil, is called after each commit, with the context of the write and
	// the tags of what it has changed.
	Committed func(ctx context.Context, tags ...string)
	// Shown, if it is not nil, is called with the tags of what a page of the feed shows.
	Shown  func(ctx context.Context, tags ...string)
	pool   Pool
	merged sync.Map // of fetches, by mergedFetch
}

// New returns a store over pool.
func New(pool Pool) *Store { return &Store{Reads: pool, pool: pool} }

// The columns of each type, as their targets.
const (
	UserColumns    = "u.id, u.handle, u.name, u.email, u.bio, u.profile, u.created_at"
	PostColumns    = "p.id, p.author_id, p.title, p.slug, p.excerpt, p.status, p.views, p.published_at"
	CommentColumns = "c.id, c.post_id, c.author_id, c.body, c.created_at"
	TagColumns     = "t.id, t.name"
)

// row is a pointer to a T that names where its columns are scanned to.
type row[T any] interface {
	*T
	targets(texts) []any
}

// list runs a query whose columns are those of a T, or some of them.
func list[T any, P row[T]](ctx context.Context, s *Store, c *Columns, sql string, args ...any) ([]*T, error) {
	found, rows := []*T{}, s.memory(ctx)
	var each T
	err := forEach(ctx, s.Reads, c.targets(P(&each).targets(texts{rows})), func() {
		found = appendTo(rows, found, &each)
		each = *new(T) // A slice in it must not be scanned into again.
	}, c.sql(sql), args...)
	return found, err
}

// first is list for at most one row; there may be none.
func first[T any, P row[T]](ctx context.Context, s *Store, c *Columns, sql string, args ...any) (*T, error) {
	found, err := list[T, P](ctx, s, c, sql, args...)
	if err != nil || len(found) == 0 {
		return nil, err
	}
	return found[0], nil
}

// forEach scans every row into targets and then calls do.
func forEach(ctx context.Context, from Reader, targets []any, do func(), sql string, args ...any) error {
	rows, err := from.Query(ctx, sql, args...)
	if err != nil {
		return err
	}
	_, err = pgx.ForEachRow(rows, targets, func() error { do(); return nil })
	return err
}

// Ping asks Postgres for an answer.
func (s *Store) Ping(ctx context.Context) error { return s.pool.Ping(ctx) }

// Totals counts rows by their highest ids: nothing is ever deleted.
func (s *Store) Totals(ctx context.Context) (*Totals, error) {
	return first[Totals](ctx, s, nil, `select coalesce((select max(id) from users), 0),
		coalesce((select max(id) from posts), 0), coalesce((select max(id) from comments), 0)`)
}

// User returns nil if there is none with that id.
func (s *Store) User(ctx context.Context, c *Columns, id int) (*User, error) {
	return first[User](ctx, s, c, "select "+UserColumns+" from users u where u.id = $1", id)
}

// Post returns nil if there is none with that id.
func (s *Store) Post(ctx context.Context, c *Columns, id int) (*Post, error) {
	return first[Post](ctx, s, c, "select "+PostColumns+" from posts p where p.id = $1", id)
}

// feedTag is the tag of all pages of the feed: a post may come into any that begins after it.
const feedTag = "feed"

// postTag is the tag of a post and of its comments.
func postTag(id int) string { return "post:" + strconv.Itoa(id) }

// Feed returns the newest published posts, those before an id if it is not nil.
func (s *Store) Feed(ctx context.Context, c *Columns, limit int, before *int) ([]*Post, error) {
	posts, err := list[Post](ctx, s, c, "select "+PostColumns+` from posts p
		where p.status = 'PUBLISHED' and ($2::bigint is null or p.id < $2) order by p.id desc limit $1`, limit, before)
	if s.Shown != nil {
		s.Shown(ctx, feedTag)
		for _, p := range posts {
			s.Shown(ctx, postTag(p.ID))
		}
	}
	return posts, err
}

// Search returns published posts with all words of text in their title.
func (s *Store) Search(ctx context.Context, c *Columns, text string, limit int) ([]*Post, error) {
	return list[Post](ctx, s, c, "select "+PostColumns+` from posts p
		where p.search @@ plainto_tsquery('simple', $1) and p.status = 'PUBLISHED' order by p.id desc limit $2`, text, limit)
}

// Comments returns comments in the order of their ids, those after an id if it
// is not nil.
func (s *Store) Comments(ctx context.Context, limit int, after *int) ([]*Comment, error) {
	return list[Comment](ctx, s, nil, selectComments, limit, after)
}

const (
	selectComments = "select " + CommentColumns + fromComments
	fromComments   = ` from comments c
		where c.id > coalesce($2::bigint, 0) order by c.id limit $1`
)

// CommentsSeq is Comments for those who take one after the other.
func (s *Store) CommentsSeq(ctx context.Context, c *Columns, limit int, after *int) iter.Seq2[*Comment, error] {
	return func(yield func(*Comment, error) bool) {
		rows, err := s.Reads.Query(ctx, c.sql(selectComments), limit, after)
		if err != nil {
			yield(nil, err)
			return
		}
		defer rows.Close()
		var each Comment
		targets := c.targets(each.targets(texts{}))
		for rows.Next() {
			if err := rows.Scan(targets...); err != nil {
				yield(nil, err)
				return
			}
			comment := each
			if !yield(&comment, nil) {
				return
			}
		}
		if err := rows.Err(); err != nil {
			yield(nil, err)
		}
	}
}

// CommentRows are Comments as Postgres sends them, with the columns that list names.
func (s *Store) CommentRows(ctx context.Context, list string, limit int, after *int) (pgx.Rows, error) {
	return s.Reads.Query(ctx, "select "+list+fromComments, limit, after)
}

// NewPost is what CreatePost stores.
type NewPost struct {
	AuthorID          int
	Title, Slug, Body string
	Tags              []string
}

// CreatePost stores and publishes a post, making the tags that do not exist.
func (s *Store) CreatePost(ctx context.Context, n NewPost) (post *Post, err error) {
	err = pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		post = new(Post)
		if err := tx.QueryRow(ctx, `insert into posts as p (author_id, title, slug, excerpt, body, status, published_at)
			values ($1, $2, $3, left($4, 200), $4, 'PUBLISHED', now()) returning `+PostColumns,
			n.AuthorID, n.Title, n.Slug, n.Body).Scan(post.targets(texts{})...); err != nil {
			return err
		}
		if len(n.Tags) == 0 {
			return nil
		}
		_, err = tx.Exec(ctx, "insert into tags (name) select unnest($1::text[]) on conflict do nothing", n.Tags)
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, "insert into post_tags (post_id, tag_id) select $1, id from tags where name = any($2)", post.ID,
			n.Tags)
		return err
	})
	return post, s.written(ctx, err, feedTag)
}

// AddComment stores a comment.
func (s *Store) AddComment(ctx context.Context, postID, authorID int, body string) (*Comment, error) {
	c := new(Comment)
	err := forEach(ctx, s.pool, c.targets(texts{}), func() {},
		`insert into comments as c (post_id, author_id, body) values ($1, $2, $3)
		returning `+CommentColumns, postID, authorID, body)
	return c, s.written(ctx, err, postTag(postID))
}

// written returns the error of a write, or says what it has changed.
func (s *Store) written(ctx context.Context, err error, tags ...string) error {
	if err == nil && s.Committed != nil {
		s.Committed(ctx, tags...)
	}
	return missing(err)
}

// missing turns a foreign key's complaint into ErrNotFound.
func missing(err error) error {
	var pgErr *pgconn.PgError
	if errors.As(err, &pgErr) && pgErr.Code == "23503" {
		return fmt.Errorf("%s: %w", pgErr.ConstraintName, ErrNotFound)
	}
	return err
}

// Slug turns a title into the last part of a post's address.
func Slug(title string) string {
	words := strings.FieldsFunc(strings.ToLower(title), func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r)
	})
	return strings.Join(words, "-")
}
