package chart

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"

	"github.com/dop251/goja"
)

// texts are what an SVG file writes. It must be XML that a browser takes.
func texts(t *testing.T, svg string) (list []string) {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(svg))
	inside := false
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return list
		}
		if err != nil {
			t.Fatalf("%v in\n%s", err, svg)
		}
		switch e := token.(type) {
		case xml.StartElement:
			inside = e.Name.Local == "text"
		case xml.CharData:
			if inside {
				list = append(list, string(e))
			}
		case xml.EndElement:
			inside = false
		}
	}
}

var samples = []struct {
	chart Chart
	shown []string // among the texts
	not   []string
}{
	{Chart{Name: "latency", Title: "Latency <closed>", About: "a & b", Kind: Percentiles, Y: "ms", Series: []Series{
		{Name: "baseline", Points: [][2]float64{{0, 1}, {50, 20}, {90, 40}, {99, 80}, {99.9, 120}}},
		{Name: "boosted", Points: [][2]float64{{0, 1}, {50, 10}, {90, 20}, {99, 30}}},
	}}, []string{"Latency <closed>", "P50", "P90", "P95", "P99", "P99.9", "baseline", "boosted", "ms"}, []string{"P99.99"}},
	{Chart{Name: "short", Title: "T", Kind: Percentiles, Series: []Series{{Name: "one", Points: [][2]float64{{0, 1}, {95, 20}}}}},
		[]string{"P95"}, []string{"P99", "one"}},
	{Chart{Name: "memory", Title: "Memory", Kind: Lines, X: "seconds", Y: "MiB", Series: []Series{{Name: "a", Points: [][2]float64{{0, 1}, {1, 2}}}, {Name: "b"}}},
		[]string{"seconds", "MiB", "a", "b"}, nil},
	{Chart{Name: "bars", Title: "Servers", Kind: Bars, Y: "requests/s", Names: []string{"baseline", "direct"}, Line: 1, Series: []Series{
		{Name: "throughput", Values: []float64{894, 5297}, Labels: []string{"894/s", "5297/s, P95 25 ms"}}}},
		[]string{"baseline", "direct", "894/s", "5297/s, P95 25 ms"}, []string{"throughput"}},
	{Chart{Name: "cpu", Title: "CPU", Kind: Stack, Y: "us", Names: []string{"baseline"}, Series: []Series{{Name: "server", Values: []float64{100}}, {Name: "Postgres", Values: []float64{50}}}},
		[]string{"server", "Postgres", "baseline"}, nil},
}

// shared is loaded once: that takes seconds under the race detector.
var shared = sync.OnceValues(NewRenderer)

func TestSVG(t *testing.T) {
	r, err := shared()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range samples {
		t.Run(s.chart.Name, func(t *testing.T) {
			light, err := r.SVG(s.chart, 720, false)
			if err != nil {
				t.Fatal(err)
			}
			all := texts(t, light)
			for _, want := range s.shown {
				if !contains(all, want) {
					t.Errorf("it does not show %q, but %q", want, all)
				}
			}
			for _, not := range s.not {
				if contains(all, not) {
					t.Errorf("it shows %q", not)
				}
			}
			again, err := r.SVG(s.chart, 720, false)
			if err != nil || again != light {
				t.Errorf("drawn again it differs: %v", err)
			}
			dark, err := r.SVG(s.chart, 720, true)
			if err != nil || dark == light || len(texts(t, dark)) != len(all) {
				t.Errorf("the dark one is not the light one with other colours: %v", err)
			}
		})
	}
}

func contains(list []string, text string) bool {
	for _, each := range list {
		if each == text {
			return true
		}
	}
	return false
}

func TestBrokenChartsAreErrors(t *testing.T) {
	r, err := shared()
	if err != nil {
		t.Fatal(err)
	}
	nan := 0.0
	nan /= nan
	for name, c := range map[string]Chart{
		"NaN":            {Name: "x", Series: []Series{{Values: []float64{nan}}}},
		"bars of nobody": {Name: "y", Kind: Bars, Series: []Series{{Name: "a", Values: []float64{1}}}},
	} {
		if svg, err := r.SVG(c, 720, false); err == nil || svg != "" {
			t.Errorf("%s: %v, %s", name, err, svg)
		}
	}
}

// What is embedded is the version that chart.go and the folder's README name.
func TestVersion(t *testing.T) {
	vm := goja.New()
	if _, err := vm.RunString(Script()); err != nil {
		t.Fatal(err)
	}
	if v, err := vm.RunString("echarts.version"); err != nil || v.String() != Version {
		t.Errorf("%v, %v", v, err)
	}
	if strings.Contains(Script(), "</script") {
		t.Error("it cannot stand in a page")
	}
}

func TestEmpty(t *testing.T) {
	for _, s := range samples {
		if s.chart.Empty() {
			t.Errorf("%s is empty", s.chart.Name)
		}
	}
	if !(Chart{Series: []Series{{Name: "a"}}}).Empty() {
		t.Error("a chart without values is not empty")
	}
}

// The colours are in the text; a name with markup must not become some.
func TestAccessible(t *testing.T) {
	r, err := shared()
	if err != nil {
		t.Fatal(err)
	}
	svg, err := r.SVG(samples[0].chart, 720, false)
	if err != nil || !strings.Contains(svg, `role="img" aria-label="Latency &lt;closed&gt;"`) || !strings.Contains(svg, "<desc>a &amp; b</desc>") {
		t.Errorf("%v\n%s", err, svg)
	}
}
