package arena

import (
	"bytes"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/gqlboost/gqlboost/arena"
	"github.com/valyala/bytebufferpool"
)

// askedFor is what callers ask for who do not know the size of what they will write.
const askedFor = 512

// mixes are distributions of sizes that such callers meet.
var mixes = []struct {
	name string
	size func(random *rand.Rand, at int) int
}{
	{"web", func(random *rand.Rand, _ int) int {
		switch r := random.IntN(2000); {
		case r == 0:
			return 3 << 20
		case r < 41:
			return 50 << 10
		default:
			return 200 + random.IntN(6000-200)
		}
	}},
	{"small", func(random *rand.Rand, _ int) int { return 600 + random.IntN(3000) }},
	{"log-uniform", func(random *rand.Rand, _ int) int { return 100 << random.IntN(12) }},
	// Sizes grow by three orders of magnitude, and shrink again.
	{"drift", func(random *rand.Rand, at int) int {
		step := at * 20 / len(unknown)
		return (100 + random.IntN(900)) << min(step, 20-step)
	}},
	// Half of the callers write small bodies, and half large ones.
	{"two-kinds", func(random *rand.Rand, at int) int {
		if at%2 == 0 {
			return 200 + random.IntN(1000)
		}
		return 100<<10 + random.IntN(200<<10)
	}},
}

type unknownSizes [1 << 15]int

var unknown unknownSizes

func BenchmarkUnknown(b *testing.B) {
	for _, mix := range mixes {
		random := rand.New(rand.NewPCG(1, 2))
		for i := range unknown {
			unknown[i] = mix.size(random, i)
		}
		var buffers arena.Buffers
		var single bytebufferpool.Pool
		uncapped := sync.Pool{New: func() any { return new(bytes.Buffer) }}
		for _, c := range []struct {
			name string
			use  func(n int)
		}{
			{"gqlboost", func(n int) {
				buffer := buffers.Get(askedFor)
				buffer.B = write(buffer.B, n)
				buffers.Put(buffer)
			}},
			{"bytebufferpool", func(n int) {
				buffer := single.Get()
				buffer.B = write(buffer.B, n)
				single.Put(buffer)
			}},
			{"sync.Pool", func(n int) {
				buffer := uncapped.Get().(*bytes.Buffer)
				buffer.Reset()
				buffer.Grow(askedFor)
				for buffer.Len() < n {
					buffer.Write(piece[:min(len(piece), n-buffer.Len())])
				}
				uncapped.Put(buffer)
			}},
		} {
			b.Run("mix="+mix.name+"/impl="+c.name, func(b *testing.B) {
				b.ReportAllocs()
				b.RunParallel(func(pb *testing.PB) {
					for i := rand.IntN(len(unknown)); pb.Next(); i++ {
						c.use(unknown[i%len(unknown)])
					}
				})
			})
		}
	}
}
