package load

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/valyala/fasthttp"
)

const (
	requestTimeout = 10 * time.Second
	maxInFlight    = 1024    // connections that an open loop uses at once
	maxQueued      = 1 << 16 // requests that are due and wait for one of them
)

// Config says what to send. Clients > 0 makes a closed loop, Phases an open one.
type Config struct {
	URL      string
	Mix      Mix
	Totals   Totals
	Clients  int
	Phases   []Phase
	Arrivals Arrivals
	Warmup   time.Duration // sent, but not counted
	Duration time.Duration // counted
	Seed     uint64
	Variants int // texts of each query, 1 if 0
	// Persisted has queries go by GET with the hash of their text, and with the text itself
	// where the server does not know it: automatic persisted queries, which a balancer may send
	// to another server again.
	Persisted bool
	// Cores are those that the server and Postgres are pinned to, nil if they are not.
	Cores []int
	// MinRequests is how many requests must be answered for Measure to have a result, 0 for
	// the constant of that name.
	MinRequests int64
	// Measuring, if not nil, is called when the warm-up is over.
	Measuring func()
	// Each, if not nil, is called with each request that was due in the measured time, by many
	// goroutines.
	Each func(Sent)
	// ServerHeader names a header of responses that says which server has answered, for Each.
	ServerHeader string
	// Progress, if not nil, is called every second.
	Progress func(elapsed time.Duration, requests, errors int64, p95 float64)
}

// Sent is a request and what became of it.
type Sent struct {
	Operation    int
	Due, Latency time.Duration // Latency counts from when it was due.
	Server       string        // see Config.ServerHeader
	Err          error
}

// Run sends the load and returns its result when all of it is answered, timed
// out or given up on: at most the request timeout after its end. When ctx is
// cancelled it returns what was measured so far together with ctx's error.
func Run(ctx context.Context, c Config) (*Result, error) {
	if err := c.valid(); err != nil {
		return nil, err
	}
	r := &runner{
		Config: c, recorder: newRecorder(c.Mix), begin: time.Now().Add(c.Warmup),
	}
	if err := r.connect(); err != nil {
		return nil, err
	}
	defer r.client.CloseIdleConnections()
	sending, stop := context.WithDeadline(ctx, r.begin.Add(c.Duration))
	defer stop()
	var watchers sync.WaitGroup
	watchers.Go(func() { r.watch(sending) })
	if c.Clients > 0 {
		r.closedLoop(sending)
	} else {
		r.openLoop(ctx) // Its schedule ends by itself: what is due before is sent, however late a busy machine is.
	}
	measured := min(time.Since(r.begin), c.Duration)
	stop()
	watchers.Wait()
	if measured <= 0 {
		return nil, fmt.Errorf("load: ended in the warm-up: %w", context.Cause(ctx))
	}
	result := r.recorder.result(c.Mix, measured)
	result.Clients = c.Clients
	return result, ctx.Err()
}

// valid refuses what would send nothing, or never end.
func (c Config) valid() error {
	switch {
	case c.Duration <= 0 || c.Clients <= 0 && len(c.Phases) == 0:
		return errors.New("load: neither clients nor rates, or no duration")
	case c.Clients > 0:
		return nil
	case c.Arrivals != "" && c.Arrivals != Constant && c.Arrivals != Poisson:
		return fmt.Errorf("load: arrivals are %q: they can be %q or %q", c.Arrivals, Constant, Poisson)
	}
	for _, p := range c.Phases {
		if p.Duration <= 0 || p.Rate < 0 || math.IsNaN(p.Rate) || math.IsInf(p.Rate, 0) {
			return fmt.Errorf("load: %v requests/s for %v are no phase", p.Rate, p.Duration)
		}
	}
	return nil
}

type runner struct {
	Config
	recorder *recorder
	// client is fasthttp's: net/http's takes three times the CPU, which the server under
	// load would have to share with it.
	client *fasthttp.HostClient
	begin  time.Time // of the measurement
}

func (r *runner) connect() error {
	u, err := url.Parse(r.URL)
	if err != nil {
		return fmt.Errorf("load: %w", err)
	}
	r.client = &fasthttp.HostClient{
		Addr: u.Host, IsTLS: u.Scheme == "https", MaxConns: max(maxInFlight, r.Clients), MaxIdemponentCallAttempts: 1,
		Dial:        func(addr string) (net.Conn, error) { return net.DialTimeout("tcp", addr, 2*time.Second) },
		ReadTimeout: requestTimeout, WriteTimeout: requestTimeout,
	}
	return nil
}

func (r *runner) watch(ctx context.Context) {
	select {
	case <-time.After(time.Until(r.begin)):
	case <-ctx.Done():
		return
	}
	if r.Measuring != nil {
		r.Measuring()
	}
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if r.Progress != nil {
				requests, errors, p95 := r.recorder.progress()
				r.Progress(time.Since(r.begin), requests, errors, p95)
			}
		case <-ctx.Done():
			return
		}
	}
}

func (r *runner) closedLoop(ctx context.Context) {
	var clients sync.WaitGroup
	for i := range r.Clients {
		clients.Go(func() {
			d := newGenerator(r.Mix, r.Totals, r.Seed*1_000_003+uint64(i), r.Variants)
			var buffer reply
			for ctx.Err() == nil {
				start := time.Now()
				failed := r.send(d.next(), start, &buffer)
				if failed {
					// A server that refuses at once must not turn the loop into a
					// flood of the loopback.
					sleep(ctx, 10*time.Millisecond)
				}
			}
		})
	}
	clients.Wait()
}

func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

var (
	errOverload = errors.New("not sent: too many requests waiting")
	errTooLate  = errors.New("not sent: still waiting when the run was over")
)

type dueRequest struct {
	Request
	at time.Time
}

// openLoop hands each request to a worker when it is due. It starts another
// worker, with a connection of its own, when all are busy.
func (r *runner) openLoop(ctx context.Context) {
	queue := make(chan dueRequest, maxQueued)
	var idle atomic.Int64
	var workers sync.WaitGroup
	started := 0
	worker := func() {
		var buffer reply
		for {
			idle.Add(1)
			next, ok := <-queue
			if !ok {
				return
			}
			idle.Add(-1)
			if time.Since(next.at) > requestTimeout {
				r.fail(next, errTooLate)
				continue
			}
			r.send(next.Request, next.at, &buffer)
		}
	}

	start := r.begin.Add(-r.Warmup)
	s := newSchedule(r.Phases, r.Arrivals, r.Warmup+r.Duration, r.Seed)
	d := newGenerator(r.Mix, r.Totals, r.Seed, r.Variants)
	for ctx.Err() == nil {
		at, ok := s.next()
		if !ok {
			break
		}
		request := dueRequest{d.next(), start.Add(at)}
		// Sleeps shorter than the timer's grain are left out: a request that is
		// sent a few microseconds early is counted from then on all the same.
		if wait := time.Until(request.at); wait > 50*time.Microsecond {
			sleep(ctx, wait)
		}
		if len(queue) >= int(idle.Load()) && started < maxInFlight {
			workers.Go(worker)
			started++
		}
		select {
		case queue <- request:
		default:
			r.fail(request, errOverload)
		}
	}
	close(queue)
	workers.Wait()
}

func (r *runner) fail(request dueRequest, err error) {
	r.record(Sent{Operation: request.Operation, Due: request.at.Sub(r.begin), Err: err}, 0)
}

func (r *runner) record(s Sent, bytes int) {
	r.recorder.record(s.Operation, s.Due, s.Latency, bytes, s.Err)
	if r.Each != nil && s.Due >= 0 {
		r.Each(s)
	}
}

// reply is the body of a response, and which server has sent it.
type reply struct {
	bytes.Buffer
	server string
}

// send records the result of a request that was due at a time.
func (r *runner) send(request Request, due time.Time, buffer *reply) (failed bool) {
	err := r.exchange(request, buffer)
	r.record(Sent{request.Operation, due.Sub(r.begin), time.Since(due), buffer.server, err}, buffer.Len())
	return err != nil
}

// exchange sends a request and checks the response. Its context is not the
// run's: what was sent before the end is waited for, and counts.
func (r *runner) exchange(request Request, buffer *reply) error {
	var status int
	var err error
	if r.Persisted && r.Mix[request.Operation].Reads() {
		status, err = r.persisted(request, buffer)
	} else {
		status, err = r.do(buffer, r.URL, request.Body)
	}
	if err != nil {
		return err
	}
	if err := request.Check(buffer.Bytes()); err != nil {
		if status >= http.StatusInternalServerError && !bytes.HasPrefix(buffer.Bytes(), []byte("{")) {
			return fmt.Errorf("status %d", status) // It is the page of a balancer, or of net/http.
		}
		return fmt.Errorf("%s: %w", r.Mix[request.Operation].Name, generalize(err))
	}
	if status != http.StatusOK {
		return fmt.Errorf("status %d", status)
	}
	return nil
}

// unknownText is in the answer of a server that does not know the text of a hash.
var unknownText = []byte("PersistedQueryNotFound")

// persisted sends a query by GET, with its text if the server asks for it.
func (r *runner) persisted(request Request, buffer *reply) (status int, err error) {
	extensions := fmt.Sprintf(`{"persistedQuery":{"version":1,"sha256Hash":"%x"}}`, sha256.Sum256([]byte(request.text)))
	form := url.Values{"extensions": {extensions}, "variables": {string(request.variables)}}
	status, err = r.do(buffer, r.URL+"?"+form.Encode(), nil)
	if err == nil && buffer.Len() < 1<<10 && bytes.Contains(buffer.Bytes(), unknownText) {
		form.Set("query", request.text)
		status, err = r.do(buffer, r.URL+"?"+form.Encode(), nil)
	}
	return status, err
}

// do posts a body, or gets without one, and puts the response's body into the buffer.
func (r *runner) do(buffer *reply, uri string, body []byte) (status int, err error) {
	buffer.Reset()
	buffer.server = ""
	request, response := fasthttp.AcquireRequest(), fasthttp.AcquireResponse()
	defer fasthttp.ReleaseRequest(request)
	defer fasthttp.ReleaseResponse(response)
	request.SetRequestURI(uri)
	if body != nil {
		request.Header.SetMethod(http.MethodPost)
		request.Header.SetContentType("application/json")
		request.SetBodyRaw(body)
	}
	if err := r.client.DoTimeout(request, response, requestTimeout); err != nil {
		return 0, transportError(err)
	}
	buffer.Write(response.Body())
	if r.ServerHeader != "" {
		buffer.server = string(response.Header.Peek(r.ServerHeader))
	}
	return response.StatusCode(), nil
}

// ErrCutShort says that a response began, and that its end never came. No balancer can send such a
// request to another server: the client has a part of the answer.
var ErrCutShort = errors.New("response cut short")

// transportError names a failure without the ports that would make each unique.
func transportError(err error) error {
	var timeout net.Error
	switch {
	case errors.Is(err, fasthttp.ErrTimeout), errors.As(err, &timeout) && timeout.Timeout():
		return errors.New("timeout")
	case errors.Is(err, syscall.ECONNREFUSED):
		return errors.New("connection refused")
	case errors.Is(err, io.ErrUnexpectedEOF):
		return ErrCutShort
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, io.EOF), errors.Is(err, fasthttp.ErrConnectionClosed):
		return errors.New("connection broken")
	}
	return fmt.Errorf("transport: %w", err)
}

// generalize cuts what makes each message of one kind different.
func generalize(err error) error {
	text := err.Error()
	if at := strings.Index(text, "failed to connect to"); at >= 0 {
		return errors.New(text[:at] + "failed to connect to Postgres")
	}
	if len(text) > 120 {
		return errors.New(strings.ToValidUTF8(text[:120], "") + "...")
	}
	return err
}
