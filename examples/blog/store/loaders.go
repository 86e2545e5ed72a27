package store

import (
	"context"
	"sync"
	"time"

	"github.com/vikstrous/dataloadgen"

	"github.com/gqlboost/gqlboost/pool/dataloader"
	"github.com/gqlboost/gqlboost/pool/reader"
)

// wait is how long a loader collects keys: long enough for the goroutines that
// gqlgen starts for the elements of a list, short against a round trip.
const wait = time.Millisecond

// Loader loads values by their keys.
type Loader[K comparable, V any] interface {
	Load(ctx context.Context, key K) (V, error)
	LoadAll(ctx context.Context, keys []K) ([]V, error)
}

// Loaders batch the reads of one request. They also cache, so they must not
// outlive it. Each is made when it is asked for; of rows, one for each set of columns.
type Loaders struct {
	store *Store

	mu   sync.Mutex
	made []madeLoader
}

type madeLoader struct {
	name, columns string
	loader        any
}

// Page is the first rows that belong to a parent.
type Page struct{ Parent, First int }

// NewLoaders returns the loaders of one request.
func NewLoaders(s *Store) *Loaders { return &Loaders{store: s} }

// fetch loads several keys at once.
type fetch[K comparable, V any] = func(context.Context, []K) (map[K]V, error)

// get returns the loader of a name and of columns.
func get[K comparable, V any](
	l *Loaders, name string, c *Columns, newFetch func(*Store, *Columns) fetch[K, V],
) Loader[K, V] {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, m := range l.made {
		if m.name == name && m.columns == c.key() {
			return m.loader.(Loader[K, V])
		}
	}
	loader := newLoader(l.store, name, c, newFetch)
	l.made = append(l.made, madeLoader{name, c.key(), loader})
	return loader
}

func newLoader[K comparable, V any](
	s *Store, name string, c *Columns, newFetch func(*Store, *Columns) fetch[K, V],
) Loader[K, V] {
	switch {
	case !s.Dataloader:
		return dataloadgen.NewMappedLoader(newFetch(s, c), dataloadgen.WithWait(wait))
	case !s.Merge || s.Arena != nil: // Rows in the memory of one request are not for others.
		return dataloader.New(newFetch(s, c), dataloader.Options{})
	}
	key := mergedFetch{name, c.key()}
	merged, ok := s.merged.Load(key)
	if !ok {
		merged, _ = s.merged.LoadOrStore(key, dataloader.Merge(newFetch(s, c), reader.ScopeOf, dataloader.MergeOptions{}))
	}
	return dataloader.New(merged.(fetch[K, V]), dataloader.Options{})
}

// mergedFetch is the key of a fetch that requests have in common.
type mergedFetch struct{ name, columns string }

// User loads users by their ids.
func (l *Loaders) User(c *Columns) Loader[int, *User] { return get(l, "user", c, newUser) }

func newUser(s *Store, c *Columns) fetch[int, *User] {
	return rowByID[User](s, c, "select u.id, "+UserColumns+" from users u where u.id = any($1)")
}

// Post loads posts by their ids.
func (l *Loaders) Post(c *Columns) Loader[int, *Post] { return get(l, "post", c, newPost) }

func newPost(s *Store, c *Columns) fetch[int, *Post] {
	return rowByID[Post](s, c, "select p.id, "+PostColumns+" from posts p where p.id = any($1)")
}

// Body loads the bodies of posts.
func (l *Loaders) Body() Loader[int, string] { return get(l, "body", nil, newBody) }

func newBody(s *Store, _ *Columns) fetch[int, string] {
	return valueByID[string](s, "select id, body from posts where id = any($1)")
}

// FollowerCount counts the followers of users.
func (l *Loaders) FollowerCount() Loader[int, int] {
	return get(l, "followerCount", nil, newFollowerCount)
}

func newFollowerCount(s *Store, _ *Columns) fetch[int, int] {
	return valueByID[int](s, `select k.id, (select count(*) from follows f where f.followee_id = k.id)
		from unnest($1::bigint[]) k(id)`)
}

// CommentCount counts the comments of posts.
func (l *Loaders) CommentCount() Loader[int, int] {
	return get(l, "commentCount", nil, newCommentCount)
}

func newCommentCount(s *Store, _ *Columns) fetch[int, int] {
	return valueByID[int](s, `select k.id, (select count(*) from comments c where c.post_id = k.id)
		from unnest($1::bigint[]) k(id)`)
}

// Tags loads the tags of posts.
func (l *Loaders) Tags(c *Columns) Loader[int, []*Tag] { return get(l, "tags", c, newTags) }

func newTags(s *Store, c *Columns) fetch[int, []*Tag] {
	return func(ctx context.Context, ids []int) (map[int][]*Tag, error) {
		return children[Tag](ctx, s, c, ids, "select pt.post_id, "+TagColumns+`
			from post_tags pt join tags t on t.id = pt.tag_id
			where pt.post_id = any($1) order by pt.post_id, t.id`)
	}
}

// Posts loads the newest posts of users.
func (l *Loaders) Posts(c *Columns) Loader[Page, []*Post] { return get(l, "posts", c, newPosts) }

func newPosts(s *Store, c *Columns) fetch[Page, []*Post] {
	return pages[Post](s, c, "select k.id, p.* from unnest($1::bigint[]) k(id) cross join lateral (select "+PostColumns+
		" from posts p where p.author_id = k.id and p.status = 'PUBLISHED' order by p.id desc limit $2) p")
}

// Followers loads the first followers of users.
func (l *Loaders) Followers(c *Columns) Loader[Page, []*User] {
	return get(l, "followers", c, newFollowers)
}

func newFollowers(s *Store, c *Columns) fetch[Page, []*User] {
	return pages[User](s, c, "select k.id, u.* from unnest($1::bigint[]) k(id) cross join lateral (select "+UserColumns+
		" from follows f join users u on u.id = f.follower_id where f.followee_id = k.id order by f.follower_id limit $2) u")
}

// Comments loads the first comments on posts.
func (l *Loaders) Comments(c *Columns) Loader[Page, []*Comment] {
	return get(l, "comments", c, newComments)
}

func newComments(s *Store, c *Columns) fetch[Page, []*Comment] {
	return pages[Comment](s, c, "select k.id, c.* from unnest($1::bigint[]) k(id) "+
		"cross join lateral (select "+CommentColumns+" from comments c where c.post_id = k.id order by c.id limit $2) c")
}

// valueByID fetches one value for each id.
func valueByID[V any](s *Store, sql string) fetch[int, V] {
	return func(ctx context.Context, ids []int) (map[int]V, error) {
		found := make(map[int]V, len(ids))
		var id int
		var value V
		err := forEach(ctx, s.Reads, []any{&id, &value}, func() { found[id] = value }, sql, ids)
		return found, err
	}
}

// rowByID is valueByID for a whole row, which follows its id in the columns.
func rowByID[T any, P row[T]](s *Store, c *Columns, sql string) fetch[int, *T] {
	return func(ctx context.Context, ids []int) (map[int]*T, error) {
		found := make(map[int]*T, len(ids))
		rows := s.memory(ctx)
		var id int
		var each T
		targets := append([]any{&id}, c.targets(P(&each).targets(texts{rows}))...)
		err := forEach(ctx, s.Reads, targets, func() {
			found[id] = copyOf(rows, &each)
			each = *new(T) // A slice in it must not be scanned into again.
		}, c.sql(sql), ids)
		return found, err
	}
}

// pages fetches the first rows of each parent. Requests differ in how many they
// want, so there is one query per number: nearly always a single one.
func pages[T any, P row[T]](s *Store, c *Columns, sql string) fetch[Page, []*T] {
	return func(ctx context.Context, keys []Page) (map[Page][]*T, error) {
		parents := map[int][]int{}
		for _, key := range keys {
			parents[key.First] = append(parents[key.First], key.Parent)
		}
		found := make(map[Page][]*T, len(keys))
		for limit, ids := range parents {
			lists, err := children[T, P](ctx, s, c, ids, sql, limit)
			if err != nil {
				return nil, err
			}
			for id, list := range lists {
				found[Page{id, limit}] = list
			}
		}
		return found, nil
	}
}

// children runs a query of a parent's id followed by a child's columns. A parent
// without children gets an empty list.
func children[T any, P row[T]](
	ctx context.Context, s *Store, c *Columns, ids []int, sql string, args ...any,
) (map[int][]*T, error) {
	found := make(map[int][]*T, len(ids))
	for _, id := range ids {
		found[id] = []*T{}
	}
	rows := s.memory(ctx)
	var id int
	var child T
	targets := append([]any{&id}, c.targets(P(&child).targets(texts{rows}))...)
	err := forEach(ctx, s.Reads, targets, func() {
		found[id] = appendTo(rows, found[id], &child)
		child = *new(T) // A slice in it must not be scanned into again.
	}, c.sql(sql), append([]any{ids}, args...)...)
	return found, err
}
