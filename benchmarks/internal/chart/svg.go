package chart

import (
	"encoding/json"
	"fmt"
	"html"
	"regexp"
	"strings"
	"sync"

	"github.com/dop251/goja"
)

// Renderer draws charts as SVG. It is not safe for concurrent use.
type Renderer struct {
	draw goja.Callable
	vm   *goja.Runtime
}

// program is compiled once: it is most of a megabyte.
var program = sync.OnceValues(func() (*goja.Program, error) {
	// ECharts sets timers for animations, which a file does not have.
	return goja.Compile("echarts", "var setTimeout = () => 0, clearTimeout = () => {};\n"+Script()+"\n"+drawing, false)
})

const drawing = `
function draw(text, options) {
	const chart = JSON.parse(text);
	const height = chartHeight(chart, options);
	const drawn = echarts.init(null, null, {renderer: 'svg', ssr: true, width: options.width, height});
	drawn.setOption(chartOption(chart, options));
	const svg = drawn.renderToSVGString();
	drawn.dispose();
	return svg;
}`

// NewRenderer loads ECharts, which takes about a second.
func NewRenderer() (*Renderer, error) {
	p, err := program()
	if err != nil {
		return nil, fmt.Errorf("chart: %w", err)
	}
	vm := goja.New()
	if _, err := vm.RunProgram(p); err != nil {
		return nil, fmt.Errorf("chart: loading ECharts: %w", err)
	}
	draw, ok := goja.AssertFunction(vm.Get("draw"))
	if !ok {
		return nil, fmt.Errorf("chart: ECharts %s has not loaded", Version)
	}
	return &Renderer{draw, vm}, nil
}

// pointing is what only matters under a pointer.
var pointing = regexp.MustCompile(
	`(?s) class="zr\d+-cls-\d+"| ecmeta_\w+="[^"]*"| pointer-events="\w+"|<style.*?</style>\s*`)

// drawingNumber is in the names of clip paths: they count all drawings.
var drawingNumber = regexp.MustCompile(`\bzr\d+\b`)

// SVG draws a chart. The same chart gives the same bytes on every machine: the widths of
// texts are estimated, not measured. Its background is
// transparent: dark says for which colour of the page it is.
func (r *Renderer) SVG(c Chart, width int, dark bool) (string, error) {
	text, err := json.Marshal(c)
	if err != nil {
		return "", fmt.Errorf("chart: %s: %w", c.Name, err)
	}
	svg, err := r.draw(goja.Undefined(), r.vm.ToValue(string(text)),
		r.vm.ToValue(map[string]any{"width": width, "dark": dark}))
	if err != nil {
		return "", fmt.Errorf("chart: drawing %s: %w", c.Name, err)
	}
	still := pointing.ReplaceAllString(svg.String(), "")
	return accessible(drawingNumber.ReplaceAllString(still, c.Name), c), nil
}

// accessible names a drawing for screen readers.
func accessible(svg string, c Chart) string {
	at := strings.Index(svg, ">") + 1
	head := strings.TrimSuffix(svg[:at], ">") + ` role="img" aria-label="` + html.EscapeString(c.Title) + `">`
	return head + "\n<title>" + html.EscapeString(c.Title) + "</title>\n<desc>" + html.EscapeString(c.About) + "</desc>" +
		svg[at:] + "\n"
}
