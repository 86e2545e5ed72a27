// Package client sends to an HTTP client that may be slow, and can make sure that
// it does not take what was sent for complete.
package client

import (
	"errors"
	"io"
	"net/http"
	"slices"
	"strconv"
	"sync/atomic"
	"time"
)

// Client is the receiving end of one response. It is not safe for concurrent use, except for
// Abort.
type Client struct {
	// Header is set before the first byte.
	Header http.Header

	rw          http.ResponseWriter
	control     *http.ResponseController
	timeout     time.Duration
	head        bool // the request is HEAD: only the header is sent
	http2       bool
	started     bool
	cannotAbort bool   // so everything is held
	prompt      bool   // see Prompt
	held        []byte // what is held
	aborted     atomic.Bool
}

// New returns the client of rw. Each Write may take it as long as timeout, or
// forever if that is negative. Between writes there is no deadline: the time that the producer
// takes is not the client's, and HTTP/2 resets a stream whose deadline has passed.
func New(rw http.ResponseWriter, r *http.Request, timeout time.Duration) *Client {
	c := &Client{
		Header: http.Header{}, rw: rw, control: http.NewResponseController(rw), timeout: timeout,
		head: r.Method == http.MethodHead, http2: r.ProtoMajor == 2,
	}
	c.cannotAbort = c.noDeadline() != nil || !canFlush(rw)
	return c
}

// NewAbortable is New for what needs a client that would notice Abort. It returns nil for any other,
// which keeps the deadline of http.Server's WriteTimeout.
func NewAbortable(rw http.ResponseWriter, r *http.Request, timeout time.Duration) *Client {
	if !canFlush(rw) {
		return nil
	}
	if c := New(rw, r, timeout); !c.cannotAbort {
		return c
	}
	return nil
}

// canFlush reports whether rw supports Flush of a [http.ResponseController].
func canFlush(rw http.ResponseWriter) bool {
	for {
		switch t := rw.(type) {
		case interface{ FlushError() error }, http.Flusher:
			return true
		case interface{ Unwrap() http.ResponseWriter }:
			rw = t.Unwrap()
		default:
			return false
		}
	}
}

// Hold makes Write hold everything until Whole, for a client that would not notice Abort.
func (c *Client) Hold() { c.cannotAbort = true }

// Prompt makes Write fail where Flush is not passed on, for chunks that somebody waits for.
func (c *Client) Prompt() { c.prompt = true }

// Discard forgets what is held.
func (c *Client) Discard() { c.held = nil }

// Started reports whether something has been sent.
func (c *Client) Started() bool { return c.started }

func (c *Client) deadline() error {
	if c.timeout < 0 {
		return c.noDeadline()
	}
	return c.until(time.Now().Add(c.timeout))
}

func (c *Client) noDeadline() error { return c.until(time.Time{}) }

// until sets the deadline. That of Abort stays, also if it comes at the same time.
func (c *Client) until(t time.Time) error {
	err := c.control.SetWriteDeadline(t)
	if c.aborted.Load() {
		err = c.control.SetWriteDeadline(past)
	}
	return err
}

func (c *Client) start(status int) {
	c.started = true
	for name, values := range c.Header {
		c.rw.Header()[name] = values
	}
	c.rw.WriteHeader(status)
}

// Write sends b now.
func (c *Client) Write(b []byte) (int, error) {
	if c.cannotAbort {
		c.held = append(c.held, b...)
		return len(b), nil
	}
	if !c.started {
		c.start(http.StatusOK)
	}
	if c.head {
		return len(b), nil // net/http fails writes and flushes of HTTP/2 here.
	}
	if err := c.deadline(); err != nil {
		return 0, err
	}
	n, err := c.rw.Write(b)
	none := errors.Is(err, http.ErrBodyNotAllowed) // A middleware has set a status without a body, such as 304.
	switch {
	case none:
		n, err = len(b), nil
	case err == nil && n < len(b):
		err = io.ErrShortWrite
	}
	if err == nil && !none {
		// What is said to have Flush may pass it on to one that has not: the chunk goes later then.
		if err = c.control.Flush(); errors.Is(err, http.ErrNotSupported) && !c.prompt {
			err = nil
		}
	}
	if err == nil && c.timeout >= 0 {
		err = c.noDeadline()
	}
	return n, err
}

// End bounds the time for what is sent when the handler returns, such as the mark of the end.
// It begins now: nobody is told when the handler returns.
func (c *Client) End() { _ = c.deadline() }

// Whole sends what is held and the rest as a response whose length is known, unless a
// middleware encodes it.
func (c *Client) Whole(status int, rest []byte) error {
	if c.rw.Header().Get("Content-Encoding") == "" {
		c.Header.Set("Content-Length", strconv.Itoa(len(c.held)+len(rest)))
	}
	c.start(status)
	bounded := c.deadline() == nil && c.timeout >= 0
	if !c.head {
		if err := c.writeAll(c.held, rest); err != nil {
			return err
		}
	}
	switch {
	case !bounded || c.rw.Header().Get("Content-Length") == "":
		return nil // A mark of the end is sent when the handler returns.
	case c.head && c.http2:
		return c.noDeadline() // Flush fails here, and a header does not wait for the client's window.
	}
	// Nothing is left to send after this: what the handler does then is not the client's time.
	err := c.control.Flush()
	if err == nil {
		return c.noDeadline()
	}
	if errors.Is(err, http.ErrNotSupported) {
		return nil
	}
	return err
}

// A whole response is written in pieces, and the client may take the timeout for each, as for a chunk.
// There are about maxPieces at most: all of the response stays in memory until the last one.
const (
	minPiece  = 256 << 10
	maxPieces = 32
)

func (c *Client) writeAll(parts ...[]byte) error {
	total := 0
	for _, part := range parts {
		total += len(part)
	}
	size := max(minPiece, total/maxPieces)
	written := false
	for _, part := range parts {
		for b := range slices.Chunk(part, size) {
			if written {
				_ = c.deadline() // There may be none.
			}
			written = true
			switch n, err := c.rw.Write(b); {
			case errors.Is(err, http.ErrBodyNotAllowed):
			case err != nil:
				return err
			case n < len(b):
				return io.ErrShortWrite
			}
		}
	}
	return nil
}

var past = time.Unix(1, 0)

// Abort makes the end of the response fail: with a deadline in the past, HTTP/1.1
// cannot send the mark of the end and closes the connection, and HTTP/2 resets the
// stream. It may be called while Write is running, which fails then.
func (c *Client) Abort() {
	c.aborted.Store(true)
	_ = c.control.SetWriteDeadline(past)
}
