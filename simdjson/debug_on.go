//go:build gqlboost_debug

package simdjson

import (
	"fmt"
	"os"
	"runtime/debug"
	"sync/atomic"
)

// debugging makes use after Close loud: memory is not used again, the text and
// copies of strings are overwritten, values panic, and a second Close is reported
// with its stack and that of the first one.
const debugging = true

// firstClose has the stack of the Close that counted.
type firstClose struct{ stack atomic.Pointer[string] }

func (m *memory) poison() {
	for _, memory := range [][]byte{m.copied, m.scratch} {
		memory = memory[:cap(memory)]
		for i := range memory {
			memory[i] = 0xDB
		}
	}
}

func closedHere(d *Document) {
	stack := string(debug.Stack())
	d.memory.closed.stack.Store(&stack)
}

func reportSecondClose(d *Document) {
	report(fmt.Sprintf("simdjson: Close of what is closed already, which does nothing, by\n%s\nIt was closed by\n%s",
		debug.Stack(), d.memory.firstStack()))
}

func reportUseAfterClose(m *memory) {
	panic("simdjson: a Value was used after its document was closed by\n" + m.firstStack())
}

func (m *memory) firstStack() string {
	if stack := m.closed.stack.Load(); stack != nil {
		return *stack
	}
	return "a goroutine that is still in Close"
}

// report is where a test listens.
var report = func(text string) { fmt.Fprintln(os.Stderr, text) }
