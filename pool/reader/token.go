package reader

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"math"
	"sync"
	"time"

	"github.com/gqlboost/gqlboost/pool/internal/quiet"
)

// Token stands for everything that was committed on the primary before it was taken. Reads in a
// context of [WithToken] see all of that, from a replica that has it or from the primary. The
// zero Token stands for nothing, so any replica may answer. Tokens can be compared with ==.
//
// A token holds a position in the primary's log, and which log that is: the cluster, and its
// timeline, which a failover changes. Reads by a token of another log go to the primary.
type Token struct {
	history uint64 // of the log; 0: unknown
	lsn     uint64
}

// unknown is the token of writes whose position nobody knows: their readers go to the primary.
var unknown = Token{lsn: math.MaxUint64}

const (
	tokenVersion = "1"
	tokenUnknown = "primary"
	tokenBytes   = 16
)

var tokenText = base64.RawURLEncoding.Strict()

// String returns the token as text for a cookie or a header: letters, digits, - and _, at most 23
// of them, and "" for the zero Token. It names no server, but who has two of them can tell how much
// was written in between.
func (t Token) String() string {
	switch t {
	case Token{}:
		return ""
	case unknown:
		return tokenUnknown
	}
	var data [tokenBytes]byte
	binary.BigEndian.PutUint64(data[:], t.history)
	binary.BigEndian.PutUint64(data[8:], t.lsn)
	return tokenVersion + tokenText.EncodeToString(data[:])
}

// ErrToken is returned by [ParseToken] for text that no Token has made.
var ErrToken = errors.New("pool: not a token of the Reader")

// ParseToken reads the text of a token. Beside an error the token is one whose reads go to the
// primary, so a caller who does not know better may use it.
func ParseToken(text string) (Token, error) {
	switch text {
	case "":
		return Token{}, nil
	case tokenUnknown:
		return unknown, nil
	}
	if len(text) != len(tokenVersion)+tokenText.EncodedLen(tokenBytes) || text[:len(tokenVersion)] != tokenVersion {
		return unknown, ErrToken
	}
	var data [tokenBytes]byte
	if n, err := tokenText.Decode(data[:], []byte(text[len(tokenVersion):])); err != nil || n != tokenBytes {
		return unknown, ErrToken
	}
	t := Token{history: binary.BigEndian.Uint64(data[:]), lsn: binary.BigEndian.Uint64(data[8:])}
	if t.history == 0 || t.lsn == 0 || t.lsn == math.MaxUint64 {
		return unknown, ErrToken
	}
	return t, nil
}

// historyOf returns a number for a timeline of a cluster.
func historyOf(cluster, timeline string) uint64 {
	sum := sha256.Sum256([]byte(cluster + "/" + timeline))
	return max(binary.BigEndian.Uint64(sum[:]), 1)
}

// following is what the reads of a context must see.
type following struct {
	mu    sync.Mutex
	token Token
	taken time.Time // when the primary was asked, or failed to answer
}

func (f *following) get() Token {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.token
}

// set takes in a token, unless there is one that was taken later: that one stands for more.
func (f *following) set(t Token, taken time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !taken.Before(f.taken) {
		f.token, f.taken = t, taken
	}
}

type followingKey struct{}

// WithToken returns a context whose reads through a Reader see what the token stands for. A token
// that [Reader.Token] takes in this context takes its place, so the reads that follow see the write,
// and [TokenOf] returns it. With the zero Token it is a context that follows only those. A
// token of a context around it is no longer followed. A context is for the reads of one cluster:
// those of another one go to its primary.
func WithToken(ctx context.Context, t Token) context.Context {
	return context.WithValue(ctx, followingKey{}, &following{token: t})
}

// TokenOf returns the token that reads of a context follow now: the one of [WithToken], or the last
// one that was taken in it since. Without either it is the zero Token.
func TokenOf(ctx context.Context) Token {
	if f := followed(ctx); f != nil {
		return f.get()
	}
	return Token{}
}

func followed(ctx context.Context) *following {
	if ctx == nil {
		return nil
	}
	f, _ := ctx.Value(followingKey{}).(*following)
	return f
}

// tokenTimeout bounds how long the primary may take to answer.
const tokenTimeout = 2 * time.Second

// Token returns a token for everything that was committed on the primary before the call. Take it
// after the commit has returned (after [pgx.BeginFunc], not in its function; after Close of a
// batch): within a transaction it does not stand for that transaction. It does not matter on which
// connection the commit was, nor how synchronous_commit is set. The primary is asked, which takes a
// round trip; callers who come at the same time share it.
//
// Token does not fail, because the write has not: if the primary does not answer in two seconds or
// before the context ends, or is not the primary any more, the token is one whose reads go to the
// primary. The metric gqlboost.pool.reader.tokens counts both.
func (r *Reader) Token(ctx context.Context) Token {
	asked := time.Now()
	token := r.takeToken(ctx)
	if token == unknown {
		r.counters.tokensUnknown.Add(1)
	} else {
		r.counters.tokens.Add(1)
	}
	if f := followed(ctx); f != nil {
		f.set(token, asked)
	}
	return token
}

func (r *Reader) takeToken(ctx context.Context) Token {
	r.underway.Add(1) // so that Close waits
	defer r.underway.Add(-1)
	if ctx == nil || r.closed.Load() {
		return unknown
	}
	ctx, cancel := context.WithTimeout(quiet.Context(ctx), tokenTimeout)
	defer cancel()
	s, err := r.backends[0].look(ctx)
	if err != nil || s.history == 0 || s.replica {
		return unknown
	}
	return Token{history: s.history, lsn: s.lsn}
}
