package simdjson

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/gqlboost/gqlboost/internal/race"
)

// TestOwnersUnderFire does at random what users of handles do, and some should not:
// each text carries its owner's mark, and nobody may ever read another's.
// GQLBOOST_LONG=1 takes 10^7 steps.
func TestOwnersUnderFire(t *testing.T) {
	steps := 300_000
	switch {
	case os.Getenv("GQLBOOST_LONG") != "":
		steps = 10_000_000
	case race.Enabled || debugging || testing.Short():
		steps = 20_000
	}
	const goroutines = 16
	stale := make(chan *owned, 64) // Closed handles, for others to close and read again.
	var wg sync.WaitGroup
	for id := range goroutines {
		wg.Go(func() {
			o := owner{t: t, Rand: rand.New(rand.NewPCG(1, uint64(id))), id: id, stale: stale}
			for range steps / goroutines {
				if !o.step() {
					return
				}
			}
			for len(o.held) > 0 {
				o.release()
			}
		})
	}
	wg.Wait()
}

// owned is a handle, and what must be read through it.
type owned struct {
	mark    string
	doc     *Document
	request *Request
	op      *Operation
	value   Value // has the mark
	root    Value
}

func (h *owned) close() {
	h.doc.Close()
	h.request.Close()
}

type owner struct {
	*rand.Rand
	t     *testing.T
	id, n int
	held  []*owned
	stale chan *owned
}

func (o *owner) step() bool {
	switch n := o.IntN(20); {
	case n < 4 && len(o.held) < 8:
		o.parse()
	case n < 7 && len(o.held) < 8:
		o.decode()
	case n < 8 && len(o.held) < 8:
		o.lines()
	case n < 9:
		if doc, err := Parse([]byte(`{"mark":"` + o.mark() + `"`)); err == nil {
			doc.Close()
			o.t.Error("half an object was accepted")
		}
	case n < 12:
		for _, h := range o.held {
			o.check(h)
		}
	case n < 17:
		o.release()
	default:
		o.again()
	}
	return !o.t.Failed()
}

// mark makes a mark that nobody has had.
func (o *owner) mark() string {
	o.n++
	return fmt.Sprintf("%d-%d", o.id, o.n)
}

// padding makes texts small, large, and now and then of several windows.
func (o *owner) padding() string {
	size := []int{0, 0, 10, 100, 300, 1000}[o.IntN(6)]
	if o.IntN(200) == 0 {
		size = 20_000
	}
	return strings.Repeat("p\\n", size/3)
}

func (o *owner) parse() {
	mark := o.mark()
	doc, err := Parse(fmt.Appendf(nil, `{"pad":"%s","mark":"%s","list":[[],{}]}`, o.padding(), mark))
	if err != nil {
		o.t.Error(err)
		return
	}
	o.held = append(o.held, &owned{mark: mark, doc: doc, root: doc.Root(), value: doc.Root().Get("mark")})
}

func (o *owner) decode() {
	mark := o.mark()
	body := fmt.Appendf(nil, `{"query":"%s\n%s","variables":{"mark":"%s"}}`, mark, o.padding(), mark)
	if o.IntN(3) == 0 {
		body = append(append([]byte("["), body...), ",{}]"...)
	}
	r, err := DecodeRequest(body)
	if err != nil {
		o.t.Error(err)
		return
	}
	op := &r.Operations()[0]
	o.held = append(o.held, &owned{mark: mark, request: r, op: op, root: op.Variables, value: op.Variables.Get("mark")})
}

func (o *owner) lines() {
	marks := []string{o.mark(), o.mark(), o.mark()}
	i := 0
	for doc, err := range ParseLines(strings.NewReader(fmt.Sprintf("{\"mark\":%q}\n{\"mark\":%q}\n{\"mark\":%q}", marks[0], marks[1], marks[2]))) {
		if err != nil {
			o.t.Error(err)
			return
		}
		o.held = append(o.held, &owned{mark: marks[i], doc: doc, root: doc.Root(), value: doc.Root().Get("mark")})
		i++
	}
}

// check reads what is open.
func (o *owner) check(h *owned) {
	if got := h.value.text(); got != h.mark || h.root.Get("mark").text() != h.mark {
		o.t.Errorf("got %q, want %q", got, h.mark)
	}
	if h.op != nil && !strings.HasPrefix(h.op.Query, h.mark+"\n") {
		o.t.Errorf("got query %q, want %q", h.op.Query, h.mark)
	}
}

// release closes something that is open, and leaves it to others.
func (o *owner) release() {
	if len(o.held) == 0 {
		return
	}
	i := o.IntN(len(o.held))
	h := o.held[i]
	o.held = append(o.held[:i], o.held[i+1:]...)
	o.check(h)
	h.close()
	select {
	case o.stale <- h:
	default:
	}
}

// again closes and reads what somebody has closed before.
func (o *owner) again() {
	var h *owned
	select {
	case h = <-o.stale:
	default:
		return
	}
	h.close()
	if !debugging && (h.value.Kind() != Invalid || h.root.Kind() != Invalid || h.value.text() != "<none>") {
		o.t.Errorf("closed %q reads %v", h.mark, h.root)
	}
	if h.op != nil && (h.op.Query != "" || h.op.Variables != (Value{})) {
		o.t.Errorf("closed %q has query %q", h.mark, h.op.Query)
	}
	h.close()
	select {
	case o.stale <- h: // Once more.
	default:
	}
}
