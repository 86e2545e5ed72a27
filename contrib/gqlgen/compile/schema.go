package compile

import (
	"fmt"
	"go/types"
	"slices"
	"sort"
	"strings"

	"github.com/99designs/gqlgen/codegen"
	"github.com/99designs/gqlgen/codegen/config"
	"github.com/99designs/gqlgen/codegen/templates"
	"github.com/vektah/gqlparser/v2/ast"
)

// schema is what the template makes code of.
type schema struct {
	*codegen.Data
	objects map[string]*codegen.Object // that the runtime executes, by name
	offered map[string]int             // fields by the name that what they may offer would have
}

func newSchema(data *codegen.Data) *schema {
	s := &schema{Data: data, objects: map[string]*codegen.Object{}}
	for _, o := range data.Objects {
		if !o.IsReserved() && !o.Stream && (o.Root || isStruct(o.Type)) {
			s.objects[o.Name] = o
		}
	}
	return s
}

// isStruct reports whether a model is a struct, so that objects are pointers to it.
func isStruct(t types.Type) bool {
	named, ok := types.Unalias(t).(*types.Named)
	if !ok {
		return false
	}
	_, ok = named.Underlying().(*types.Struct)
	return ok
}

// Executed returns the objects that the runtime executes.
func (s *schema) Executed() []*object {
	out := make([]*object, 0, len(s.objects))
	for _, o := range s.Objects {
		if s.objects[o.Name] != nil {
			out = append(out, &object{o, s})
		}
	}
	return out
}

// ImplementedDirectives are those of operations and of fields in them that have code.
func (s *schema) ImplementedDirectives() []string {
	found := map[string]bool{}
	for _, location := range []string{"QUERY", "MUTATION", "FIELD"} {
		for name := range s.AllDirectives.LocationDirectives(location) {
			found[name] = true
		}
	}
	for _, builtIn := range []string{"skip", "include", "defer"} {
		delete(found, builtIn)
	}
	out := make([]string, 0, len(found))
	for name := range found {
		out = append(out, name)
	}
	sort.Strings(out)
	return out
}

// object is an object of the schema.
type object struct {
	*codegen.Object
	schema *schema
}

// Field is the object's field of the generated struct.
func (o *object) Field() string { return "object" + o.Name }

// Var refers to the object in generated code.
func (o *object) Var() string { return "t." + o.Field() }

// Go is the type by which objects are held.
func (o *object) Go() string {
	if o.Root {
		return "*compiled.Root"
	}
	return goType(o.Reference())
}

// ImplementorsVar is gqlgen's variable.
func (o *object) ImplementorsVar() string {
	return templates.LcFirst(o.Name) + "Implementors"
}

// Compiled returns the fields.
func (o *object) Compiled() []*field {
	out := make([]*field, 0, len(o.Fields))
	for _, f := range o.Fields {
		if !f.IsReserved() {
			out = append(out, &field{f, o})
		}
	}
	return out
}

// ResolversFunc returns the object's resolvers.
func (o *object) ResolversFunc() string { return "compiled" + o.Name + "Resolvers" }

// Resolvers is the interface of the object's resolvers.
func (o *object) Resolvers() string { return templates.UcFirst(o.Name) + "Resolver" }

// Calls reports whether the runtime calls resolvers of the object.
func (o *object) Calls() bool { return slices.ContainsFunc(o.Compiled(), (*field).Calls) }

// field is a field of an object.
type field struct {
	*codegen.Field
	object *object
}

// Kind is the function of the runtime that adds the field.
func (f *field) Kind() string {
	switch {
	case f.HasDirectives() || f.IsMap() || f.HasHaser || f.VOkFunc || f.TypeReference.IsRoot || f.Out() == "":
		return "Own"
	case f.IsBatch() && f.HasFederationRequiresArg():
		return "Own"
	case f.IsBatch() && !f.Object.Root:
		return "Batch"
	case f.IsResolver:
		return "Resolver"
	case f.MethodHasContext || len(f.Args) > 0 || f.IsMethod() && !f.NoErr:
		return "Method"
	default:
		return "Plain"
	}
}

// OwnBatch reports whether gqlgen's function for the field calls a batch resolver.
func (f *field) OwnBatch() bool { return f.Kind() == "Own" && f.IsBatch() && !f.Object.Root }

// Calls reports whether the runtime calls the field's resolver.
func (f *field) Calls() bool { return f.Kind() == "Resolver" || f.Kind() == "Batch" }

// Out is the type of the field for the runtime.
func (f *field) Out() string { return f.object.schema.out(f.TypeReference) }

// Go is the Go type of the field.
func (f *field) Go() string { return goType(f.TypeReference.GO) }

// Abstract is the kind of an interface.
func (f *field) Abstract() string {
	if d := f.TypeReference.Definition; d.Kind == ast.Interface && len(d.Fields) > 0 {
		return string(d.Kind)
	}
	return ""
}

// HasChildren reports whether gqlgen has a function for the contexts of fields of the field's
// object.
func (f *field) HasChildren() bool {
	d := f.TypeReference.Definition
	return d.Kind == ast.Object && len(d.Fields) > 0
}

// Call is the expression that makes the field's value.
func (f *field) Call() string {
	switch {
	case f.IsResolver:
		return fmt.Sprintf("r.%s(%s)", f.GoFieldName, f.CallArgs())
	case f.IsMethod():
		return fmt.Sprintf("%s.%s(%s)", f.GoReceiverName, f.GoFieldName, f.CallArgs())
	default:
		return f.GoReceiverName + "." + f.GoFieldName
	}
}

// BatchCall is the call of a batch resolver.
func (f *field) BatchCall() string {
	return fmt.Sprintf("r.%s(%s)", f.GoFieldName, f.BatchCallArgs("objs", ""))
}

// OffersElements reports whether the field's resolver may offer a sequence of elements, and
// OffersJSON whether it may offer to write JSON. Code for all fields would be long: it is
// there for lists of objects, and for what Query returns.
func (f *field) OffersElements() bool {
	return f.offers() && f.TypeReference.IsSlice() && !f.TypeReference.Elem().IsSlice()
}

// OffersJSON is described above.
func (f *field) OffersJSON() bool { return f.offers() && (f.TypeReference.IsSlice() || f.Object.Root) }

func (f *field) offers() bool {
	return f.Calls() && f.Object.Name != f.object.schema.mutation() &&
		f.TypeReference.Definition.IsCompositeType() && !f.HasFederationRequiresArg()
}

func (s *schema) mutation() string {
	if s.MutationRoot == nil {
		return ""
	}
	return s.MutationRoot.Name
}

// Offer is the name of the interface of what a resolver may offer, without its last part. Only names
// that two fields would have are in two parts: UserPosts.comments and User.postsComments.
func (f *field) Offer() string {
	name := f.object.Name + f.GoFieldName
	if f.object.schema.countOffers()[name] > 1 {
		return f.object.Name + "_" + f.GoFieldName
	}
	return name
}

func (s *schema) countOffers() map[string]int {
	if s.offered == nil {
		s.offered = map[string]int{}
		for _, o := range s.Executed() {
			for _, f := range o.Compiled() {
				if f.OffersElements() || f.OffersJSON() {
					s.offered[o.Name+f.GoFieldName]++
				}
			}
		}
	}
	return s.offered
}

// Unless returns a name for a parameter, or a blank one if an argument has it.
func (f *field) Unless(name string) string {
	if strings.Contains(f.Parameters(), ", "+name+" ") {
		return "_"
	}
	return name
}

// Parameters are those of the resolver behind its context, each with a comma in front.
func (f *field) Parameters() string {
	declaration := f.ShortResolverDeclaration()
	declaration = declaration[:strings.LastIndex(declaration, ") (")]
	return strings.TrimPrefix(declaration, "(ctx context.Context")
}

// Arguments are those for the parameters.
func (f *field) Arguments() string {
	args := f.BatchCallArgs("", "")
	if !f.Object.Root {
		args = f.BatchCallArgs("obj", "")
	}
	return strings.TrimPrefix(args, "ctx")
}

// Elem is the Go type of a list's elements.
func (f *field) Elem() string { return goType(f.TypeReference.Elem().GO) }

// Fresh are the arguments that each call converts.
func (f *field) Fresh() []string {
	var out []string
	for _, a := range f.Args {
		if len(a.ImplDirectives()) > 0 || !isValue(a.TypeReference) {
			out = append(out, a.Name)
		}
	}
	return out
}

// Syntax is how generated code refers to its execution context.
func (f *field) Syntax() *codegen.Data { return f.object.schema.Data }

// Waits reports whether calls may wait for something.
func (f *field) Waits() bool {
	return f.IsConcurrent() || f.Kind() == "Own" && len(f.TypeReference.Definition.Fields) > 0
}

// UsesEC reports whether the call needs the execution context.
func (f *field) UsesEC() bool { return f.GoReceiverName == "ec" }

// CannotFail reports whether the call returns no error.
func (f *field) CannotFail() bool { return !f.IsMethod() || f.NoErr }

// Conditional reports whether an argument has directives, which each call must call.
func (f *field) Conditional() bool {
	return slices.ContainsFunc(f.Args, func(a *codegen.FieldArgument) bool { return len(a.ImplDirectives()) > 0 })
}

// isValue reports whether what an argument is converted to cannot be modified, and the
// conversion has no effects: gqlgen's own scalars.
func isValue(ref *config.TypeReference) bool {
	_, basic := types.Unalias(ref.GO).Underlying().(*types.Basic)
	return basic && builtIn(ref) != "" && !ref.IsOmittable
}

// out returns the expression of an output type for the runtime, "" if it has none.
func (s *schema) out(ref *config.TypeReference) string {
	switch {
	case ref.IsOmittable, ref.IsPtrToSlice(), ref.IsPtrToIntf(), ref.IsPtrToPtr(), ref.IsRoot:
		return ""
	case ref.IsSlice():
		elem := s.out(ref.Elem())
		if elem == "" || ref.Definition.Kind == ast.Enum && strings.Contains(elem, "compiled.Marshal") {
			return ""
		}
		return fmt.Sprintf("compiled.ListOf(%q, %v, %s)", ref.GQL, !ref.IsScalar(), elem)
	}
	switch ref.Definition.Kind {
	case ast.Object:
		return s.outObject(ref)
	case ast.Interface, ast.Union:
		return s.outAbstract(ref)
	case ast.Scalar, ast.Enum:
		return fmt.Sprintf("compiled.Leaf(%q, %s)", ref.GQL, s.put(ref))
	}
	return ""
}

func (s *schema) outObject(ref *config.TypeReference) string {
	o := s.objects[ref.Definition.Name]
	if o == nil || ref.IsMarshaler || ref.Marshaler != nil {
		return ""
	}
	kind, elem := "Value", types.Unalias(ref.GO)
	if p, ok := elem.(*types.Pointer); ok {
		kind, elem = "Pointer", p.Elem()
	}
	if !types.Identical(elem, o.Type) {
		return ""
	}
	return fmt.Sprintf("compiled.%s(%q, %s)", kind, ref.GQL, (&object{o, s}).Var())
}

func (s *schema) outAbstract(ref *config.TypeReference) string {
	i := s.Interfaces[ref.Definition.Name]
	if i == nil || ref.IsMarshaler || ref.Marshaler != nil || !types.Identical(ref.GO, i.Type) {
		return ""
	}
	var cases strings.Builder
	for _, implementor := range s.concrete(i) {
		o := s.objects[implementor.Name]
		if o == nil {
			return ""
		}
		elem, result := types.Unalias(implementor.Type), "c"
		if p, ok := elem.(*types.Pointer); ok {
			elem = p.Elem()
		} else {
			result = "&c"
		}
		if !types.Identical(elem, o.Type) {
			return ""
		}
		fmt.Fprintf(&cases, ",\ncompiled.CaseOf(%s, func(v %s) (%s, bool) { c, ok := v.(%s); return %s, ok })",
			(&object{o, s}).Var(), goType(i.Type), goType(o.Reference()), goType(implementor.Type), result)
	}
	return fmt.Sprintf("compiled.Abstract[%s](%q, %q%s)", goType(i.Type), ref.GQL, i.Name, cases.String())
}

// concrete returns the implementors of an interface, with those of interfaces among them.
func (s *schema) concrete(i *codegen.Interface) []codegen.InterfaceImplementor {
	var out []codegen.InterfaceImplementor
	for _, implementor := range i.Implementors {
		list := []codegen.InterfaceImplementor{implementor}
		if inner := s.Interfaces[implementor.Name]; inner != nil {
			list = s.concrete(inner)
		}
		for _, each := range list {
			known := func(k codegen.InterfaceImplementor) bool { return types.Identical(k.Type, each.Type) }
			if !slices.ContainsFunc(out, known) {
				out = append(out, each)
			}
		}
	}
	return out
}

// put returns the expression that writes a leaf.
func (s *schema) put(ref *config.TypeReference) string {
	base, pointer := types.Unalias(ref.GO), false
	if p, ok := base.(*types.Pointer); ok {
		base, pointer = types.Unalias(p.Elem()), true
	}
	if name := builtIn(ref); name != "" {
		put := "compiled." + name
		if name != "Time" {
			put += "[" + goType(base) + "]"
		}
		if pointer {
			return "compiled.Ptr(" + put + ")"
		}
		return put
	}
	if ref.IsMarshaler && !ref.IsContext {
		switch {
		case pointer && !config.IsNilable(base):
			return fmt.Sprintf("compiled.SelfPtr[%s]", goType(base))
		case !pointer && !config.IsNilable(base):
			return fmt.Sprintf("compiled.Self[%s]", goType(base))
		}
	}
	name := "Marshal"
	if ref.IsContext {
		name = "MarshalContext"
	}
	call := fmt.Sprintf("%s%s(ctx, %snil, v)", s.ECDot(), ref.MarshalFunc(), s.ECArg())
	return fmt.Sprintf("compiled.%s(func(ctx context.Context, c *compiled.Call, v %s) graphql.Marshaler {\n"+
		"ec := c.EC.(*executionContext)\nreturn %s })", name, goType(ref.GO), call)
}

// builtIns are the runtime's functions for gqlgen's marshalers.
var builtIns = map[string]string{
	"MarshalString": "String", "MarshalID": "String", "MarshalBoolean": "Boolean", "MarshalTime": "Time",
	"MarshalInt": "Int", "MarshalInt8": "Int", "MarshalInt16": "Int", "MarshalInt32": "Int", "MarshalInt64": "Int",
	"MarshalUint": "Uint", "MarshalUint8": "Uint", "MarshalUint16": "Uint", "MarshalUint32": "Uint",
	"MarshalUint64": "Uint",
	"MarshalIntID":  "IntID", "MarshalUintID": "UintID", "MarshalFloatContext": "Float",
}

// kinds are the Go types that the functions take.
var kinds = map[string]types.BasicInfo{
	"String": types.IsString, "Boolean": types.IsBoolean, "Int": types.IsInteger, "Uint": types.IsInteger,
	"IntID": types.IsInteger, "UintID": types.IsInteger, "Float": types.IsFloat,
}

// builtIn returns the runtime's function for a leaf that has one of gqlgen's marshalers, or "".
func builtIn(ref *config.TypeReference) string {
	m := ref.Marshaler
	if m == nil || m.Pkg() == nil || m.Pkg().Path() != "github.com/99designs/gqlgen/graphql" {
		return "" // It is the host's.
	}
	if ref.HasEnumValues() || ref.IsMarshaler {
		return ""
	}
	name := builtIns[m.Name()]
	base := types.Unalias(ref.GO)
	if p, ok := base.(*types.Pointer); ok {
		base = types.Unalias(p.Elem())
	}
	if name == "Time" {
		if base.String() != "time.Time" {
			return ""
		}
		return name
	}
	basic, ok := base.Underlying().(*types.Basic)
	if !ok || basic.Info()&kinds[name] == 0 {
		return ""
	}
	unsigned, fits := basic.Info()&types.IsUnsigned != 0, true
	switch name {
	case "Int":
		fits = !unsigned
	case "Uint":
		fits = unsigned
	case "IntID":
		fits = basic.Kind() == types.Int
	case "UintID":
		fits = basic.Kind() == types.Uint
	}
	if !fits {
		return ""
	}
	return name
}

// goType returns a Go type as it is written in the generated file.
func goType(t types.Type) string { return templates.CurrentImports.LookupType(t) }
