package bustest

import (
	"sync"
	"testing"

	"github.com/gqlboost/gqlboost/plancache/bus"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The transport in memory passes the suite.
func TestHub(t *testing.T) {
	Run(t, func(*testing.T) Network {
		hub := NewHub()
		var mu sync.Mutex
		var wires []*Wire
		set := func(s State) {
			mu.Lock()
			defer mu.Unlock()
			for _, w := range wires {
				w.Set(s)
			}
		}
		return Network{
			Connect: func(testing.TB) bus.Transport {
				mu.Lock()
				defer mu.Unlock()
				wires = append(wires, hub.Connect())
				return wires[len(wires)-1]
			},
			Cut: func() { set(Down) }, Heal: func() { set(Up) },
			Hang: func(on bool) { set(map[bool]State{true: Hung, false: Up}[on]) },
		}
	})
}
