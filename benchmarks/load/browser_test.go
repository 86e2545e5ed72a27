package load

import (
	"context"
	"encoding/json"
	"fmt"
	"html"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/gqlboost/gqlboost/benchmarks/internal/machine"
)

// fullReport has everything that a page can show, and is the same each time: six servers,
// two presets, blocks alone, a busy machine.
func fullReport() *Report {
	r := &Report{Date: time.Date(2026, 1, 2, 3, 4, 0, 0, time.UTC), Command: "make demo", Maximum: 900,
		Machine: Machine{OS: "linux/amd64", CPU: "a CPU with a name that is quite long for a page", Cores: 2, Memory: 8 << 30}, Versions: []Version{{"go", "go1.26"}, {"postgres", "15.18 (Debian 15.18-0+deb12u1)"}},
		Breakdown: &Breakdown{CPU: []Part{{"allocation", 0.6, 10}, {"scheduler, timers, network poller", 0.4, 7}}}}
	for _, preset := range []string{"closed", "peak"} {
		for i, server := range []string{"baseline", "tuned", "boosted", "compiled", "batched", "direct"} {
			speed := float64(1 + i)
			s := &Result{Server: server, Preset: preset, Mode: "closed loop, 64 clients", Seconds: 20, Requests: int64(15_000 * speed), Throughput: 900 * speed,
				Latency: Latency{P50: 60 / speed, P90: 100 / speed, P95: 120 / speed, P99: 200 / speed, P999: 300 / speed}}
			for p := 0.0; s.Knows(100 - 100*math.Pow(10, -p)); p += 0.125 {
				s.Percentiles = append(s.Percentiles, [2]float64{100 - 100*math.Pow(10, -p), (20 + 80*p) / speed})
			}
			s.Resources = &Resources{ServerCPU: 18, PostgresCPU: 9, GeneratorCPU: 3, ServerMemory: 70 << 20, Statements: 4.4, Allocations: 3000 / speed}
			for n := range 20 {
				wave := 1 + 0.1*math.Sin(float64(n)+speed)
				s.Timeline = append(s.Timeline, Second{Second: n, Requests: int64(900 * speed * wave), P95: 120 / speed * wave})
				s.Resources.Memory = append(s.Resources.Memory, MemorySample{float64(n), uint64((40 + 10*speed + float64(n)) * (1 << 20))})
			}
			s.Operations = []OperationResult{{Name: "userPosts", Requests: 9000, Latency: s.Latency}}
			s.Conditions = &machine.Conditions{Others: 0.01 * speed}
			r.Results = append(r.Results, s)
			if i > 0 {
				r.Gains = append(r.Gains, &Gain{Server: server, Preset: preset, Rounds: 3, Throughput: Ratio{speed, speed * 0.9, speed * 1.1}, P95: Ratio{1 / speed, 0.9 / speed, 1.1 / speed}})
			}
		}
	}
	for _, block := range []string{"simdjson", "plancache", "dataloader", "compiled"} {
		r.Gains = append(r.Gains, &Gain{Server: block, Preset: "closed", Alone: true, Rounds: 3, Throughput: Ratio{1.02, 0.98, 1.1}, P95: Ratio{0.97, 0.9, 1.02}})
	}
	r.Exports = []*Export{{Server: "baseline", Bytes: 9 << 20, FirstByte: 600, Whole: 610, Memory: 140 << 20}}
	return r
}

// chromium returns the browser's path, or skips the test.
func chromium(t *testing.T) string {
	t.Helper()
	if testing.Short() {
		t.Skip("a browser takes seconds")
	}
	path, err := exec.LookPath("chromium")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("chromium is missing")
		}
		t.Skip("install Chromium (Debian's package chromium) to look at the report's page")
	}
	return path
}

// look is how a page is shown. Chromium has no window narrower than 500 pixels.
type look struct {
	width int
	dark  bool
}

var looks = []look{{1400, false}, {1400, true}, {500, false}, {500, true}}

func (l look) String() string {
	if l.dark {
		return fmt.Sprintf("%d-dark", l.width)
	}
	return fmt.Sprintf("%d-light", l.width)
}

// browse runs Chromium on a page and returns its output.
func browse(t *testing.T, l look, height int, page string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	scheme := 1
	if l.dark {
		scheme = 0
	}
	args = append([]string{"--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--user-data-dir=" + t.TempDir(), "--virtual-time-budget=5000",
		fmt.Sprintf("--blink-settings=preferredColorScheme=%d", scheme), fmt.Sprintf("--window-size=%d,%d", l.width, height)}, args...)
	cmd := exec.CommandContext(ctx, chromium(t), append(args, "file://"+page)...)
	var log strings.Builder
	cmd.Stderr = &log
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, log.String())
	}
	return string(out)
}

// inspection measures what a reader would see, in the page, and writes it into it.
const inspection = `<script>
function inspect() {
	const found = {problems: [], charts: [], scheme: getComputedStyle(document.body).backgroundColor};
	const problem = (...words) => found.problems.push(words.join(' '));
	if (document.documentElement.scrollWidth > innerWidth) problem('the page is', document.documentElement.scrollWidth, 'wide, the window', innerWidth);
	for (const at of document.querySelectorAll('.chart')) {
		const outside = at.getBoundingClientRect(), boxes = [];
		for (const text of at.querySelectorAll('svg text')) {
			const b = text.getBoundingClientRect();
			if (b.width === 0) continue;
			if (b.left < outside.left - 1 || b.right > outside.right + 1 || b.top < outside.top - 1 || b.bottom > outside.bottom + 1)
				problem(at.id + ':', JSON.stringify(text.textContent), 'is cut');
			for (const [c, other] of boxes) {
				const w = Math.min(b.right, c.right) - Math.max(b.left, c.left), h = Math.min(b.bottom, c.bottom) - Math.max(b.top, c.top);
				if (w > 2 && h > 3) problem(at.id + ':', JSON.stringify(text.textContent), 'is over', JSON.stringify(other));
			}
			boxes.push([b, text.textContent]);
		}
		found.charts.push({name: at.id, texts: boxes.map(b => b[1]), paths: at.querySelectorAll('svg path').length, label: at.getAttribute('aria-label') || ''});
	}
	for (const e of document.querySelectorAll('h1, h2, p, dt, dd, figcaption, code')) {
		const b = e.getBoundingClientRect();
		if (b.right > innerWidth + 1 || b.left < 0) problem(e.tagName, 'leaves the window:', e.textContent.slice(0, 40));
	}
	for (const e of document.querySelectorAll('table')) if (!e.closest('.scroll[tabindex="0"]')) problem('a table cannot be scrolled');
	const pre = document.createElement('pre');
	pre.id = 'found';
	pre.textContent = JSON.stringify(found);
	document.body.append(pre);
}
inspect();
</script>`

var found = regexp.MustCompile(`(?s)<pre id="found">(.*?)</pre>`)

// In a browser, wide and narrow, light and dark: every chart is drawn, no text lies over
// another one or is cut, nothing but the tables scrolls, and all charts have a description.
func TestPageInBrowser(t *testing.T) {
	chromium(t)
	report := fullReport()
	file := filepath.Join(t.TempDir(), "report.html")
	var text strings.Builder
	if err := WriteHTML(&text, report); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(strings.Replace(text.String(), "</html>", inspection+"</html>", 1)), 0o644); err != nil {
		t.Fatal(err)
	}
	backgrounds := map[bool]string{}
	for _, l := range looks {
		t.Run(l.String(), func(t *testing.T) {
			out := browse(t, l, 900, file, "--dump-dom")
			m := found.FindStringSubmatch(out)
			if m == nil {
				t.Fatal("the page's scripts did not run to the end")
			}
			var seen struct {
				Problems []string
				Scheme   string
				Charts   []struct {
					Name, Label string
					Texts       []string
					Paths       int
				}
			}
			if err := json.Unmarshal([]byte(html.UnescapeString(m[1])), &seen); err != nil {
				t.Fatal(err)
			}
			for _, p := range seen.Problems {
				t.Error(p)
			}
			want := charts(report)
			if len(seen.Charts) != len(want) || len(want) != 12 {
				t.Fatalf("%d charts of %d", len(seen.Charts), len(want))
			}
			for i, c := range seen.Charts {
				all := strings.Join(c.Texts, "|")
				if c.Name != "chart-"+want[i].Name || len(c.Label) < 20 || c.Paths < 5 || !strings.Contains(all, want[i].Title[:10]) {
					t.Errorf("%s: %d paths, label %q, texts %s", c.Name, c.Paths, c.Label, all)
				}
				for _, s := range want[i].Series {
					if len(want[i].Series) > 1 && !strings.Contains(all, s.Name) {
						t.Errorf("%s has no %s in its legend: %s", c.Name, s.Name, all)
					}
				}
			}
			backgrounds[l.dark] = seen.Scheme
		})
	}
	if backgrounds[true] == backgrounds[false] {
		t.Errorf("dark and light are the same: %v", backgrounds)
	}
}
