package blocks

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"

	"github.com/gqlboost/gqlboost/plancache"
)

// readSchema reads a version of the schema, nil if the file's name is "".
func readSchema(file string) (*ast.Schema, error) {
	if file == "" {
		return nil, nil
	}
	sdl, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	schema, err := gqlparser.LoadSchema(&ast.Source{Name: file, Input: string(sdl)})
	if err != nil {
		return nil, fmt.Errorf("the schema in %s: %w", file, err)
	}
	return schema, nil
}

// Warm parses and validates the queries of the manifest, and those that the fleet uses most. What the
// schema has no longer is an error of that query, and the others are warm all the same. Then Warm
// waits until it is heard what changes in other instances.
func (s *Server) Warm(ctx context.Context) error {
	err := s.warmManifest(ctx)
	if s.fleet != nil {
		err = errors.Join(err, s.fleet(ctx))
	}
	if s.heard != nil {
		err = errors.Join(err, s.heard(ctx))
	}
	return err
}

func (s *Server) warmManifest(ctx context.Context) error {
	if s.manifest == "" {
		return nil
	}
	if s.queries == nil {
		return errors.New("-manifest needs -plancache")
	}
	file, err := os.Open(s.manifest)
	if err != nil {
		return err
	}
	defer file.Close()
	keys, err := plancache.Manifest(file)
	if err != nil {
		return err
	}
	var errs []error
	for key := range keys {
		if ctx.Err() != nil {
			break
		}
		doc, invalid := gqlparser.LoadQueryWithRules(s.Schema.Schema(), key.Query, nil)
		if invalid != nil {
			errs = append(errs, fmt.Errorf("manifest: %.60q: %w", key.Query, invalid))
			continue
		}
		s.queries.Add(ctx, key.Query, doc)
	}
	return errors.Join(append(errs, ctx.Err())...)
}
