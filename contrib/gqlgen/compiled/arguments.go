package compiled

import (
	"context"
	"sync/atomic"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
)

// constant is arguments that are the same in all requests.
type constant struct {
	args atomic.Pointer[map[string]any]
}

// variesBy reports whether the arguments of a field depend on variables.
func variesBy(f graphql.CollectedField) bool {
	for _, a := range f.Arguments {
		if hasVariable(a.Value) {
			return true
		}
	}
	return false
}

func hasVariable(v *ast.Value) bool {
	if v == nil || v.Kind == ast.Variable {
		return v != nil
	}
	for _, child := range v.Children {
		if hasVariable(child.Value) {
			return true
		}
	}
	return false
}

// arguments returns arguments that all calls of a field may share; ok is false if there are
// none, or if they are wrong.
func (x *run) arguments(p *planned) (args map[string]any, ok bool) {
	if p.info.Unshared {
		return nil, false
	}
	if known := p.constant.args.Load(); known != nil {
		return *known, true
	}
	defer func() {
		if r := recover(); r != nil {
			args, ok = nil, false // Each call will find it, for its own path.
		}
	}()
	raw := p.collected.ArgumentMap(x.op.Variables)
	for _, name := range p.info.Fresh {
		if raw[name] != nil {
			return nil, false
		}
	}
	args, err := p.info.Args(x.ctx, &x.call, raw)
	if err != nil {
		return nil, false
	}
	if !p.varies {
		p.constant.args.Store(&args)
	}
	return args, true
}

// convert returns a call with arguments of its own, nil if they are wrong.
func (x *run) convert(p *planned, ctx context.Context) (call *Call) {
	if !x.OmitPanicHandler {
		defer func() {
			if r := recover(); r != nil {
				x.recovered(ctx, r)
				call = nil
			}
		}()
	}
	args, err := p.info.Args(ctx, &x.call, p.collected.ArgumentMap(x.op.Variables))
	if err != nil {
		x.op.Error(ctx, err)
		return nil
	}
	return &Call{EC: x.call.EC, Args: args}
}
