package fleet

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"time"
)

const (
	probeEvery = 100 * time.Millisecond
	maxLag     = 2 * time.Second // of a replica that is read from
	// staleFor is how old an answer may be to those who have written nothing: instances look at
	// replicas four times a second.
	staleFor = maxLag + time.Second
)

// probe is a client that writes and reads what it has written, by its cookie, and another one
// that reads the same without it.
type probe struct {
	url    string
	client *http.Client
	cookie *http.Cookie // of the writer
	acked  []write      // the oldest first

	mu          sync.Mutex
	own, others readings
}

// readings are the reads of one kind, each with the write before it if there is one.
type readings struct {
	asked []attempt
	wrong []string
}

// write is a comment that the database has.
type write struct {
	id int
	at time.Time // when its writer was told
}

func newProbe(url string) *probe {
	transport := &http.Transport{MaxIdleConnsPerHost: 4}
	return &probe{url: url, client: &http.Client{Timeout: 5 * time.Second, Transport: transport}}
}

// probing writes and reads.
func (w *watcher) probing(ctx context.Context) {
	if at, begun := w.now(); begun {
		w.probe.step(ctx, at)
	}
}

func (p *probe) step(ctx context.Context, at time.Duration) {
	id, err := p.write(ctx)
	if err == nil {
		p.acked = append(p.acked, write{id, time.Now()})
		err = p.read(ctx, id, p.cookie, &p.own)
	}
	p.note(ctx, &p.own, at, err)
	for len(p.acked) > 1 && time.Since(p.acked[1].at) > staleFor {
		p.acked = p.acked[1:]
	}
	if len(p.acked) > 0 && time.Since(p.acked[0].at) > staleFor {
		p.note(ctx, &p.others, at, p.read(ctx, p.acked[0].id, nil, &p.others))
	}
}

// note keeps whether a read was answered, unless the show has ended meanwhile.
func (p *probe) note(ctx context.Context, of *readings, at time.Duration, err error) {
	if ctx.Err() != nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	of.asked = append(of.asked, attempt{at, err != nil})
}

// write adds a comment and keeps the cookie that comes with it.
func (p *probe) write(ctx context.Context) (id int, err error) {
	request, err := post(ctx, p.url,
		`mutation probe { addComment(input: {postId: 1, authorId: 1, body: "probe"}) { id } }`)
	if err != nil {
		return 0, err
	}
	var data struct{ AddComment struct{ ID string } }
	cookies, err := p.send(request, p.cookie, &data)
	if err != nil {
		return 0, err
	}
	if len(cookies) > 0 {
		p.cookie = cookies[0]
	}
	return strconv.Atoi(data.AddComment.ID)
}

// read asks for a comment, and notes if it is not there.
func (p *probe) read(ctx context.Context, id int, cookie *http.Cookie, of *readings) error {
	query := url.Values{"query": {`query probe($after: ID!) { comments(first: 1, after: $after) { id } }`},
		"variables": {fmt.Sprintf(`{"after":"%d"}`, id-1)}}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url+"?"+query.Encode(), nil)
	if err != nil {
		return err
	}
	var data struct{ Comments []struct{ ID string } }
	if _, err := p.send(request, cookie, &data); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(data.Comments) != 1 || data.Comments[0].ID != strconv.Itoa(id) {
		of.wrong = append(of.wrong, fmt.Sprintf("comment %d at %v: %v", id, time.Now().Format("15:04:05.000"), data.Comments))
	}
	return nil
}

func (p *probe) send(r *http.Request, cookie *http.Cookie, data any) ([]*http.Cookie, error) {
	if cookie != nil {
		r.AddCookie(cookie)
	}
	return exchange(p.client, r, data)
}

// post returns the request that posts a query.
func post(ctx context.Context, endpoint, query string) (*http.Request, error) {
	body, err := json.Marshal(map[string]string{"query": query})
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/json")
	return request, nil
}

// exchange sends a request, and returns the cookies that come with its data.
func exchange(client *http.Client, r *http.Request, data any) ([]*http.Cookie, error) {
	response, err := client.Do(r)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	answer := struct {
		Data   any
		Errors []struct{ Message string }
	}{Data: data}
	if err := json.Unmarshal(body, &answer); err != nil {
		return nil, fmt.Errorf("fleet: %s: %w", response.Status, err)
	}
	if len(answer.Errors) > 0 {
		return nil, fmt.Errorf("fleet: %s", answer.Errors[0].Message)
	}
	return response.Cookies(), nil
}

// judge returns the checks of what was read.
func (p *probe) judge(events []*Event) []Check {
	p.mu.Lock()
	defer p.mu.Unlock()
	one := func(what string, r readings) Check {
		all, unanswered := tally(r.asked, func(time.Duration) bool { return true })
		asked, failed := tally(r.asked, func(at time.Duration) bool {
			return !slices.ContainsFunc(events, func(e *Event) bool { return e.out(at) })
		})
		c := Check{What: what, Held: asked > 0 && mostAnswered(asked, failed) && len(r.wrong) == 0,
			Found: fmt.Sprintf("%d of %d reads are wrong; %d of %d failed that had to be answered", len(r.wrong),
				all-unanswered, failed, asked)}
		if len(r.wrong) > 0 {
			c.Found += ", as: " + r.wrong[0]
		}
		return c
	}
	return []Check{
		one("a client reads what it has written", p.own),
		one(fmt.Sprintf("nobody reads what is older than %v", staleFor), p.others),
	}
}
