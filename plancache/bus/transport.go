package bus

import (
	"context"
	"errors"
)

// Transport is what carries messages. It must be safe for concurrent use. It should carry
// the messages of one publisher in their order: another order empties caches.
type Transport interface {
	// Publish sends a message to all who are subscribed, the caller included. A message is
	// text without a zero byte, of up to MaxMessage bytes. An error says that some may not
	// get it.
	Publish(ctx context.Context, message []byte) error
	// Subscribe calls ready when it is subscribed, and receive with each message that is
	// published from then on, one call at a time. It returns when the context ends, when it
	// cannot go on, or when it knows that messages may have been missed. Receive does not
	// block, does not panic, and does not keep the message.
	Subscribe(ctx context.Context, ready func(), receive func(message []byte)) error
}

// MaxMessage is the most bytes of a message: Postgres carries no more.
const MaxMessage = 7900

// ErrClosed is returned after Close.
var ErrClosed = errors.New("bus: closed")
