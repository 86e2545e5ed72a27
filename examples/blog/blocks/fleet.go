package blocks

import (
	"context"
	"errors"
	"fmt"
	"log"
	"sync"

	"github.com/vektah/gqlparser/v2/ast"

	"github.com/gqlboost/gqlboost/contrib/gqlgen"
	"github.com/gqlboost/gqlboost/examples/blog/server"
	"github.com/gqlboost/gqlboost/plancache"
)

// share tells the fleet what is used here, and has Warm take what the others use.
func (b Blocks) share(s *Server, plans *plancache.Cache[*ast.QueryDocument], persisted *plancache.Persisted) error {
	if b.Fleet.Ranking == nil {
		return nil
	}
	s.fleet = func(ctx context.Context) error {
		texts, failed := persisted.WarmShared(ctx, plancache.WarmOptions{})
		build := gqlgen.Build(s.Schema, gqlgen.BuildOptions{ParserTokenLimit: server.MaxTokens})
		var mu sync.Mutex
		var built []*ast.QueryDocument
		documents, err := plans.WarmShared(ctx, plancache.WarmOptions{},
			func(ctx context.Context, key plancache.Key) (*ast.QueryDocument, error) {
				d, err := build(ctx, key)
				if err == nil {
					mu.Lock()
					defer mu.Unlock()
					built = append(built, d)
				}
				return d, err
			})
		log.Printf("warm: %d persisted texts and %d documents of the fleet, %d that this schema refuses",
			texts.Built, documents.Built, documents.Failed)
		s.rehearse(ctx, built)
		if err = errors.Join(failed, err); err != nil {
			return fmt.Errorf("from the fleet: %w", err)
		}
		return nil
	}
	return errors.Join(plans.Share(b.Fleet), persisted.Share(b.Fleet))
}
