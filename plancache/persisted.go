package plancache

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"iter"
	"strings"
	"sync/atomic"
)

var (
	// ErrPersistedNotFound is for a hash without a text. Its message is the one that
	// clients know as a sign to send the text as well.
	ErrPersistedNotFound = errors.New("PersistedQueryNotFound")
	// ErrHashMismatch is for a text that has another hash.
	ErrHashMismatch = errors.New("plancache: the hash is not that of the query")
	// ErrNotAllowed is returned for a query that is not on the list of trusted documents.
	ErrNotAllowed = errors.New("plancache: the query is not one of the trusted documents")
)

const defaultPersistedBytes = 16 << 20

// Persisted keeps the texts of persisted operations by their SHA-256. Its Get and Add
// make it a store for automatic persisted queries in gqlgen. It is safe for concurrent
// use.
type Persisted struct {
	trusted map[string]string  // nil: any text may be registered
	texts   *large[storedText] // nil if there is a list
	purges  atomic.Uint64
	tasks   tasks
	ctx     context.Context
	stop    context.CancelFunc
	fleet   *textFleet                     // nil if nothing carries deletions
	sharing atomic.Pointer[talliedSharing] // nil until Share
}

// storedText is a text, and how often all had been taken out before it came in.
type storedText struct {
	query  string
	purges uint64
}

// NewPersisted returns a store in which clients register texts: automatic persisted
// queries. It keeps up to that many bytes of them, 16 MiB if that is 0, see
// PersistedOptions.Bytes. The caller must close it.
func NewPersisted(bytes int64) (*Persisted, error) {
	return OpenPersisted(PersistedOptions{Bytes: bytes})
}

// OpenPersisted is [NewPersisted] for a fleet, in which a text can be deleted. If it has an
// Invalidator, it waits for up to StoreTimeout until it listens to it.
func OpenPersisted(o PersistedOptions) (*Persisted, error) {
	if o.Bytes < 0 {
		return nil, fmt.Errorf("plancache: a store of %d bytes: the number must not be negative", o.Bytes)
	}
	if o.StoreTimeout < 0 {
		return nil, fmt.Errorf("plancache: StoreTimeout is %v: it must not be negative", o.StoreTimeout)
	}
	if o.Bytes == 0 {
		o.Bytes = defaultPersistedBytes
	}
	texts, err := newLarge[storedText](o.Bytes)
	if err != nil {
		return nil, err
	}
	p := &Persisted{texts: texts}
	p.ctx, p.stop = context.WithCancel(context.Background())
	if o.Invalidator != nil {
		p.joinFleet(o)
	}
	return p, nil
}

// NewTrusted returns a store of a list of texts. [Persisted.Resolve] takes nothing else:
// no text that a client sends, and none that it wants to register. contrib/graphgophers and
// contrib/graphqlgo ask it for each operation. In gqlgen it needs the extension Trusted of
// contrib/gqlgen: extension.AutomaticPersistedQuery asks a store only for requests that have a
// hash, and runs all others.
func NewTrusted(queries iter.Seq[string]) *Persisted {
	p := &Persisted{trusted: map[string]string{}}
	for q := range queries {
		p.trusted[HashQuery(q)] = q
	}
	return p
}

// Trusted reports whether it is a list of trusted documents, see [NewTrusted].
func (p *Persisted) Trusted() bool { return p.trusted != nil }

// HashQuery returns the hash that identifies a text: its SHA-256 in hexadecimal
// digits.
func HashQuery(query string) string {
	sum := sha256.Sum256([]byte(query))
	return hex.EncodeToString(sum[:])
}

// Get returns the text of a hash, which is spelled as [HashQuery] does: as Apollo Server
// and gqlgen have it.
func (p *Persisted) Get(_ context.Context, hash string) (string, bool) {
	if p.trusted != nil {
		query, ok := p.trusted[hash]
		return query, ok
	}
	query, ok := p.find(hash)
	if ok {
		p.sharing.Load().use(hash)
	}
	return query, ok
}

// find is Get for what was registered, and counts no use.
func (p *Persisted) find(hash string) (string, bool) {
	one, ok := p.texts.get(hash)
	if !ok || one.purges != p.purges.Load() {
		return "", false
	}
	return one.query, true
}

// Add keeps a text under its hash. A text with another hash is not kept: nobody can
// register a text under the hash of another one. A store of trusted documents keeps
// none.
func (p *Persisted) Add(_ context.Context, hash, query string) {
	if p.trusted == nil && subtle.ConstantTimeCompare([]byte(hash), []byte(HashQuery(query))) == 1 {
		p.texts.put(strings.Clone(hash), storedText{strings.Clone(query), p.purges.Load()}, int64(len(query)), 0)
	}
}

// Resolve returns the text to run for a request that has a hash, a text or both. With
// both, the text is kept. The hash may have capital letters. The error is
// [ErrPersistedNotFound], [ErrHashMismatch] or [ErrNotAllowed].
func (p *Persisted) Resolve(ctx context.Context, hash, query string) (string, error) {
	hash = strings.ToLower(hash)
	if hash != "" && query != "" && hash != HashQuery(query) {
		return "", ErrHashMismatch
	}
	if p.trusted != nil {
		if hash == "" {
			hash = HashQuery(query)
		}
		if known, ok := p.Get(ctx, hash); ok {
			return known, nil
		}
		return "", ErrNotAllowed
	}
	switch {
	case hash == "":
		return query, nil
	case query != "":
		p.Add(ctx, hash, query)
		return query, nil
	}
	if known, ok := p.Get(ctx, hash); ok {
		return known, nil
	}
	return "", ErrPersistedNotFound
}

// Close ends what runs in the background. After it, Get finds nothing and Add does nothing,
// unless it is a list of trusted documents, which needs no Close. Closing again does nothing. The
// error says how many calls of Uses.Ranking and the Invalidator run on after a second.
func (p *Persisted) Close() error {
	if p.trusted != nil {
		return nil
	}
	p.stop()
	p.tasks.close()
	n := p.tasks.wait(closePatience)
	p.texts.close()
	if n > 0 {
		return fmt.Errorf("plancache: persisted texts closed, and %d functions still run", n)
	}
	return nil
}
