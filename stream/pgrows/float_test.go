package pgrows

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/jackc/pgx/v5"
)

// Floats have Postgres's texts, also where Go's shortest one is another: between two.
func TestFloats(t *testing.T) {
	conn := connect(t)
	random := rand.New(rand.NewPCG(1, 2))
	doubles := []float64{0, math.Copysign(0, -1), 1e22, 1e23, 1 << 52, 1<<53 + 2, 8.41e21, 9.409340012568248e18, 123456789012345, -1e-5, 1e-4, 1e15, 1e14, 5e-324, math.MaxFloat64}
	singles := []float32{0, 1010456832, -2236656128, 5e6, 1 << 24, 123456, 1e-4, 1e-5, 1e5, 1e6, math.MaxFloat32, math.SmallestNonzeroFloat32}
	for range 20_000 {
		doubles = append(doubles, math.Ldexp(float64(random.Int64N(1<<53)), random.IntN(100)), float64(random.IntN(1000))*math.Pow10(random.IntN(40)))
		singles = append(singles, float32(math.Ldexp(float64(random.Int64N(1<<24)), random.IntN(50))), float32(random.IntN(1e6))*float32(math.Pow10(random.IntN(15))))
	}
	for _, c := range []struct {
		sql    string
		values any
		own    func(i int) string
	}{
		{"float8", doubles, func(i int) string { return string(appendFloat(nil, doubles[i], 64)) }},
		{"float4", singles, func(i int) string { return string(appendFloat(nil, float64(singles[i]), 32)) }},
	} {
		rows, err := conn.Query(t.Context(), "select v::text from unnest($1::"+c.sql+"[]) with ordinality u(v, i) order by i", c.values)
		if err != nil {
			t.Fatal(err)
		}
		want, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			t.Fatal(err)
		}
		for i := range want {
			if got := c.own(i); got != want[i] {
				t.Errorf("%s: got %s, want %s", c.sql, got, want[i])
			}
		}
	}
}
