// Package uploads is a server for files, after the graphql-multipart-request-spec.
package uploads

import (
	"context"
	"io"
	"sync"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/handler"
)

// NewServer returns a server with gqlgen's usual transports and caches.
func NewServer() *handler.Server {
	return handler.NewDefaultServer(NewExecutableSchema(Config{Resolvers: &files{uploads: make(chan *File, 10)}}))
}

type files struct {
	mu      sync.Mutex
	list    []*File
	uploads chan *File
}

func (f *files) Query() QueryResolver               { return f }
func (f *files) Mutation() MutationResolver         { return f }
func (f *files) Subscription() SubscriptionResolver { return f }

func (f *files) Files(context.Context) ([]*File, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.list, nil
}

func (f *files) Uploaded(ctx context.Context) (<-chan *File, error) { return f.uploads, nil }

func (f *files) add(id int, u graphql.Upload) (*File, error) {
	content, err := io.ReadAll(u.File)
	if err != nil {
		return nil, err
	}
	file := &File{ID: id, Name: u.Filename, Content: string(content), ContentType: u.ContentType}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.list = append(f.list, file)
	select {
	case f.uploads <- file:
	default:
	}
	return file, nil
}

func (f *files) SingleUpload(_ context.Context, file graphql.Upload) (*File, error) {
	return f.add(1, file)
}

func (f *files) SingleUploadWithPayload(_ context.Context, req UploadFile) (*File, error) {
	return f.add(req.ID, req.File)
}

func (f *files) MultipleUpload(_ context.Context, list []*graphql.Upload) (all []*File, err error) {
	for i, u := range list {
		file, err := f.add(i+1, *u)
		if err != nil {
			return nil, err
		}
		all = append(all, file)
	}
	return all, nil
}

func (f *files) MultipleUploadWithPayload(_ context.Context, req []*UploadFile) (all []*File, err error) {
	for _, u := range req {
		file, err := f.add(u.ID, u.File)
		if err != nil {
			return nil, err
		}
		all = append(all, file)
	}
	return all, nil
}
