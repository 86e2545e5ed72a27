package load

import (
	"fmt"
	"slices"

	"github.com/gqlboost/gqlboost/benchmarks/internal/chart"
)

// published are the charts of a report that are files as well.
var published = []string{"servers", "gains", "latency-closed", "latency-peak", "cpu-closed"}

// plotWidth is what a page of a repository has room for.
const plotWidth = 760

// Plots returns charts of a report as SVG files, by name: for light pages, and with "-dark"
// for dark ones. They are the same each time.
func Plots(r *Report) (map[string][]byte, error) {
	renderer, err := chart.NewRenderer()
	if err != nil {
		return nil, fmt.Errorf("load: %w", err)
	}
	plots := map[string][]byte{}
	for _, c := range charts(r) {
		if !slices.Contains(published, c.Name) {
			continue
		}
		for suffix, dark := range map[string]bool{".svg": false, "-dark.svg": true} {
			text, err := renderer.SVG(c, plotWidth, dark)
			if err != nil {
				return nil, fmt.Errorf("load: %w", err)
			}
			plots[c.Name+suffix] = []byte(text)
		}
	}
	return plots, nil
}
