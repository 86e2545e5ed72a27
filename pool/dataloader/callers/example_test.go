package callers_test

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/gqlboost/gqlboost/pool/dataloader"
	"github.com/gqlboost/gqlboost/pool/dataloader/callers"
)

// An executor calls a resolver for three objects, and says so.
func Example() {
	users := dataloader.New(func(_ context.Context, ids []int) (map[int]string, error) {
		fmt.Println("fetches", len(ids))
		return map[int]string{1: "Ann", 2: "Bob", 3: "Cy"}, nil
	}, dataloader.Options{MaxWait: time.Minute}) // The machine may be busy; as a rule the default is right.

	names := make([]string, 3)
	group := callers.New(len(names))
	ctx := group.Context(context.Background())
	var calls sync.WaitGroup
	for i := range names {
		calls.Go(func() {
			defer group.Done()
			names[i], _ = users.Load(ctx, i+1)
		})
	}
	calls.Wait()
	fmt.Println(names)
	// Output:
	// fetches 3
	// [Ann Bob Cy]
}
