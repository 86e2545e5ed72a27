package gqlgen

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
)

// policy is how long a response may be cached, and by whom.
type policy struct {
	limited bool // reports whether there is a maxAge
	maxAge  int  // seconds
	private bool
}

// restrict lowers a policy to another one.
func (p *policy) restrict(other policy) {
	if other.limited && (!p.limited || other.maxAge < p.maxAge) {
		p.limited, p.maxAge = true, other.maxAge
	}
	p.private = p.private || other.private
}

func (p *policy) scope() string {
	if p.private {
		return "private"
	}
	return "public"
}

// hint is what one directive says.
type hint struct {
	policy
	scoped  bool // reports whether there is a scope
	inherit bool
}

func hintOf(list ast.DirectiveList) (h hint) {
	d := list.ForName(cacheDirective)
	if d == nil {
		return h
	}
	if a := d.Arguments.ForName("scope"); a != nil && a.Value.Kind == ast.EnumValue {
		h.scoped, h.private = true, a.Value.Raw == "PRIVATE"
	}
	if a := d.Arguments.ForName("inheritMaxAge"); a != nil && a.Value.Raw == "true" {
		h.inherit = true // and maxAge does not count.
	} else if a := d.Arguments.ForName("maxAge"); a != nil {
		n, err := strconv.Atoi(a.Value.Raw)
		h.limited, h.maxAge = err == nil, n
	}
	return h
}

// replace takes over what another hint says.
func (h *hint) replace(other hint) {
	if other.limited {
		h.limited, h.maxAge = true, other.maxAge
	}
	if other.scoped {
		h.scoped, h.private = true, other.private
	}
}

// policyOf returns the policy of a query.
func policyOf(schema *ast.Schema, o *graphql.OperationContext, usual time.Duration) policy {
	w := policyWalk{schema: schema, variables: o.Variables, usual: policy{limited: true, maxAge: int(usual / time.Second)}}
	w.selections(o.Operation.SelectionSet, schema.Query, true)
	return w.policy
}

// policyWalk restricts a policy by the fields of an operation.
type policyWalk struct {
	schema    *ast.Schema
	variables map[string]any
	usual     policy // of what has no hint
	seen      map[spread]bool
	policy    policy
}

// spread is a fragment where it has an effect of its own.
type spread struct {
	fragment *ast.FragmentDefinition
	parent   *ast.Definition
	root     bool
}

// selections walks the selections of objects of a type, which are the root if root is
// true. It ends when nothing can be lower.
func (w *policyWalk) selections(set ast.SelectionSet, parent *ast.Definition, root bool) {
	for _, s := range set {
		if w.policy.limited && w.policy.maxAge == 0 {
			return
		}
		switch s := s.(type) {
		case *ast.Field:
			if w.included(s.Directives) {
				w.field(s, parent, root)
			}
		case *ast.InlineFragment:
			if on := w.narrowed(parent, s.TypeCondition); on != nil && w.included(s.Directives) {
				w.selections(s.SelectionSet, on, root)
			}
		case *ast.FragmentSpread:
			if on := w.narrowed(parent, s.Definition.TypeCondition); on != nil && w.included(s.Directives) {
				w.spread(spread{s.Definition, on, root})
			}
		}
	}
}

// spread walks a fragment, unless it did so before: fragments in fragments can be
// exponentially many.
func (w *policyWalk) spread(s spread) {
	if w.seen[s] {
		return
	}
	if w.seen == nil {
		w.seen = map[spread]bool{}
	}
	w.seen[s] = true
	w.selections(s.fragment.SelectionSet, s.parent, s.root)
}

// narrowed returns the type of what a fragment on a type selects from, nil if that is
// nothing.
func (w *policyWalk) narrowed(parent *ast.Definition, condition string) *ast.Definition {
	on := w.schema.Types[condition]
	switch {
	case condition == "" || on == parent:
		return parent
	case parent.Kind != ast.Object:
		return on
	case slices.Contains(w.schema.GetPossibleTypes(on), parent):
		return parent
	default:
		return nil
	}
}

// included reports whether @skip and @include select what has them.
func (w *policyWalk) included(list ast.DirectiveList) bool {
	for _, d := range list {
		if d.Name != "skip" && d.Name != "include" {
			continue
		}
		if a := d.Arguments.ForName("if"); a != nil {
			if v, err := a.Value.Value(w.variables); err == nil && v == (d.Name == "skip") {
				return false
			}
		}
	}
	return true
}

func (w *policyWalk) field(f *ast.Field, parent *ast.Definition, root bool) {
	if strings.HasPrefix(f.Name, "__") {
		return // The schema itself has no policy.
	}
	// The definition that counts is that of the object, not of an interface around it.
	definition := f.Definition
	switch {
	case root && f.Name == "_entities":
		w.entities(f)
	case parent.IsAbstractType():
		for _, possible := range w.schema.GetPossibleTypes(parent) {
			w.policy.restrict(w.fieldPolicy(possible.Fields.ForName(f.Name), root))
		}
	default:
		definition = parent.Fields.ForName(f.Name)
		w.policy.restrict(w.fieldPolicy(definition, root))
	}
	w.selections(f.SelectionSet, w.schema.Types[definition.Type.Name()], false)
}

// fieldPolicy returns the policy of a field, by itself.
func (w *policyWalk) fieldPolicy(def *ast.FieldDefinition, root bool) policy {
	var h hint
	result := w.schema.Types[def.Type.Name()]
	inherit, composite := false, result.IsCompositeType()
	if composite {
		h = hintOf(result.Directives)
		inherit = h.inherit
	}
	if own := hintOf(def.Directives); own.inherit && !h.limited {
		inherit = true
		h.replace(hint{scoped: own.scoped, policy: policy{private: own.private}})
	} else {
		h.replace(own)
	}
	if !h.limited && (root || composite && !inherit) {
		h.restrict(w.usual)
	}
	return h.policy
}

// entities restricts the policy by the types of a subgraph's entities, which a query names
// in the fragments on them.
func (w *policyWalk) entities(f *ast.Field) {
	named := false
	for _, s := range f.SelectionSet {
		if fragment, ok := s.(*ast.InlineFragment); ok && w.schema.Types[fragment.TypeCondition] != nil {
			named = true
			w.policy.restrict(w.usual.unless(hintOf(w.schema.Types[fragment.TypeCondition].Directives)))
		}
	}
	if !named {
		w.policy.restrict(w.usual)
	}
}

// unless returns the policy of a hint, with that of p if it has none.
func (p policy) unless(h hint) policy {
	if !h.limited {
		h.restrict(p)
	}
	return h.policy
}
