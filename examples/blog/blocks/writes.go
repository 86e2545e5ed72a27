package blocks

import (
	"context"
	"net/http"

	"github.com/gqlboost/gqlboost/pool/reader"
)

// writtenCookie keeps a client's token.
const writtenCookie = "written"

// readYourWrites has requests of a client read what the client has written, whichever instance
// and replica they come to: a cookie keeps the token of its last write.
func readYourWrites(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var text string
		if cookie, err := r.Cookie(writtenCookie); err == nil {
			text = cookie.Value
		}
		token, _ := reader.ParseToken(text) // What is no token means the primary.
		ctx := reader.WithToken(r.Context(), token)
		next.ServeHTTP(&tokenWriter{ResponseWriter: w, ctx: ctx, before: token}, r.WithContext(ctx))
	})
}

// tokenWriter sets the cookie before the first byte, if the request has written something.
type tokenWriter struct {
	http.ResponseWriter
	ctx    context.Context
	before reader.Token
	begun  bool
}

// WriteHeader implements [http.ResponseWriter].
func (w *tokenWriter) WriteHeader(status int) {
	if token := reader.TokenOf(w.ctx); !w.begun && token != w.before {
		http.SetCookie(w, &http.Cookie{Name: writtenCookie, Value: token.String(), Path: "/", HttpOnly: true,
			SameSite: http.SameSiteLaxMode})
	}
	w.begun = true
	w.ResponseWriter.WriteHeader(status)
}

// Write implements [http.ResponseWriter].
func (w *tokenWriter) Write(data []byte) (int, error) {
	if !w.begun {
		w.WriteHeader(http.StatusOK)
	}
	return w.ResponseWriter.Write(data)
}

// Unwrap is for [http.ResponseController].
func (w *tokenWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
