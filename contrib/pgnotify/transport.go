package pgnotify

import (
	"context"

	"github.com/gqlboost/gqlboost/plancache/bus"
)

var _ bus.Transport = (*Bus)(nil)

// Publish sends a message to all subscribers, and to all that watch.
func (b *Bus) Publish(ctx context.Context, message []byte) error {
	return b.notify(ctx, string(message))
}

// Subscribe receives messages until the context ends or the connection is lost. Postgres keeps
// what a slow subscriber has not read, and refuses further messages when that is too much. What
// a migration says (see [Bus]) is received as well.
func (b *Bus) Subscribe(ctx context.Context, ready func(), receive func([]byte)) error {
	conn, err := b.listening(ctx)
	if err != nil {
		return err
	}
	defer hangUp(ctx, conn)
	ready()
	return b.listen(ctx, conn, func(text string) { receive([]byte(text)) })
}
