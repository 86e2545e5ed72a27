package fleet

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
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

	mu            sync.Mutex
	own, others   int // reads that were answered
	missed, stale []string
	failed        int // requests
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

// run probes until the context ends.
func (p *probe) run(ctx context.Context) { every(ctx, probeEvery, p.step) }

func (p *probe) step(ctx context.Context) {
	id, err := p.write(ctx)
	if err == nil {
		p.acked = append(p.acked, write{id, time.Now()})
		err = p.read(ctx, id, p.cookie, &p.own, &p.missed)
	}
	for len(p.acked) > 1 && time.Since(p.acked[1].at) > staleFor {
		p.acked = p.acked[1:]
	}
	if len(p.acked) > 0 && time.Since(p.acked[0].at) > staleFor {
		err = errors.Join(err, p.read(ctx, p.acked[0].id, nil, &p.others, &p.stale))
	}
	if err != nil && ctx.Err() == nil {
		p.mu.Lock()
		p.failed++
		p.mu.Unlock()
	}
}

// write adds a comment and keeps the cookie that comes with it.
func (p *probe) write(ctx context.Context) (id int, err error) {
	body, err := json.Marshal(map[string]string{
		"query": `mutation probe { addComment(input: {postId: 1, authorId: 1, body: "probe"}) { id } }`})
	if err != nil {
		return 0, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url, bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	request.Header.Set("Content-Type", "application/json")
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

// read asks for a comment, and counts whether it is there.
func (p *probe) read(ctx context.Context, id int, cookie *http.Cookie, found *int, missed *[]string) error {
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
	if *found++; len(data.Comments) != 1 || data.Comments[0].ID != strconv.Itoa(id) {
		*missed = append(*missed, fmt.Sprintf("comment %d at %v: %v", id, time.Now().Format("15:04:05.000"), data.Comments))
	}
	return nil
}

func (p *probe) send(r *http.Request, cookie *http.Cookie, data any) ([]*http.Cookie, error) {
	if cookie != nil {
		r.AddCookie(cookie)
	}
	return exchange(p.client, r, data)
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
func (p *probe) judge() []Check {
	p.mu.Lock()
	defer p.mu.Unlock()
	one := func(what string, reads int, wrong []string) Check {
		c := Check{What: what, Held: reads > 0 && len(wrong) == 0,
			Found: fmt.Sprintf("%d of %d reads are wrong; %d requests failed", len(wrong), reads, p.failed)}
		if len(wrong) > 0 {
			c.Found += ", as: " + wrong[0]
		}
		return c
	}
	return []Check{
		one("a client reads what it has written", p.own, p.missed),
		one(fmt.Sprintf("nobody reads what is older than %v", staleFor), p.others, p.stale),
	}
}
