package gqlgen

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
)

// CacheControl makes the header Cache-Control of responses from the schema, by Apollo
// Server's directive:
//
//	directive @cacheControl(maxAge: Int, scope: CacheControlScope, inheritMaxAge: Boolean)
//	  on FIELD_DEFINITION | OBJECT | INTERFACE | UNION
//	enum CacheControlScope { PUBLIC PRIVATE }
//
// It is used by [GET] and [POST], and has no effect with other transports:
//
//	srv.Use(&gqlgen.CacheControl{})
//
// A field has the hint of its definition, or else that of its type. Without one, root
// fields and fields of objects are good for DefaultMaxAge and others for as long as the
// object that they belong to, as are fields and types with inheritMaxAge. The lowest
// maxAge of an operation counts, and PRIVATE if one field has it. A response with errors,
// of a mutation or of parts (@defer) has no such header, nor has one whose maxAge is 0.
// For a batch, the lowest counts.
//
// Unlike Apollo Server's, a policy depends on the operation and its variables only, not on
// the data: each field that the operation selects counts, also where an object is null or a
// list is empty, and of an interface every type that it may be. So it may be lower, and is
// never higher. [RestrictCache] lowers it by what a resolver knows.
//
// gqlgen must not look for an implementation of the directive: set
// directives.cacheControl.skip_runtime in gqlgen.yml. Each server needs its own
// extension, which is safe for concurrent use.
type CacheControl struct {
	// DefaultMaxAge is that of root fields and fields of objects without a hint. Hints
	// are in whole seconds.
	DefaultMaxAge time.Duration
	// NoStore gives responses that must not be cached "no-store", as Apollo Server does.
	// Otherwise they have no header, and caches may guess.
	NoStore bool

	schema graphql.ExecutableSchema
}

var (
	_ graphql.HandlerExtension     = (*CacheControl)(nil)
	_ graphql.OperationInterceptor = (*CacheControl)(nil)
	_ graphql.ResponseInterceptor  = (*CacheControl)(nil)
)

const cacheDirective = "cacheControl"

// ExtensionName implements [graphql.HandlerExtension].
func (*CacheControl) ExtensionName() string { return "gqlboost/cacheControl" }

// Validate implements [graphql.HandlerExtension]. The schema must have the directive, and
// its values must be possible.
func (c *CacheControl) Validate(schema graphql.ExecutableSchema) error {
	c.schema = schema
	s := schema.Schema()
	if c.DefaultMaxAge < 0 {
		return fmt.Errorf("gqlgen: CacheControl.DefaultMaxAge is negative: %v", c.DefaultMaxAge)
	}
	if s.Directives[cacheDirective] == nil {
		return errors.New("gqlgen: the schema has no directive @cacheControl: CacheControl's documentation has its definition")
	}
	for _, def := range s.Types {
		if err := validHint(def.Directives, def.Name); err != nil {
			return err
		}
		for _, f := range def.Fields {
			if err := validHint(f.Directives, def.Name+"."+f.Name); err != nil {
				return err
			}
		}
	}
	return nil
}

func validHint(list ast.DirectiveList, where string) error {
	if d := list.ForName(cacheDirective); d != nil {
		if a := d.Arguments.ForName("maxAge"); a != nil && a.Value.Kind != ast.NullValue {
			if n, err := strconv.Atoi(a.Value.Raw); err != nil || n < 0 {
				return fmt.Errorf("gqlgen: the maxAge of @cacheControl on %s is %s, want seconds from 0 on", where, a.Value.Raw)
			}
		}
	}
	return nil
}

// InterceptOperation implements [graphql.OperationInterceptor].
func (c *CacheControl) InterceptOperation(ctx context.Context, next graphql.OperationHandler) graphql.ResponseHandler {
	return next(context.WithValue(ctx, cacheKey{}, &caching{noStore: c.NoStore}))
}

// InterceptResponse implements [graphql.ResponseInterceptor].
func (c *CacheControl) InterceptResponse(ctx context.Context, next graphql.ResponseHandler) *graphql.Response {
	response := next(ctx)
	if response == nil || !graphql.HasOperationContext(ctx) {
		return response
	}
	o := graphql.GetOperationContext(ctx)
	state := cachingOf(ctx)
	if state == nil { // The operation was refused before it began.
		o.Stats.SetExtension(c.ExtensionName(), &caching{noStore: c.NoStore})
		return response
	}
	var made policy
	if len(response.Errors) == 0 && response.HasNext == nil && o.Operation != nil && o.Operation.Operation == ast.Query {
		made = policyOf(c.schema.Schema(), o, c.DefaultMaxAge)
	}
	state.mu.Lock()
	defer state.mu.Unlock()
	state.made = made
	return response
}

// RestrictCache lowers the policy of the operation whose resolver has the context: to
// maxAge, if that is lower, and to PRIVATE, if private is true. Without [CacheControl] it
// does nothing. It is safe for concurrent use.
func RestrictCache(ctx context.Context, maxAge time.Duration, private bool) {
	if state, _ := ctx.Value(cacheKey{}).(*caching); state != nil {
		state.mu.Lock()
		defer state.mu.Unlock()
		state.restricted.restrict(policy{limited: true, maxAge: max(int(maxAge/time.Second), 0), private: private})
	}
}

type cacheKey struct{}

// caching is how the response of an operation may be cached.
type caching struct {
	noStore bool

	mu         sync.Mutex
	restricted policy // by resolvers
	made       policy // from the schema, when the response has been made
}

func cachingOf(ctx context.Context) *caching {
	state, _ := ctx.Value(cacheKey{}).(*caching)
	if state == nil && graphql.HasOperationContext(ctx) {
		state, _ = graphql.GetOperationContext(ctx).Stats.GetExtension((*CacheControl)(nil).ExtensionName()).(*caching)
	}
	return state
}

// setCacheControl sets the header of a response that has these answers. A header that the
// host has set stays.
func setCacheControl(h http.Header, answers ...answer) {
	var all policy
	cacheable, noStore := len(answers) > 0, false
	for _, a := range answers {
		if a.ctx == nil {
			return
		}
		one, store := a.policy()
		cacheable = cacheable && one.limited && one.maxAge > 0
		noStore = noStore || !store
		all.restrict(one)
	}
	switch {
	case h.Get("Cache-Control") != "":
	case cacheable:
		h.Set("Cache-Control", "max-age="+strconv.Itoa(all.maxAge)+", "+all.scope())
		h.Add("Vary", "Accept") // by which the Content-Type is chosen
	case noStore:
		h.Set("Cache-Control", "no-store")
	}
}

// policy returns the policy of an answer, unlimited if it must not be cached. store is false
// if caches are to see that.
func (a answer) policy() (made policy, store bool) {
	state := cachingOf(a.ctx)
	if state == nil {
		return policy{}, true
	}
	state.mu.Lock()
	defer state.mu.Unlock()
	made = state.made
	// Other extensions may have added errors since.
	if !made.limited || a.response == nil || len(a.response.Errors) > 0 {
		return policy{}, !state.noStore
	}
	made.restrict(state.restricted)
	return made, !state.noStore
}
