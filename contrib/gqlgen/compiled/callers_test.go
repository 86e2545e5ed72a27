package compiled_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gqlboost/gqlboost/contrib/gqlgen/compiled/internal/zoo"
	"github.com/gqlboost/gqlboost/pool/dataloader"
)

// TestDataloaderIsTold sees that a data loader has the keys of a whole column in one batch, and
// that no time passes before it is fetched.
func TestDataloaderIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair()
		var fetches atomic.Int64
		env := &zoo.Env{Loader: dataloader.New(func(_ context.Context, keys []int) (map[int]string, error) {
			fetches.Add(1)
			out := map[int]string{}
			for _, k := range keys {
				out[k] = "loaded"
			}
			return out, nil
		}, dataloader.Options{})}
		start := time.Now()
		got := execute(p.compiled, env, `{ plain(n: 500) { loaded next { loaded } } }`, nil)
		if d := time.Since(start); d != 0 || len(got.errors) > 0 || fetches.Load() != 1 {
			t.Errorf("%v have passed, %d fetches, errors %v", d, fetches.Load(), got.errors)
		}
	})
}
