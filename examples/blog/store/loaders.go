package store

import (
	"context"
	"time"

	"github.com/vikstrous/dataloadgen"

	"github.com/gqlboost/gqlboost/pool/dataloader"
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
// outlive it.
type Loaders struct {
	User          Loader[int, *User]
	Post          Loader[int, *Post]
	Body          Loader[int, string]
	Tags          Loader[int, []*Tag]
	FollowerCount Loader[int, int]
	CommentCount  Loader[int, int]
	Posts         Loader[Page, []*Post]
	Followers     Loader[Page, []*User]
	Comments      Loader[Page, []*Comment]
}

// Page is the first rows that belong to a parent.
type Page struct{ Parent, First int }

// NewLoaders returns the loaders of one request.
func NewLoaders(s *Store) *Loaders {
	return &Loaders{
		User: rowByID[User](s, "select u.id, "+userColumns+" from users u where u.id = any($1)"),
		Post: rowByID[Post](s, "select p.id, "+postColumns+" from posts p where p.id = any($1)"),
		Body: valueByID[string](s, "select id, body from posts where id = any($1)"),
		FollowerCount: valueByID[int](s, `select k.id, (select count(*) from follows f where f.followee_id = k.id)
			from unnest($1::bigint[]) k(id)`),
		CommentCount: valueByID[int](s, `select k.id, (select count(*) from comments c where c.post_id = k.id)
			from unnest($1::bigint[]) k(id)`),
		Tags: newLoader(s, func(ctx context.Context, ids []int) (map[int][]*Tag, error) {
			return children[Tag](ctx, s, ids, `select pt.post_id, t.id, t.name from post_tags pt join tags t on t.id = pt.tag_id
				where pt.post_id = any($1) order by pt.post_id, t.id`)
		}),
		Posts: pages[Post](s, "select k.id, p.* from unnest($1::bigint[]) k(id) cross join lateral (select "+postColumns+
			" from posts p where p.author_id = k.id and p.status = 'PUBLISHED' order by p.id desc limit $2) p"),
		Followers: pages[User](s, "select k.id, u.* from unnest($1::bigint[]) k(id) cross join lateral (select "+userColumns+
			" from follows f join users u on u.id = f.follower_id where f.followee_id = k.id order by f.follower_id limit $2) u"),
		Comments: pages[Comment](s, "select k.id, c.* from unnest($1::bigint[]) k(id) cross join lateral (select "+commentColumns+
			" from comments c where c.post_id = k.id order by c.id limit $2) c"),
	}
}

func newLoader[K comparable, V any](s *Store, fetch func(context.Context, []K) (map[K]V, error)) Loader[K, V] {
	if s.Dataloader {
		return dataloader.New(fetch, dataloader.Options{})
	}
	return dataloadgen.NewMappedLoader(fetch, dataloadgen.WithWait(wait))
}

// valueByID loads one value for each id. A missing id is dataloadgen.ErrNotFound.
func valueByID[V any](s *Store, sql string) Loader[int, V] {
	return newLoader(s, func(ctx context.Context, ids []int) (map[int]V, error) {
		found := make(map[int]V, len(ids))
		var id int
		var value V
		err := forEach(ctx, s.Reads, []any{&id, &value}, func() { found[id] = value }, sql, ids)
		return found, err
	})
}

// rowByID is valueByID for a whole row, which follows its id in the columns.
func rowByID[T any, P row[T]](s *Store, sql string) Loader[int, *T] {
	return newLoader(s, func(ctx context.Context, ids []int) (map[int]*T, error) {
		lists, err := children[T, P](ctx, s, ids, sql)
		found := make(map[int]*T, len(lists))
		for id, list := range lists {
			if len(list) == 1 {
				found[id] = list[0]
			}
		}
		return found, err
	})
}

// pages loads the first rows of each parent. Requests differ in how many they
// want, so there is one query per number: nearly always a single one.
func pages[T any, P row[T]](s *Store, sql string) Loader[Page, []*T] {
	return newLoader(s, func(ctx context.Context, keys []Page) (map[Page][]*T, error) {
		parents := map[int][]int{}
		for _, key := range keys {
			parents[key.First] = append(parents[key.First], key.Parent)
		}
		found := make(map[Page][]*T, len(keys))
		for limit, ids := range parents {
			lists, err := children[T, P](ctx, s, ids, sql, limit)
			if err != nil {
				return nil, err
			}
			for id, list := range lists {
				found[Page{id, limit}] = list
			}
		}
		return found, nil
	})
}

// children runs a query of a parent's id followed by a child's columns. A parent
// without children gets an empty list.
func children[T any, P row[T]](ctx context.Context, s *Store, ids []int, sql string, args ...any) (map[int][]*T, error) {
	found := make(map[int][]*T, len(ids))
	for _, id := range ids {
		found[id] = []*T{}
	}
	rows := s.memory(ctx)
	var id int
	var child T
	targets := append([]any{&id}, P(&child).targets(texts{rows})...)
	err := forEach(ctx, s.Reads, targets, func() {
		found[id] = appendTo(rows, found[id], &child)
		child = *new(T) // A slice in it must not be scanned into again.
	}, sql, append([]any{ids}, args...)...)
	return found, err
}
