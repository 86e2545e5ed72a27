package reader

import (
	"context"

	"github.com/gqlboost/gqlboost/pool/internal/guard"
)

// Scope is what the statements of a context depend on: settings ([WithSettings]), what they must
// see ([TokenOf]), and whether they share a connection ([Alone]). Contexts with equal scopes read
// the same. Scopes are compared with ==. With them dataloader.Merge tells whose statements it may merge.
type Scope struct {
	settings string // their ID; "": none
	token    Token
	alone    bool
}

// ScopeOf returns the scope of a context.
func ScopeOf(ctx context.Context) Scope {
	s := Scope{token: TokenOf(ctx), alone: isAlone(ctx)}
	if settings := guard.From(ctx); settings != nil {
		s.settings = settings.ID
	}
	return s
}

// In returns a context whose statements have the scope, whatever they had before.
func (s Scope) In(ctx context.Context) context.Context {
	if s.settings != "" {
		ctx = guard.With(ctx, guard.Parse(s.settings))
	} else if guard.From(ctx) != nil {
		ctx = guard.With(ctx, nil)
	}
	if s.token != (Token{}) || followed(ctx) != nil {
		ctx = WithToken(ctx, s.token)
	}
	if s.alone != isAlone(ctx) {
		ctx = context.WithValue(ctx, aloneKey{}, s.alone)
	}
	return ctx
}
