package compiled_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/executor"
	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"github.com/gqlboost/gqlboost/contrib/gqlgen/compiled"
	"github.com/gqlboost/gqlboost/contrib/gqlgen/compiled/internal/zoo"
	"github.com/gqlboost/gqlboost/contrib/gqlgen/internal/sink"
	"github.com/gqlboost/gqlboost/contrib/gqlgen/selection"
	"github.com/gqlboost/gqlboost/stream"
)

// client takes a response that is sent while it is made.
type client struct {
	bytes.Buffer
	begun, indirect, whole bool
	broken, gone           error
}

var _ sink.Sink = (*client)(nil)

func (c *client) Direct() bool     { return !c.indirect }
func (c *client) Breaks() bool     { return !c.whole }
func (c *client) Begin() io.Writer { c.begun = true; return c }
func (c *client) Flush() error     { return c.gone }
func (c *client) Break(err error)  { c.broken = err }

func (c *client) Write(b []byte) (int, error) {
	if c.gone != nil {
		return 0, c.gone
	}
	return c.Buffer.Write(b)
}

// executeFor is execute for a client.
func executeFor(c *client, e *executor.Executor, env *zoo.Env, query string, variables map[string]any) answer {
	ctx := zoo.With(graphql.StartOperationTrace(context.Background()), env)
	op, errs := e.CreateOperationContext(ctx, &graphql.RawParams{Query: query, Variables: variables})
	if errs != nil {
		return answer{data: "refused", errors: texts(errs)}
	}
	next, ctx := e.DispatchOperation(ctx, op)
	response := next(sink.With(ctx, c))
	data := string(response.Data)
	if c.begun {
		data += c.String()
	}
	return answer{data, texts(response.Errors), env.Notes()}
}

// TestStreamedOperations compares random operations whose lists are sent while they are made
// with what gqlgen makes of them. A response may be broken off only if gqlgen's is another one
// than what has been sent of it.
func TestStreamedOperations(t *testing.T) {
	n := 500
	if os.Getenv("GQLBOOST_LONG") != "" {
		n = 30_000
	}
	seed := rand.Uint64()
	t.Log("seed", seed)
	p := newPairOf(zoo.Offering{Resolver: &zoo.Resolver{}})
	o := &operations{Rand: rand.New(rand.NewPCG(seed, 1)), schema: p.schema.Schema()}
	begun, broken := 0, 0
	for i := 0; i < n && !t.Failed(); i++ {
		query, variables := o.next()
		compiled.SendEach(p.schema, 1+o.IntN(200))
		env := &zoo.Env{Seed: o.Uint64N(1000), Faults: o.IntN(2) == 0, Look: o.IntN(3) == 0}
		want := execute(p.own, clone(env), query, variables)
		var c client
		got := executeFor(&c, p.compiled, clone(env), query, variables)
		for i := range want.notes { // There is no list that elements could see in their contexts.
			want.notes[i] = lists.ReplaceAllString(want.notes[i], " <nil>")
		}
		for i := range got.notes {
			got.notes[i] = lists.ReplaceAllString(got.notes[i], " <nil>")
		}
		slices.Sort(want.notes)
		slices.Sort(got.notes)
		switch {
		case c.broken != nil:
			if broken++; strings.HasPrefix(want.data, c.String()) {
				t.Errorf("broken off for no reason: %v\n%s\nsent %s\nwant %s", c.broken, query, c.String(), want.data)
			}
		case got.data != want.data || !slices.Equal(got.errors, want.errors) || !slices.Equal(got.notes, want.notes):
			t.Errorf("seed %d faults %v look %v\n%s\nvariables %v\n%s", env.Seed, env.Faults, env.Look, query, variables, difference(got, want))
		case c.begun:
			begun++
		}
	}
	t.Log(begun, broken)
	if begun < n/50 || broken == 0 {
		t.Errorf("of %d operations, %d have been streamed and %d broken off", n, begun, broken)
	}
}

var lists = regexp.MustCompile(` \[\]\S+`)

// TestHeld has what keeps lists from being sent while they are made.
func TestHeld(t *testing.T) {
	const query = `{ plain(n: 1000) { id title } }`
	for reason, c := range map[string]struct {
		query      string
		client     *client
		extensions []graphql.HandlerExtension
	}{
		"":                       {query, &client{}, nil},
		"transport":              {query, nil, nil},
		"response middleware":    {query, &client{indirect: true}, nil},
		"field middleware":       {query, &client{}, []graphql.HandlerExtension{passing{}}},
		"root field middleware":  {query, &client{}, []graphql.HandlerExtension{aroundRoot{}}},
		"inside of another list": {`{ boxes(n: 4) { children { id } } }`, &client{}, nil},
		"client":                 {query, &client{whole: true}, nil},
	} {
		p := newPairOf(zoo.Offering{Resolver: &zoo.Resolver{}}, c.extensions...)
		if reason == "inside of another list" {
			p = newPairOf(onlyBox{zoo.Offering{Resolver: &zoo.Resolver{}}})
		}
		var got answer
		if c.client == nil {
			got = execute(p.compiled, &zoo.Env{}, c.query, nil)
		} else {
			got = executeFor(c.client, p.compiled, &zoo.Env{}, c.query, nil)
		}
		if want := execute(p.own, &zoo.Env{}, c.query, nil); got.data != want.data {
			t.Errorf("%q: %.200s, want %.200s", reason, got.data, want.data)
		}
		want := map[string]uint64{}
		if reason != "" {
			want[reason] = 1
		}
		held := p.schema.(interface{ Held() map[string]uint64 }).Held()
		if !maps.Equal(held, want) || c.client != nil && c.client.begun != (reason == "") {
			t.Errorf("%q: held %v", reason, held)
		}
	}
}

// onlyBox offers nothing at the root.
type onlyBox struct{ zoo.Offering }

func (o onlyBox) Query() zoo.QueryResolver { return o.Resolver.Query() }

// TestClientGoes sees that a sequence ends when the client has gone.
func TestClientGoes(t *testing.T) {
	p := newPairOf(zoo.Offering{Resolver: &zoo.Resolver{}})
	compiled.SendEach(p.schema, 100)
	c := client{gone: io.ErrClosedPipe}
	executeFor(&c, p.compiled, &zoo.Env{}, `{ plain(n: 1000) { id one } }`, nil)
	if !errors.Is(c.broken, io.ErrClosedPipe) || c.Len() > 0 {
		t.Errorf("%v, %d bytes", c.broken, c.Len())
	}
}

// leavingRoot has a sequence that looks at no context, and whose client goes at element 1000.
type leavingRoot struct {
	*zoo.Resolver
	leave func()
	made  *int
}

func (r leavingRoot) Query() zoo.QueryResolver { return leavingQuery{nullQuery{r.Resolver.Query()}, r} }

type leavingQuery struct {
	nullQuery
	root leavingRoot
}

func (q leavingQuery) PlainSeq(_ context.Context, n int) iter.Seq2[*zoo.Plain, error] {
	return func(yield func(*zoo.Plain, error) bool) {
		for i := range n {
			if i == 1000 {
				q.root.leave()
			}
			if *q.root.made++; !yield(&zoo.Plain{ID: i}, nil) {
				return
			}
		}
	}
}

// TestClientOfNullGoes sees that a sequence in an object that is null ends, too, when the client has gone.
func TestClientOfNullGoes(t *testing.T) {
	ctx, leave := context.WithCancel(zoo.With(graphql.StartOperationTrace(t.Context()), &zoo.Env{}))
	defer leave()
	made := 0
	p := newPairOf(leavingRoot{&zoo.Resolver{}, leave, &made})
	op, errs := p.compiled.CreateOperationContext(ctx, &graphql.RawParams{
		Query: `{ mustBox(id: 1) { id } plain(n: 100000) { id } }`,
	})
	if errs != nil {
		t.Fatal(errs)
	}
	next, ctx := p.compiled.DispatchOperation(ctx, op)
	next(sink.With(ctx, &client{}))
	if made < 1000 || made > 2000 {
		t.Errorf("%d elements have been made", made)
	}
}

// TestNullIsKnownBeforeTheList has lists in objects that are null because of another field: the
// client has the error, and no part of the list.
func TestNullIsKnownBeforeTheList(t *testing.T) {
	p := newPairOf(zoo.Offering{Resolver: &zoo.Resolver{}})
	compiled.SendEach(p.schema, 1)
	for _, query := range []string{
		`{ mustBox(id: 5) { id } plain(n: 1000) { id title } }`,
		`{ mustBox(id: 5) { id } plain(n: 1000) { id one } }`, // a sequence
		`{ plain(n: 1000) { id title } mustBox(id: 5) { id } }`,
		`{ plain(n: 1000) { id one } mustBox(id: 9) { mustOwner { id } } }`,
		`{ box(id: 9) { mustOwner { id } children(first: 4) { id } } }`,
		`{ box(id: 9) { children(first: 4) { id } mustOwner { id } } }`,
		`{ box(id: 9) { children(first: 4) { id } ... on Named { ... on Box { mustOwner { id } } } } }`,
	} {
		for seed := range uint64(10) {
			env := &zoo.Env{Seed: seed, Faults: true}
			want := execute(p.own, clone(env), query, nil)
			var c client
			got := executeFor(&c, p.compiled, env, query, nil)
			if c.broken != nil || c.begun || got.data != want.data || !slices.Equal(got.errors, want.errors) {
				t.Errorf("%s: %v after %d bytes\n%s", query, c.broken, c.Len(), difference(got, want))
			}
		}
	}
}

// nullRoot has an object that must not be null, but is.
type nullRoot struct{ *zoo.Resolver }

func (r nullRoot) Query() zoo.QueryResolver { return nullQuery{r.Resolver.Query()} }

type nullQuery struct{ zoo.QueryResolver }

func (nullQuery) MustBox(context.Context, int) (*zoo.Box, error) { return nil, nil }

func (nullQuery) MustBoxJSON(_ context.Context, w *stream.Writer, _ *selection.Selection, _ int) error {
	w.Null()
	return nil
}

func (q nullQuery) PlainSeq(ctx context.Context, n int) iter.Seq2[*zoo.Plain, error] {
	return func(yield func(*zoo.Plain, error) bool) {
		list, _ := q.Plain(ctx, n)
		for _, p := range list {
			if !yield(p, nil) {
				return
			}
		}
	}
}

// TestNullInJSONIsKnown has a null that a resolver has written behind a list.
func TestNullInJSONIsKnown(t *testing.T) {
	const query = `{ plain(n: 1000) { id one } mustBox(id: 1) { id } }`
	p := newPairOf(nullRoot{&zoo.Resolver{}})
	compiled.SendEach(p.schema, 1)
	want := execute(p.own, &zoo.Env{}, query, nil)
	var c client
	got := executeFor(&c, p.compiled, &zoo.Env{}, query, nil)
	if c.broken != nil || c.begun || got.data != want.data || !slices.Equal(got.errors, want.errors) {
		t.Errorf("%v after %d bytes\n%s", c.broken, c.Len(), difference(got, want))
	}
}

// TestSmallResponsesAreWhole sees that errors come first as long as nothing has been sent.
func TestSmallResponsesAreWhole(t *testing.T) {
	p := newPairOf(zoo.Offering{Resolver: &zoo.Resolver{}})
	var c client
	got := executeFor(&c, p.compiled, &zoo.Env{}, `{ plain(n: 2) { id next { title } } }`, nil)
	if c.begun || !json.Valid([]byte(got.data)) {
		t.Error(c.begun, fmt.Sprint(got))
	}
}

// textRoot writes a list whose text is one value of a database.
type textRoot struct {
	*zoo.Resolver
	text string
}

func (r textRoot) Query() zoo.QueryResolver { return textQuery{r.Resolver.Query(), r.text} }

type textQuery struct {
	zoo.QueryResolver
	text string
}

func (q textQuery) PlainJSON(_ context.Context, w *stream.Writer, _ *selection.Selection, _ int) error {
	w.BeginArray()
	w.BeginObject()
	w.Name("title")
	w.Raw([]byte(`"` + q.text + `"`))
	w.EndObject()
	w.EndArray()
	return nil
}

// TestPiecesKeepCharacters sees that characters which two pieces share are whole, and that what
// is no UTF-8 is replaced as in whole responses.
func TestPiecesKeepCharacters(t *testing.T) {
	for _, text := range []string{"\u4e16", "\U0001f600", "\u4e16\xff", "a\u4e16\xe4", "\xf0\x9f\u00e9"} {
		p := newPairOf(textRoot{&zoo.Resolver{}, strings.Repeat(text, 50_000)})
		var c client
		got := executeFor(&c, p.compiled, &zoo.Env{}, `{ plain(n: 1) { title } }`, nil)
		want := `{"plain":[{"title":"` + string(sink.ValidUTF8([]byte(strings.Repeat(text, 50_000)))) + `"}]}`
		if !c.begun || got.data != want {
			t.Errorf("%q: begun %v, %d bytes with %d replaced, want %d with %d", text, c.begun,
				len(got.data), strings.Count(got.data, "\ufffd"), len(want), strings.Count(want, "\ufffd"))
		}
	}
}

// pages and page are a schema of their own: a batch of lists of objects.
type (
	pages struct{}
	page  struct{}
	shelf struct{ declined int }
)

// batchedPages is a schema whose Query.shelf has Shelf.pages, which a batch resolver makes that
// offers JSON and declines all selections.
func batchedPages() *executor.Executor {
	schema := gqlparser.MustLoadSchema(&ast.Source{
		Input: `type Query { shelf: Shelf } type Shelf { pages: [Page!] } type Page { id: String! }`,
	})
	resolvers := func(*compiled.Call) any { return pages{} }
	pageType := compiled.NewObject[*page]("Page", []string{"Page"})
	shelfType := compiled.NewObject[*shelf]("Shelf", []string{"Shelf"})
	query := compiled.NewObject[*compiled.Root]("Query", []string{"Query"})
	compiled.Plain(pageType, compiled.Field{Name: "id", Type: "String!", Named: "String"},
		compiled.Leaf("String!", compiled.String[string]), func(*page) string { return "x" })
	compiled.Batch(shelfType, compiled.Field{Name: "pages", Type: "[Page!]", Named: "Page", Resolver: true, Waits: true},
		compiled.ListOf("[Page!]", true, compiled.Pointer("Page!", pageType)), resolvers,
		func(context.Context, *compiled.Call, any, []*shelf) ([][]*page, error) { return [][]*page{{{}}}, nil })
	compiled.OffersJSON(shelfType, "pages", resolvers,
		func(_ context.Context, _ *compiled.Call, _ pages, _ *stream.Writer, _ *selection.Selection, s *shelf) error {
			s.declined++
			return selection.ErrDeclined
		})
	all := &shelf{}
	compiled.Resolver(query, compiled.Field{Name: "shelf", Type: "Shelf", Named: "Shelf", Resolver: true, Waits: true},
		compiled.Pointer("Shelf", shelfType), resolvers,
		func(context.Context, *compiled.Call, any, *compiled.Root) (*shelf, error) {
			if all.declined > 1 {
				return nil, errors.New("asked again")
			}
			return all, nil
		})
	own := &graphql.ExecutableSchemaMock{SchemaFunc: func() *ast.Schema { return schema }}
	noContext := func(*graphql.OperationContext) any { return nil }
	return newExecutor(compiled.New(own, compiled.Config{Query: query, NewContext: noContext}))
}

// TestBatchDeclines sees that a batch resolver which does not write a selection is called for it.
func TestBatchDeclines(t *testing.T) {
	e := batchedPages()
	for range 3 {
		got := executeFor(&client{}, e, &zoo.Env{}, `{ shelf { pages { id } } }`, nil)
		if got.data != `{"shelf":{"pages":[{"id":"x"}]}}` || len(got.errors) > 0 {
			t.Error(got)
		}
	}
}

// mixedRoot has a list that is written as JSON, and one whose resolver declines to and then fails.
type mixedRoot struct{ *zoo.Resolver }

func (r mixedRoot) Query() zoo.QueryResolver { return mixedQuery{r.Resolver.Query()} }

type mixedQuery struct{ zoo.QueryResolver }

func (mixedQuery) PlainJSON(_ context.Context, w *stream.Writer, _ *selection.Selection, n int) error {
	w.BeginArray()
	for i := range n {
		w.BeginObject()
		w.Name("id")
		w.IntString(int64(i))
		w.EndObject()
	}
	w.EndArray()
	return nil
}

func (mixedQuery) BoxesJSON(context.Context, *stream.Writer, *selection.Selection, int, *zoo.Filter) error {
	return selection.ErrDeclined
}

func (mixedQuery) Boxes(context.Context, int, *zoo.Filter) ([]*zoo.Box, error) {
	return nil, errors.New("no boxes")
}

// TestDeclinedListIsNotStreamed sees that a list whose selection has been declined is made before others
// are sent, as any other field: that it must not be null but is, is known in time.
func TestDeclinedListIsNotStreamed(t *testing.T) {
	const query = `{ plain(n: 1000) { id } boxes { id } }`
	p := newPairOf(mixedRoot{&zoo.Resolver{}})
	compiled.SendEach(p.schema, 1)
	executeFor(&client{}, p.compiled, &zoo.Env{}, query, nil) // It declines.
	want := execute(p.own, &zoo.Env{}, query, nil)
	var c client
	got := executeFor(&c, p.compiled, &zoo.Env{}, query, nil)
	if c.broken != nil || c.begun || got.data != want.data || !slices.Equal(got.errors, want.errors) {
		t.Errorf("%v after %d bytes\n%s", c.broken, c.Len(), difference(got, want))
	}
}

// nanRoot has elements whose marshaler panics when it writes.
type nanRoot struct{ zoo.Offering }

func (r nanRoot) Box() zoo.BoxResolver { return nanBox{r.Offering.Box()} }

type nanBox struct{ zoo.BoxResolver }

func (nanBox) HolesSeq(context.Context, *zoo.Box, int) iter.Seq2[*zoo.Box, error] {
	return func(yield func(*zoo.Box, error) bool) {
		for i := range 10 {
			b := &zoo.Box{Any: "some"}
			if i == 5 {
				b.Any = math.NaN()
			}
			if !yield(b, nil) {
				return
			}
		}
	}
}

// TestMarshalersPanic sees that such a panic is the whole response's, as in gqlgen, also if a part
// has been sent.
func TestMarshalersPanic(t *testing.T) {
	for _, each := range []int{1, 20, 1000} {
		p := newPairOf(nanRoot{zoo.Offering{Resolver: &zoo.Resolver{}}})
		compiled.SendEach(p.schema, each)
		var c client
		var got answer
		panicked := func() (r any) {
			defer func() { r = recover() }()
			got = executeFor(&c, p.compiled, &zoo.Env{}, `{ box(id: 1) { blob holes { any } blob2: blob } }`, nil)
			return nil
		}()
		if panicked == nil || c.begun && c.broken == nil || strings.Contains(c.String(), "blob2") {
			t.Errorf("each %d: %v, begun %v, broken %v: %s", each, panicked, c.begun, c.broken, got.data+c.String())
		}
	}
}

// spoiltRoot has a box with a field that must not be null but is, and another one that panics when it is
// written.
type spoiltRoot struct{ *zoo.Resolver }

func (r spoiltRoot) Query() zoo.QueryResolver { return spoiltQuery{r.Resolver.Query()} }

type spoiltQuery struct{ zoo.QueryResolver }

func (spoiltQuery) Box(context.Context, int) (*zoo.Box, error) { return &zoo.Box{Price: 13}, nil }

func (q spoiltQuery) PlainSeq(ctx context.Context, n int) iter.Seq2[*zoo.Plain, error] {
	return nullQuery(q).PlainSeq(ctx, n)
}

// TestPresenterPanics has an error presenter that panics for the error of a panic, which is then that of
// the object around: a list behind that is sent all the same.
func TestPresenterPanics(t *testing.T) {
	const query = `{ box(id: 1) { must price } plain(n: 1000) { id } }`
	p := newPairOf(spoiltRoot{&zoo.Resolver{}})
	for _, e := range []*executor.Executor{p.own, p.compiled} {
		e.SetErrorPresenter(func(ctx context.Context, err error) *gqlerror.Error {
			if strings.Contains(err.Error(), "thirteen") {
				panic("no such errors")
			}
			return graphql.DefaultErrorPresenter(ctx, err)
		})
	}
	compiled.SendEach(p.schema, 1)
	want := execute(p.own, &zoo.Env{}, query, nil)
	var c client
	got := executeFor(&c, p.compiled, &zoo.Env{}, query, nil)
	if c.broken != nil || !c.begun || got.data != want.data || !slices.Equal(got.errors, want.errors) {
		t.Errorf("%v after %d bytes\n%s", c.broken, c.Len(), difference(got, want))
	}
}

// TestHiddenLists has lists below a field that is selected twice, through interfaces that have
// nothing to do with each other: only the first is written, and the other is not sent.
func TestHiddenLists(t *testing.T) {
	schema := gqlparser.MustLoadSchema(&ast.Source{Input: `
		type Query { desk: Desk } interface A { shelf: Shelf } interface B { shelf: Shelf }
		type Desk implements A & B { shelf: Shelf } type Shelf { pages: [Page] } type Page { id: String! }`})
	resolvers := func(*compiled.Call) any { return sequences{} }
	pageType := compiled.NewObject[*page]("Page", []string{"Page"})
	shelfType := compiled.NewObject[*shelf]("Shelf", []string{"Shelf"})
	desk := compiled.NewObject[*pages]("Desk", []string{"Desk", "A", "B"})
	query := compiled.NewObject[*compiled.Root]("Query", []string{"Query"})
	compiled.Plain(pageType, compiled.Field{Name: "id", Type: "String!", Named: "String"},
		compiled.Leaf("String!", compiled.String[string]), func(*page) string { return "x" })
	compiled.Resolver(shelfType, compiled.Field{Name: "pages", Type: "[Page]", Named: "Page", Resolver: true},
		compiled.ListOf("[Page]", true, compiled.Pointer("Page", pageType)), resolvers,
		func(context.Context, *compiled.Call, any, *shelf) ([]*page, error) { return []*page{{}, {}}, nil })
	compiled.OffersElements(shelfType, "pages", resolvers,
		func(context.Context, *compiled.Call, sequences, *shelf) iter.Seq2[*page, error] {
			return func(yield func(*page, error) bool) {
				for range 2 {
					if !yield(&page{}, nil) {
						return
					}
				}
			}
		})
	compiled.Plain(desk, compiled.Field{Name: "shelf", Type: "Shelf", Named: "Shelf"},
		compiled.Pointer("Shelf", shelfType), func(*pages) *shelf { return &shelf{} })
	compiled.Plain(query, compiled.Field{Name: "desk", Type: "Desk", Named: "Desk"},
		compiled.Pointer("Desk", desk), func(*compiled.Root) *pages { return &pages{} })
	own := &graphql.ExecutableSchemaMock{SchemaFunc: func() *ast.Schema { return schema }}
	noContext := func(*graphql.OperationContext) any { return nil }
	s := compiled.New(own, compiled.Config{Query: query, NewContext: noContext})
	compiled.SendEach(s, 1)
	var c client
	got := executeFor(&c, newExecutor(s), &zoo.Env{},
		`{ desk { ... on A { shelf { pages { id } } } ... on B { shelf { pages { id } } } } }`, nil)
	want := `{"desk":{"shelf":{"pages":[{"id":"x"},{"id":"x"}]}}}`
	if got.data != want || c.broken != nil || !c.begun {
		t.Errorf("begun %v, broken %v: %s", c.begun, c.broken, got.data)
	}
}

// TestSelectionsAreKeptApart has a field of an interface with a resolver for each type. What one
// keeps for its selection is not what the other gets.
func TestSelectionsAreKeptApart(t *testing.T) {
	schema := gqlparser.MustLoadSchema(&ast.Source{Input: `type Query { nodes: [Node] }
		interface Node { next: Node } type A implements Node { next: Node } type B implements Node { next: Node }`})
	resolvers := func(*compiled.Call) any { return nil }
	a := compiled.NewObject[*page]("A", []string{"A", "Node"})
	b := compiled.NewObject[*shelf]("B", []string{"B", "Node"})
	query := compiled.NewObject[*compiled.Root]("Query", []string{"Query"})
	node := compiled.Abstract("Node", "Node",
		compiled.CaseOf(a, func(v any) (*page, bool) { p, ok := v.(*page); return p, ok }),
		compiled.CaseOf(b, func(v any) (*shelf, bool) { s, ok := v.(*shelf); return s, ok }))
	var kept [2]string // The resolvers may run at once.
	keep := func(ctx context.Context, i int, name string) {
		kept[i] = selection.Keep(selection.Of(ctx), "key", func(*selection.Selection) string { return name })
	}
	next := compiled.Field{Name: "next", Type: "Node", Named: "Node", Abstract: "INTERFACE", Resolver: true}
	compiled.Resolver(a, next, node, resolvers, func(ctx context.Context, _ *compiled.Call, _ any, _ *page) (any, error) {
		keep(ctx, 0, "A")
		return nil, nil
	})
	compiled.Resolver(b, next, node, resolvers, func(ctx context.Context, _ *compiled.Call, _ any, _ *shelf) (any, error) {
		keep(ctx, 1, "B")
		return nil, nil
	})
	compiled.Plain(query, compiled.Field{Name: "nodes", Type: "[Node]", Named: "Node", Abstract: "INTERFACE"},
		compiled.ListOf("[Node]", true, node), func(*compiled.Root) []any { return []any{&page{}, &shelf{}} })
	own := &graphql.ExecutableSchemaMock{SchemaFunc: func() *ast.Schema { return schema }}
	noContext := func(*graphql.OperationContext) any { return nil }
	s := compiled.New(own, compiled.Config{Query: query, NewContext: noContext})
	executeFor(&client{}, newExecutor(s), &zoo.Env{}, `{ nodes { next { __typename } } }`, nil)
	if kept != [2]string{"A", "B"} {
		t.Errorf("%q", kept)
	}
}

// sequences are resolvers that offer sequences.
type sequences struct{}

// TestErrorsOfDeclined sees that what a resolver has reported before it declines is forgotten: the
// other method of the field is called.
func TestErrorsOfDeclined(t *testing.T) {
	p := newPairOf(decliningRoot{&zoo.Resolver{}})
	p.check(t, &zoo.Env{}, `{ plain(n: 2) { id } }`, nil)
	p = newPairOf(decliningRoot{&zoo.Resolver{}}) // The other one does not ask again.
	if got := executeFor(&client{}, p.compiled, &zoo.Env{}, `{ plain(n: 2) { id } }`, nil); len(got.errors) > 0 {
		t.Error(got)
	}
}

type decliningRoot struct{ *zoo.Resolver }

func (r decliningRoot) Query() zoo.QueryResolver { return decliningQuery{r.Resolver.Query()} }

type decliningQuery struct{ zoo.QueryResolver }

func (decliningQuery) PlainJSON(_ context.Context, w *stream.Writer, _ *selection.Selection, _ int) error {
	w.Report(errors.New("reported"), nil)
	return selection.ErrDeclined
}

// markedRoot has a list that may be null, unless its resolver says that it must not.
type markedRoot struct{ *zoo.Resolver }

func (r markedRoot) Query() zoo.QueryResolver { return markedQuery{r.Resolver.Query()} }

type markedQuery struct{ zoo.QueryResolver }

func (markedQuery) Animals(ctx context.Context) ([]zoo.Animal, error) {
	graphql.MarkNonNull(ctx)
	return nil, errors.New("marked")
}

func (q markedQuery) AnimalsSeq(ctx context.Context) iter.Seq2[zoo.Animal, error] {
	return func(yield func(zoo.Animal, error) bool) {
		_, err := q.Animals(ctx)
		yield(nil, err)
	}
}

// markedJSON writes the list as JSON.
type markedJSON struct{ markedRoot }

func (r markedJSON) Query() zoo.QueryResolver {
	return markedJSONQuery{markedQuery{r.Resolver.Query()}}
}

type markedJSONQuery struct{ markedQuery }

func (q markedJSONQuery) AnimalsJSON(ctx context.Context, _ *stream.Writer, _ *selection.Selection) error {
	_, err := q.Animals(ctx)
	return err
}

// TestStreamedListIsMarked has such lists that fail: the null is that of the object around them.
func TestStreamedListIsMarked(t *testing.T) {
	const query = `{ count animals { id } }`
	for name, root := range map[string]zoo.ResolverRoot{
		"sequence": markedRoot{&zoo.Resolver{}}, "JSON": markedJSON{markedRoot{&zoo.Resolver{}}},
	} {
		p := newPairOf(root)
		want := execute(p.own, &zoo.Env{}, query, nil)
		got := executeFor(&client{}, p.compiled, &zoo.Env{}, query, nil)
		if got.data != want.data || !slices.Equal(got.errors, want.errors) {
			t.Errorf("%s\n%s", name, difference(got, want))
		}
	}
}
