package bus_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/gqlboost/gqlboost/plancache/bus"
	"github.com/gqlboost/gqlboost/plancache/bus/bustest"
)

// topic is one of Kafka's, in memory: a log, and readers that are somewhere in it.
type topic struct {
	mu      sync.Mutex
	down    bool
	records []record
	changed chan struct{} // closed when there is something new
}

func newTopic() *topic { return &topic{changed: make(chan struct{})} }

var errNoBroker = errors.New("no broker")

func (t *topic) change(f func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	f()
	close(t.changed)
	t.changed = make(chan struct{})
}

func (t *topic) WriteMessages(_ context.Context, records ...record) (err error) {
	t.change(func() {
		if t.down {
			err = errNoBroker
			return
		}
		t.records = append(t.records, records...)
	})
	return err
}

func (t *topic) open(ctx context.Context) (reader, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.down {
		return nil, errNoBroker
	}
	return &topicReader{t, len(t.records)}, ctx.Err()
}

type topicReader struct {
	topic  *topic
	offset int
}

func (r *topicReader) ReadMessage(ctx context.Context) (record, error) {
	for {
		r.topic.mu.Lock()
		records, changed, down := r.topic.records, r.topic.changed, r.topic.down
		r.topic.mu.Unlock()
		switch {
		case down:
			return record{}, errNoBroker
		case ctx.Err() != nil:
			return record{}, ctx.Err()
		case r.offset < len(records):
			r.offset++
			return records[r.offset-1], nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
		}
	}
}

func (r *topicReader) Close() error { return nil }

// The transport of the example passes the suite.
func TestKafka(t *testing.T) {
	bustest.Run(t, func(*testing.T) bustest.Network {
		one := newTopic()
		return bustest.Network{
			Connect: func(testing.TB) bus.Transport { return kafka{one, one.open} },
			Cut:     func() { one.change(func() { one.down = true }) },
			Heal:    func() { one.change(func() { one.down = false }) },
		}
	})
}
