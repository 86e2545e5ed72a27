package reader_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"

	"github.com/gqlboost/gqlboost/pool"
	"github.com/gqlboost/gqlboost/pool/reader"
)

const cookieName = "written"

// readYourWrites has requests of a client read what the client has written, whichever instance
// they come to: it keeps the client's token in a cookie.
func readYourWrites(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var text string
		if cookie, err := r.Cookie(cookieName); err == nil {
			text = cookie.Value
		}
		token, _ := reader.ParseToken(text) // What is no token means the primary.
		ctx := reader.WithToken(r.Context(), token)
		next.ServeHTTP(&tokenWriter{ResponseWriter: w, ctx: ctx, before: token}, r.WithContext(ctx))
	})
}

// tokenWriter sets the cookie before the first byte, if the request has taken a token.
type tokenWriter struct {
	http.ResponseWriter
	ctx    context.Context
	before reader.Token
	begun  bool
}

func (w *tokenWriter) WriteHeader(status int) {
	if token := reader.TokenOf(w.ctx); !w.begun && token != w.before {
		http.SetCookie(w, &http.Cookie{Name: cookieName, Value: token.String(), Path: "/", HttpOnly: true, Secure: true})
	}
	w.begun = true
	w.ResponseWriter.WriteHeader(status)
}

func (w *tokenWriter) Write(data []byte) (int, error) {
	if !w.begun {
		w.WriteHeader(http.StatusOK)
	}
	return w.ResponseWriter.Write(data)
}

// Unwrap is for http.ResponseController.
func (w *tokenWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// A server whose clients read their own writes, with a cookie.
func ExampleWithToken() {
	ctx := context.Background()
	db, err := pool.New(ctx, os.Getenv("GQLBOOST_EXAMPLE_DSN")) // with pool_reader_replicas
	if err != nil {
		panic(err)
	}
	defer db.Close()
	if _, err := db.Exec(ctx, "create table notes (text text)"); err != nil {
		panic(err)
	}
	defer func() { _, _ = db.Exec(ctx, "drop table notes") }()
	handler := readYourWrites(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			if _, err := db.Exec(r.Context(), "insert into notes values ('hello')"); err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
				return
			}
			db.Token(r.Context()) // From here on this request reads the note, and so will the next one.
		}
		var n int
		err := db.Reader().QueryRow(r.Context(), "select count(*) from notes").Scan(&n)
		fmt.Fprintln(w, n, err)
	}))

	written := httptest.NewRecorder()
	handler.ServeHTTP(written, httptest.NewRequest(http.MethodPost, "/", nil))
	fmt.Print(written.Body)
	cookie := written.Result().Cookies()[0]

	request := httptest.NewRequest(http.MethodGet, "/", nil)
	request.AddCookie(cookie)
	read := httptest.NewRecorder()
	handler.ServeHTTP(read, request)
	fmt.Print(read.Body)
	fmt.Println(len(cookie.Value), "characters, and", len(read.Result().Cookies()), "new cookies")
	// Output:
	// 1 <nil>
	// 1 <nil>
	// 23 characters, and 0 new cookies
}
