// Package plancache compares the plan cache with other caches: what a hit costs, how many
// hits there are, and what a restart costs.
package plancache

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/gqlboost/gqlboost/arena"
	"github.com/gqlboost/gqlboost/plancache"
	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
)

// queries returns different texts of a size.
func queries(n, size int) []string {
	list := make([]string, n)
	for i := range list {
		text := fmt.Sprintf("query Q%d { user(id: %d) { name ", i, i)
		for j := 0; len(text) < size-10; j++ {
			text += fmt.Sprintf("a%d: f ", j)
		}
		list[i] = text + "} }"
	}
	return list
}

// BenchmarkHit asks for 64 plans in turn, with texts that are not the ones that were
// added, as those of requests are not.
func BenchmarkHit(b *testing.B) {
	for _, size := range []int{200, 1500} {
		added, asked := queries(64, size), queries(64, size)
		for _, goroutines := range []int{1, 64} {
			for _, p := range peers {
				b.Run(fmt.Sprintf("query=%dB/goroutines=%d/impl=%s", size, goroutines, p.name), func(b *testing.B) {
					c := p.make(b, 1000)
					defer c.close()
					for _, q := range added {
						c.add(q)
					}
					b.ReportAllocs()
					b.ResetTimer()
					var wg sync.WaitGroup
					for g := range goroutines {
						wg.Go(func() {
							for i := range b.N / goroutines {
								if !c.get(asked[(g+i)%64]) {
									b.Error("a miss")
									return
								}
							}
						})
					}
					wg.Wait()
				})
			}
		}
	}
}

// BenchmarkRatio reports the share of hits on each trace, and the geometric mean. One
// iteration is all of it.
func BenchmarkRatio(b *testing.B) {
	ratios(b, traces, 100, 500, 1000)
	b.Run("impl=belady", func(b *testing.B) {
		for b.Loop() {
			for _, t := range traces {
				b.ReportMetric(belady(t.keys(100), 100), t.name+"/100")
			}
		}
	})
}

// BenchmarkHoldout is BenchmarkRatio on traces that the policy was not made for.
func BenchmarkHoldout(b *testing.B) { ratios(b, holdout, 64, 250, 2000) }

// BenchmarkThird is BenchmarkRatio on the third set of traces.
func BenchmarkThird(b *testing.B) {
	b.Run("half=open", func(b *testing.B) { ratios(b, open, openSizes...) })
	b.Run("half=sealed", func(b *testing.B) { ratios(b, sealed, sealedSizes...) })
}

// ratios reports the share of hits of each peer on traces, in caches of these sizes.
func ratios(b *testing.B, traces []trace, sizes ...int) {
	texts := map[int]string{}
	text := func(k int) string {
		if texts[k] == "" {
			texts[k] = "query Q" + strconv.Itoa(k) + " { a }"
		}
		return texts[k]
	}
	for _, p := range peers {
		b.Run("impl="+p.name, func(b *testing.B) {
			for b.Loop() {
				sum := 0.0
				for _, t := range traces {
					for _, n := range sizes {
						c := p.make(b, n)
						hits := 0
						keys := t.keys(n)
						for _, k := range keys {
							if c.get(text(k)) {
								hits++
							} else {
								c.add(text(k))
							}
						}
						c.close()
						ratio := float64(hits) / float64(len(keys))
						sum += math.Log(max(ratio, 0.001))
						b.ReportMetric(ratio, fmt.Sprintf("%s/%d", t.name, n))
					}
				}
				b.ReportMetric(math.Exp(sum/float64(len(traces)*len(sizes))), "geomean")
			}
		})
	}
}

type textCodec struct{}

func (textCodec) Encode(s string) ([]byte, error) { return []byte(s), nil }
func (textCodec) Decode(b []byte) (string, error) { return string(b), nil }

// BenchmarkRestore restores 1000 plans of 4 KB, or parses and validates their queries of
// about 1.5 KB.
func BenchmarkRestore(b *testing.B) {
	schema, err := gqlparser.LoadSchema(&ast.Source{Input: "type Query { user(id: Int): User } type User { name: String f: String }"})
	if err != nil {
		b.Fatal(err)
	}
	config := plancache.Options[string]{Codec: textCodec{}}
	full, err := plancache.New(config)
	if err != nil {
		b.Fatal(err)
	}
	plan := strings.Repeat("x", 4<<10)
	list := queries(1000, 1500)
	for _, q := range list {
		full.Add(b.Context(), plancache.Key{Query: q}, plan)
	}
	var saved bytes.Buffer
	if err := full.Save(&saved); err != nil {
		b.Fatal(err)
	}
	b.Run("impl=build", func(b *testing.B) {
		for b.Loop() {
			c, _ := plancache.New(config)
			for _, q := range list {
				_, err := c.Load(context.Background(), plancache.Key{Query: q}, func(context.Context) (string, error) {
					if _, err := gqlparser.LoadQueryWithRules(schema, q, nil); err != nil {
						return "", err
					}
					return plan, nil
				})
				if err != nil {
					b.Fatal(err)
				}
			}
		}
	})
	b.Run("impl=reader", func(b *testing.B) {
		for b.Loop() {
			c, _ := plancache.New(config)
			if n, err := c.Restore(bytes.NewReader(saved.Bytes())); n != 1000 || err != nil {
				b.Fatal(n, err)
			}
		}
	})
	path := filepath.Join(b.TempDir(), "plans")
	if err := full.SaveFile(path); err != nil {
		b.Fatal(err)
	}
	b.Run("impl=file", func(b *testing.B) {
		for b.Loop() {
			c, _ := plancache.New(config)
			if n, err := c.RestoreFile(path); n != 1000 || err != nil {
				b.Fatal(n, err)
			}
		}
	})
	b.Run("impl=mapped", func(b *testing.B) {
		for b.Loop() {
			c, _ := plancache.New(config)
			file, err := arena.Map(path)
			if err != nil {
				b.Fatal(err)
			}
			if n, err := c.RestoreMapped(file); n != 1000 || err != nil {
				b.Fatal(n, err)
			}
			file.Close()
		}
	})
}
