package load

import (
	"fmt"
	"slices"

	"github.com/gqlboost/gqlboost/benchmarks/internal/chart"
)

// published are the names of the charts that are files as well.
var published = []string{"servers", "gains", "latency-closed", "latency-peak", "cpu-closed"}

// plotWidth is what a page of a repository has room for.
const plotWidth = 760

// Published returns the charts of a report that are files as well, see [Draw].
func Published(r *Report) []chart.Chart {
	return slices.DeleteFunc(charts(r), func(c chart.Chart) bool { return !slices.Contains(published, c.Name) })
}

// Draw returns charts as SVG files by name: for light pages, and with "-dark" for dark ones.
// They are the same each time. A chart without anything to show is left out.
func Draw(list []chart.Chart) (map[string][]byte, error) {
	renderer, err := chart.NewRenderer()
	if err != nil {
		return nil, fmt.Errorf("load: %w", err)
	}
	plots := map[string][]byte{}
	for _, c := range list {
		if c.Empty() {
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
