package reader_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/gqlboost/gqlboost/pool/reader"
	"github.com/jackc/pgx/v5"
)

const someToken = "1rm7LQe1QnSwAAAAAAbUnwA"

// A token is text and back, and nothing else is a token.
func FuzzToken(f *testing.F) {
	for _, text := range []string{
		"", "primary", "Primary", someToken, someToken + "=", someToken + "\n", someToken[:22], "2" + someToken[1:],
		someToken[:22] + "B", "1" + strings.Repeat("A", 22), "1" + strings.Repeat("\n", 22),
		"1" + strings.Repeat("_", 21) + "w", "1//8=///",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := reader.ParseToken(text)
		if err != nil {
			if !errors.Is(err, reader.ErrToken) || got.String() != "primary" {
				t.Errorf("%q: %v, %q", text, err, got)
			}
			return
		}
		if got.String() != text {
			t.Errorf("%q became %q", text, got)
		}
		cookie := http.Cookie{Name: "written", Value: text}
		if text != "" && (cookie.Valid() != nil || len(text) > len(someToken)) {
			t.Errorf("%q is no value of a cookie", text)
		}
	})
}

func TestParseToken(t *testing.T) {
	for text, good := range map[string]bool{
		"": true, "primary": true, someToken: true,
		someToken + "=": false, someToken[:22]: false, "2" + someToken[1:]: false,
		someToken[:22] + "B":          false, // bits beyond the last byte
		"1" + strings.Repeat("A", 22): false, // of no log
	} {
		if _, err := reader.ParseToken(text); (err == nil) != good {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// A token stands for all that was committed before it was taken, however that was, and for every
// caller that shares the question.
func TestTokenIsBeyondTheCommit(t *testing.T) {
	p := openOwn(t, server.DSN()+"&pool_max_conns=8", nil)
	ctx := t.Context()
	if _, err := p.Exec(ctx, "create table if not exists beyond (id int)"); err != nil {
		t.Fatal(err)
	}
	const insert = "insert into beyond values (1)"
	ways := map[string]func() error{
		"statement": func() error { _, err := p.Exec(ctx, insert); return err },
		"transaction": func() error {
			return pgx.BeginFunc(ctx, p, func(tx pgx.Tx) error { _, err := tx.Exec(ctx, insert); return err })
		},
		"asynchronous": func() error {
			return pgx.BeginFunc(ctx, p, func(tx pgx.Tx) error {
				_, err := tx.Exec(ctx, "set local synchronous_commit = off; "+insert)
				return err
			})
		},
		"batch": func() error {
			b := &pgx.Batch{}
			b.Queue(insert)
			return p.SendBatch(ctx, b).Close()
		},
	}
	for name, write := range ways {
		crowd(16, func(int) {
			for range 10 {
				var inserted string
				err := write()
				if err == nil {
					err = p.QueryRow(ctx, "select pg_current_wal_insert_lsn()::text").Scan(&inserted)
				}
				if err != nil {
					t.Error(name, err)
					return
				}
				if token := p.Token(ctx); reader.LSN(token) < reader.ParseLSN(inserted) {
					t.Errorf("%s: the commit ends before %s, the token is %X", name, inserted, reader.LSN(token))
				}
			}
		})
	}
}

// What is taken in a context its reads follow, and the latest counts.
func TestTokenOf(t *testing.T) {
	p := openOwn(t, server.DSN(), nil)
	none, _ := reader.ParseToken("")
	ctx := reader.WithToken(t.Context(), none)
	if reader.TokenOf(ctx) != none || reader.TokenOf(t.Context()) != none {
		t.Error("there is a token before anything was written")
	}
	crowd(8, func(int) { p.Token(ctx) })
	if _, err := p.Exec(ctx, "select pg_logical_emit_message(false, 'token', 'test')"); err != nil {
		t.Fatal(err)
	}
	token := p.Token(ctx)
	if got := reader.TokenOf(ctx); got != token || got == none {
		t.Errorf("the context has %q, taken was %q", got, token)
	}
	inner := reader.WithToken(ctx, none)
	if reader.TokenOf(inner) != none {
		t.Error("a token of a context around it is followed")
	}
	// Where the primary does not answer, the write is there all the same.
	gone, cancel := context.WithCancel(ctx)
	cancel()
	if got := p.Token(gone); got.String() != "primary" || reader.TokenOf(ctx) != got {
		t.Errorf("the token is %q, that of the context %q", got, reader.TokenOf(ctx))
	}
	if got := p.Token(ctx); got.String() == "primary" || reader.TokenOf(ctx) != got {
		t.Errorf("the token is %q, that of the context %q", got, reader.TokenOf(ctx))
	}
	p.Close()
	if got := p.Token(ctx); got.String() != "primary" {
		t.Errorf("the token of a closed pool is %q", got)
	}
}
