package load

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/google/pprof/driver"
	"github.com/google/pprof/profile"
)

// profileSettle is how long the load runs before the profiles start.
const profileSettle = 3 * time.Second

// Profile runs a closed loop of 64 clients and takes the server's CPU,
// allocation, mutex and block profiles meanwhile. It writes them and a flame
// graph into dir, and returns the breakdown. The server must run with -spans.
func Profile(
	ctx context.Context, t Target, duration time.Duration, dir string, log io.Writer,
) (*Result, *Breakdown, error) {
	seconds := max(int(duration.Seconds()), 1)
	var profiles map[string]*profile.Profile
	var spans []Part
	result, err := underLoad(ctx, t, time.Duration(seconds+2)*time.Second, dir, log, func() (err error) {
		profiles, spans, err = takeProfiles(ctx, t, seconds, dir)
		return err
	})
	if err != nil {
		return result, nil, err
	}
	result.Preset = "profile"
	// The profiles cover some seconds of the run, at its throughput.
	requests := int64(result.Throughput * float64(seconds))
	return result, &Breakdown{
		Requests:    requests,
		CPU:         parts(profiles["profile"], "cpu", 1000, requests),
		Allocations: parts(profiles["allocs"], "alloc_space", 1, requests),
		Clock:       spans,
	}, writeFlameGraph(filepath.Join(dir, "profile.pb.gz"), filepath.Join(dir, "flamegraph.html"))
}

// CPUProfile runs a closed loop of 64 clients and writes the server's CPU profile of most of it
// into a file, for profile-guided optimization.
func CPUProfile(ctx context.Context, t Target, duration time.Duration, file string, log io.Writer) (*Result, error) {
	seconds := max(int(duration.Seconds()), 1)
	return underLoad(ctx, t, time.Duration(seconds+1)*time.Second, filepath.Dir(file), log, func() error {
		_, err := fetchProfile(ctx, t.DebugURL+"/pprof/profile?seconds="+strconv.Itoa(seconds), file)
		return err
	})
}

// underLoad runs a closed loop of 64 clients, and take beside it once the load has settled. It makes
// the folder that take writes to.
func underLoad(
	ctx context.Context, t Target, duration time.Duration, dir string, log io.Writer, take func() error,
) (*Result, error) {
	if t.DebugURL == "" {
		return nil, errors.New("load: a profile needs the server's debug address")
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	taken := make(chan error, 1)
	go func() {
		sleep(ctx, profileSettle)
		taken <- take()
	}()
	result, err := Measure(ctx, t, Config{
		Mix: BlogMix(), Clients: 64, Warmup: profileSettle, Duration: duration,
		MinRequests: 1, // It is about shares, and about no percentile.
	}, log)
	return result, errors.Join(err, <-taken)
}

// takeProfiles fetches the profiles over the same seconds, each as the
// difference between the end and the start.
func takeProfiles(ctx context.Context, t Target, seconds int, dir string) (map[string]*profile.Profile, []Part, error) {
	before, err := readSpans(ctx, t)
	if err != nil {
		return nil, nil, err
	}
	names := []string{"profile", "allocs", "mutex", "block"}
	profiles := make([]*profile.Profile, len(names))
	failures := make(chan error, len(names))
	for i, name := range names {
		go func() {
			var err error
			profiles[i], err = fetchProfile(ctx, t.DebugURL+"/pprof/"+name+"?seconds="+strconv.Itoa(seconds),
				filepath.Join(dir, name+".pb.gz"))
			failures <- err
		}()
	}
	for range names {
		err = errors.Join(err, <-failures)
	}
	if err != nil {
		return nil, nil, err
	}
	after, err := readSpans(ctx, t)
	if err != nil {
		return nil, nil, err
	}
	byName := map[string]*profile.Profile{}
	for i, name := range names {
		byName[name] = profiles[i]
	}
	return byName, clockParts(before, after), nil
}

func fetchProfile(ctx context.Context, url, file string) (*profile.Profile, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("load: %s: %s: %.200s", url, response.Status, body)
	}
	if err := os.WriteFile(file, body, 0o644); err != nil {
		return nil, err
	}
	return profile.ParseData(body)
}

// spanFigure is a span as the server reports it.
type spanFigure struct {
	Name  string
	Count int64
	Nanos int64
}

func readSpans(ctx context.Context, t Target) ([]spanFigure, error) {
	var figures []spanFigure
	if err := getJSON(ctx, t.DebugURL+"/spans", &figures); err != nil {
		return nil, fmt.Errorf("%w (start the server with -spans)", err)
	}
	return figures, nil
}

// clockParts divides the spans' time by the requests, and adds what is left of
// the handler's: writing the response, and the transport itself.
func clockParts(before, after []spanFigure) []Part {
	nanos := map[string]float64{}
	var requests float64
	for i, a := range after {
		nanos[a.Name] = float64(a.Nanos - before[i].Nanos)
		if a.Name == "http" {
			requests = float64(max(a.Count-before[i].Count, 1))
		}
	}
	part := func(name string, n float64) Part {
		return Part{name, share(n, nanos["http"]), n / 1000 / max(requests, 1)}
	}
	var list []Part
	for _, a := range after {
		list = append(list, part(a.Name, nanos[a.Name]))
	}
	rest := nanos["http"] - nanos["read"] - nanos["parse"] - nanos["validate"] - nanos["execute"]
	return append(list, part("writing the response, transport", rest))
}

// writeFlameGraph saves pprof's own flame graph page, which needs no network.
func writeFlameGraph(profileFile, htmlFile string) error {
	var page []byte
	err := driver.PProf(&driver.Options{
		Flagset: &pprofFlags{args: []string{profileFile}},
		UI:      quietUI{},
		HTTPServer: func(args *driver.HTTPServerArgs) error {
			w := httptest.NewRecorder()
			for _, path := range []string{"/flamegraph", "/"} {
				if h := args.Handlers[path]; h != nil {
					h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
					page = w.Body.Bytes()
					return nil
				}
			}
			return errors.New("pprof has no flame graph page")
		},
	})
	if err != nil {
		return fmt.Errorf("load: flame graph: %w", err)
	}
	if !bytes.Contains(page, []byte("<html")) {
		return errors.New("load: flame graph: pprof rendered no page")
	}
	return os.WriteFile(htmlFile, page, 0o644)
}

// pprofFlags hands pprof a command line of ours: its web interface, no browser.
type pprofFlags struct{ args []string }

func (*pprofFlags) Bool(name string, def bool, _ string) *bool {
	if name == "no_browser" {
		def = true
	}
	return &def
}
func (*pprofFlags) Int(_ string, def int, _ string) *int             { return &def }
func (*pprofFlags) Float64(_ string, def float64, _ string) *float64 { return &def }
func (*pprofFlags) String(name string, def string, _ string) *string {
	if name == "http" {
		def = "127.0.0.1:0"
	}
	return &def
}
func (*pprofFlags) StringList(string, string, string) *[]*string { return new([]*string) }
func (*pprofFlags) ExtraUsage() string                           { return "" }
func (*pprofFlags) AddExtraUsage(string)                         {}
func (f *pprofFlags) Parse(func()) []string                      { return f.args }

// quietUI keeps pprof from printing; what goes wrong comes back as an error.
type quietUI struct{}

func (quietUI) ReadLine(string) (string, error)     { return "", io.EOF }
func (quietUI) Print(...any)                        {}
func (quietUI) PrintErr(...any)                     {}
func (quietUI) IsTerminal() bool                    { return false }
func (quietUI) WantBrowser() bool                   { return false }
func (quietUI) SetAutoComplete(func(string) string) {}
