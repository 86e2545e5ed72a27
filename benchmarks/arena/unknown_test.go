package arena

import (
	"math/rand/v2"
	"testing"
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
		for _, c := range uses(func(int) int { return askedFor }) {
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
