package pages

import (
	"go/ast"
	"go/parser"
	"go/token"
	slash "path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// public are the folders whose exported names docs/api.md is about.
func public(file string) bool {
	switch dir := slash.Dir(file); {
	case !strings.HasSuffix(file, ".go"), strings.HasSuffix(file, "_test.go"), strings.HasSuffix(file, "_gen.go"):
		return false
	case strings.Contains("/"+dir+"/", "/internal/"), strings.Contains("/"+dir+"/", "/testdata/"),
		strings.Contains("/"+dir+"/", "/cmd/"), strings.Contains(dir, "_generate"):
		return false
	default:
		first, _, _ := strings.Cut(dir, "/")
		return first != "examples" && first != "benchmarks" && first != "internal"
	}
}

// api is the exported API of one file.
type api struct {
	*testing.T
	path    string // of the file
	pkg     string // name of the package
	imports map[string]string
	fset    *token.FileSet
}

func (a *api) complain(at ast.Node, format string, args ...any) {
	a.Helper()
	a.Errorf("%s:%d: "+format+": see docs/api.md", append([]any{a.path, a.fset.Position(at.Pos()).Line}, args...)...)
}

// TestAPI checks the rules of docs/api.md that can be checked.
func TestAPI(t *testing.T) {
	closed := map[string]string{}  // folder to where its ErrClosed is
	handles := map[string]string{} // types with state that is not exported, and their comments
	methods := map[string]map[string]bool{}
	pointers := map[string]bool{} // types whose methods have pointers as receivers
	walk(t, func(file string) {
		if !public(file) {
			return
		}
		fset := token.NewFileSet()
		f, err := parser.ParseFile(fset, filepath.Join(root, file), nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		a := &api{T: t, path: file, pkg: f.Name.Name, imports: importsOf(f), fset: fset}
		for _, decl := range f.Decls {
			switch decl := decl.(type) {
			case *ast.FuncDecl:
				receiver := receiverOf(decl)
				if !decl.Name.IsExported() || decl.Recv != nil && !ast.IsExported(receiver) {
					continue
				}
				a.function(decl.Doc, decl.Name, decl.Type, receiver)
				of := slash.Dir(file) + "." + receiver
				if methods[of] == nil {
					methods[of] = map[string]bool{}
				}
				methods[of][decl.Name.Name] = true
				if decl.Recv != nil {
					_, pointers[of] = decl.Recv.List[0].Type.(*ast.StarExpr)
				}
			case *ast.GenDecl:
				for _, spec := range decl.Specs {
					a.spec(decl, spec, closed)
					if name, comment, ok := stateful(decl, spec); ok {
						handles[slash.Dir(file)+"."+name] = comment
					}
				}
			}
		}
	})
	for of, comment := range handles {
		if pointers[of] && !strings.HasSuffix(of, "Error") && !strings.Contains(comment, "concurren") && !strings.Contains(comment, "goroutine") {
			t.Errorf("%s does not say whether it is safe for concurrent use: see docs/api.md", of)
		}
	}
	for of, names := range methods {
		for name := range names {
			for _, suffix := range []string{"Key", "Keys", "Context", "WithConfig", "WithOptions"} {
				if names[name+suffix] && !slices.Contains(pairsOfOthers, of+" "+name+suffix) {
					t.Errorf("%s has %s and %[2]s%[3]s: one form will do, see docs/api.md", of, name, suffix)
				}
			}
		}
	}
	if len(methods) < 50 || len(closed) < 4 || len(handles) < 20 {
		t.Errorf("only %d types have methods, %d state, and %d packages an ErrClosed: has the check lost its files?",
			len(methods), len(handles), len(closed))
	}
}

// stateful returns an exported struct type with fields that are not exported, and its comment.
func stateful(decl *ast.GenDecl, spec ast.Spec) (name, comment string, ok bool) {
	t, _ := spec.(*ast.TypeSpec)
	if t == nil || !t.Name.IsExported() {
		return "", "", false
	}
	s, _ := t.Type.(*ast.StructType)
	if s == nil {
		return "", "", false
	}
	for _, field := range s.Fields.List {
		ok = ok || slices.ContainsFunc(field.Names, func(n *ast.Ident) bool { return !n.IsExported() })
	}
	return t.Name.Name, decl.Doc.Text() + t.Doc.Text(), ok
}

// pairsOfOthers are the pairs that what we stand in for has.
var pairsOfOthers = []string{
	"pool. NewWithConfig",                     // pgxpool's
	"contrib/gqlgen/compiled. MarshalContext", // gqlgen's generated code has both
}

func importsOf(f *ast.File) map[string]string {
	imports := map[string]string{}
	for _, i := range f.Imports {
		importPath := strings.Trim(i.Path.Value, `"`)
		name := slash.Base(importPath)
		if strings.HasPrefix(name, "v") && strings.Trim(name[1:], "0123456789") == "" {
			name = slash.Base(slash.Dir(importPath))
		}
		if i.Name != nil {
			name = i.Name.Name
		}
		imports[name] = importPath
	}
	return imports
}

func receiverOf(f *ast.FuncDecl) string {
	if f.Recv == nil {
		return ""
	}
	t := f.Recv.List[0].Type
	for {
		switch of := t.(type) {
		case *ast.StarExpr:
			t = of.X
		case *ast.IndexExpr:
			t = of.X
		case *ast.IndexListExpr:
			t = of.X
		default:
			name, _ := t.(*ast.Ident)
			return name.Name
		}
	}
}

// function checks an exported function or method.
func (a *api) function(doc *ast.CommentGroup, name *ast.Ident, f *ast.FuncType, receiver string) {
	if !strings.HasPrefix(doc.Text(), name.Name) {
		a.complain(name, "the comment of %s does not begin with its name", name.Name)
	}
	n := 0
	for _, p := range f.Params.List {
		if a.isContext(p.Type) && n > 0 {
			a.complain(name, "%s: the context comes first", name.Name)
		}
		n += max(len(p.Names), 1)
	}
	if name.Name == "Close" && receiver != "" && (n > 0 || f.Results != nil && (len(f.Results.List) > 1 || !isError(f.Results.List[0].Type))) {
		a.complain(name, "Close has no parameters, and returns an error or nothing")
	}
	a.types(f)
}

func (a *api) isContext(e ast.Expr) bool {
	sel, ok := e.(*ast.SelectorExpr)
	if !ok {
		return false
	}
	x, ok := sel.X.(*ast.Ident)
	return ok && a.imports[x.Name] == "context" && sel.Sel.Name == "Context"
}

func isError(e ast.Expr) bool {
	name, ok := e.(*ast.Ident)
	return ok && name.Name == "error"
}

// spec checks an exported type, variable or constant.
func (a *api) spec(decl *ast.GenDecl, spec ast.Spec, closed map[string]string) {
	switch spec := spec.(type) {
	case *ast.TypeSpec:
		name := spec.Name.Name
		if !spec.Name.IsExported() {
			return
		}
		if decl.Doc == nil && spec.Doc == nil {
			a.complain(spec, "%s has no comment", name)
		}
		if strings.HasSuffix(name, "Config") && !slices.Contains(configs, a.pkg+"."+name) {
			a.complain(spec, "%s is to be Options", name)
		}
		if s, ok := spec.Type.(*ast.StructType); ok {
			for _, field := range s.Fields.List {
				if len(field.Names) == 0 || slices.ContainsFunc(field.Names, (*ast.Ident).IsExported) {
					a.types(field.Type)
				}
			}
		} else {
			a.types(spec.Type)
		}
	case *ast.ValueSpec:
		for i, name := range spec.Names {
			if name.Name == "ErrClosed" {
				dir := slash.Dir(a.path)
				if closed[dir] != "" {
					a.complain(name, "a package has one ErrClosed, and there is one in %s", closed[dir])
				}
				closed[dir] = a.path
			}
			if decl.Tok == token.VAR && strings.HasPrefix(name.Name, "Err") && i < len(spec.Values) {
				a.message(spec.Values[i])
			}
		}
	}
}

// configs are the types named after pgx's, and what gqlgen's generated code is named after.
var configs = []string{"pool.Config", "pool.ReaderConfig", "reader.Config", "compiled.Config"}

// message checks that the text of an exported error begins with the package.
func (a *api) message(value ast.Expr) {
	call, ok := value.(*ast.CallExpr)
	if !ok || len(call.Args) == 0 {
		return
	}
	text, ok := call.Args[0].(*ast.BasicLit)
	if ok && text.Value == `"PersistedQueryNotFound"` {
		return // the protocol's
	}
	if ok && !strings.HasPrefix(text.Value, `"`+a.pkg+": ") && a.pkg != "reader" { // The Reader is the pool's.
		a.complain(value, "the text of an error begins with %q", a.pkg+": ")
	}
}

// types checks that no types of third parties are in the API.
func (a *api) types(n ast.Node) {
	ast.Inspect(n, func(n ast.Node) bool {
		sel, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		x, ok := sel.X.(*ast.Ident)
		if !ok || !sel.Sel.IsExported() {
			return true
		}
		of := a.imports[x.Name]
		if first, _, _ := strings.Cut(of, "/"); !strings.Contains(first, ".") || strings.HasPrefix(of, "github.com/gqlboost/gqlboost") {
			return true
		}
		if !slices.ContainsFunc(thirdParties[a.module()], func(prefix string) bool { return strings.HasPrefix(of, prefix) }) {
			a.complain(sel, "%s.%s is a type of %s", x.Name, sel.Sel.Name, of)
		}
		return true
	})
}

// module is the part of the tree that a file is in.
func (a *api) module() string {
	first, rest, _ := strings.Cut(slash.Dir(a.path), "/")
	if first != "contrib" {
		return first
	}
	second, _, _ := strings.Cut(rest, "/")
	return first + "/" + second
}

// thirdParties are the modules whose types the API of each part may have: those that it is an
// adapter of, or stands in for.
var thirdParties = map[string][]string{
	"pool":                 {"github.com/jackc/pgx/v5"},
	"arena":                {"github.com/valyala/bytebufferpool"},
	"stream":               {"github.com/jackc/pgx/v5", "github.com/valyala/bytebufferpool"},
	"contrib/gqlgen":       {"github.com/99designs/gqlgen", "github.com/vektah/gqlparser/v2"},
	"contrib/graphqlgo":    {"github.com/graphql-go/graphql"},
	"contrib/graphgophers": {"github.com/graph-gophers/graphql-go"},
	"contrib/redisstore":   {"github.com/redis/rueidis"},
	"contrib/pgnotify":     {"github.com/jackc/pgx/v5"},
	"contrib/prom":         {"github.com/prometheus/client_golang"},
	"contrib/otel":         {"go.opentelemetry.io/otel"},
}
