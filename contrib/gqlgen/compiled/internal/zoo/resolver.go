package zoo

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
	"sync"

	"github.com/99designs/gqlgen/graphql"

	"github.com/gqlboost/gqlboost/contrib/gqlgen/selection"
	"github.com/gqlboost/gqlboost/pool/dataloader"
)

// Env is what the resolvers of a request do.
type Env struct {
	// Seed decides about values and faults.
	Seed uint64
	// Faults says whether there are any.
	Faults bool
	// Look says that resolvers look at their contexts, and note what they see.
	Look bool
	// Loader is what Plain.loaded loads from, if it is not nil.
	Loader *dataloader.Loader[int, string]
	// Stop is called by the call of a resolver with the number StopAt, from 1 on.
	Stop   func()
	StopAt int
	// Ended are the calls that fail because their context has ended, by path. Those that find
	// theirs ended are added.
	Ended map[string]error

	mu      sync.Mutex
	notes   []string
	calls   int
	counter Counter
}

type envKey struct{}

// With returns a context with an Env.
func With(ctx context.Context, e *Env) context.Context { return context.WithValue(ctx, envKey{}, e) }

func env(ctx context.Context) *Env { return ctx.Value(envKey{}).(*Env) }

// From returns the Env of a context.
func From(ctx context.Context) *Env { return env(ctx) }

// Hash returns a number that depends on the seed and a text.
func (e *Env) Hash(text string) int { return e.hash(text, 0) }

// See notes what a context says.
func (e *Env) See(ctx context.Context, name string) { e.look(ctx, name) }

// Notes returns what has been noted, in order.
func (e *Env) Notes() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	slices.Sort(e.notes)
	return e.notes
}

// Note notes a line.
func (e *Env) Note(format string, args ...any) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.notes = append(e.notes, fmt.Sprintf(format, args...))
}

func (e *Env) hash(name string, id int) int {
	h := fnv.New32a()
	fmt.Fprintf(h, "%d %s %d", e.Seed, name, id)
	return int(h.Sum32() >> 1)
}

// call is what each call of a resolver begins with.
func (e *Env) call(ctx context.Context, name string, id int, args ...any) error {
	e.Note("%s %d %v", name, id, args)
	if e.Look && e.hash("look", id)%2 == 0 {
		e.look(ctx, name)
	}
	if err := e.ended(ctx); err != nil {
		return err
	}
	return e.fault(ctx, name, id)
}

// ended ends the request's context if it is time, and returns the error of a call whose context
// has ended.
func (e *Env) ended(ctx context.Context) error {
	e.mu.Lock()
	e.calls++
	stop := e.Stop != nil && e.calls == e.StopAt
	e.mu.Unlock()
	if stop {
		e.Stop()
	}
	path, err := graphql.GetPath(ctx).String(), ctx.Err()
	e.mu.Lock()
	defer e.mu.Unlock()
	if err != nil {
		if e.Ended == nil {
			e.Ended = map[string]error{}
		}
		e.Ended[path] = err
	}
	return e.Ended[path]
}

// look notes what a context says.
func (e *Env) look(ctx context.Context, name string) {
	fc := graphql.GetFieldContext(ctx)
	line := fmt.Sprintf("%s at %v: %s.%s %v %v args %v", name, graphql.GetPath(ctx), fc.Object, fc.Field.Name, fc.IsMethod,
		fc.IsResolver, describe(fc.Args))
	for parent := fc.Parent; parent != nil; parent = parent.Parent {
		line += fmt.Sprintf(" < %s %v %T", parent.Object, parent.Index, parent.Result)
		if parent.Field.Field != nil {
			line += " " + parent.Field.Name
		}
	}
	names := []string{}
	for _, f := range graphql.CollectFieldsCtx(ctx, nil) {
		names = append(names, f.Alias)
		if child, err := fc.Child(ctx, f); err == nil {
			names = append(names, child.Object)
		} else {
			names = append(names, err.Error())
		}
	}
	for _, f := range selection.Of(ctx).Fields {
		names = append(names, fmt.Sprint(f.Alias, " of ", f.On, " with ", len(f.Selection.Fields)))
	}
	root := graphql.GetRootFieldContext(ctx)
	e.Note("%s fields %s root %s %s op %s", pointers(line), strings.Join(names, " "), root.Object, root.Field.Alias,
		graphql.GetOperationContext(ctx).OperationName)
}

func describe(args map[string]any) string {
	out := []string{}
	for name, v := range args {
		switch v := v.(type) {
		case *int:
			if v != nil {
				out = append(out, fmt.Sprint(name, " *", *v))
			}
		case *Filter:
			if v != nil {
				out = append(out, name+" "+v.text())
			}
		case *bool, *float64, *Color:
		default:
			out = append(out, fmt.Sprint(name, " ", v))
		}
	}
	slices.Sort(out)
	return strings.Join(out, ",")
}

// pointers removes addresses.
func pointers(s string) string {
	var out []string
	for _, word := range strings.Fields(s) {
		if strings.HasPrefix(word, "0x") {
			word = "index"
		}
		out = append(out, word)
	}
	return strings.Join(out, " ")
}

func (f *Filter) text() string {
	if f == nil {
		return "none"
	}
	color := "none"
	if f.Color != nil {
		color = f.Color.String()
	}
	return fmt.Sprint(color, f.Min, f.Names, f.Inner.text())
}

// Resolver is the root of the resolvers.
type Resolver struct{}

// Box returns the resolvers of Box, and the others likewise.
func (r *Resolver) Box() BoxResolver                   { return boxResolver{} }
func (r *Resolver) Cat() CatResolver                   { return catResolver{} }
func (r *Resolver) Dog() DogResolver                   { return dogResolver{} }
func (r *Resolver) Plain() PlainResolver               { return plainResolver{} }
func (r *Resolver) Query() QueryResolver               { return queryResolver{} }
func (r *Resolver) QueryShelf() QueryShelfResolver     { return shelfResolver{} }
func (r *Resolver) Mutation() MutationResolver         { return mutationResolver{} }
func (r *Resolver) Subscription() SubscriptionResolver { return subscriptionResolver{} }

type (
	boxResolver          struct{}
	catResolver          struct{}
	dogResolver          struct{}
	plainResolver        struct{}
	queryResolver        struct{}
	shelfResolver        struct{}
	mutationResolver     struct{}
	subscriptionResolver struct{}
)

func (boxResolver) Parent(ctx context.Context, b *Box) (*Box, error) {
	err := b.env.call(ctx, "parent", b.ID)
	if b.ID%7 == 0 {
		return nil, err
	}
	return b.env.box(b.ID / 2), err
}

func (e *Env) boxes(name string, id, n int) []*Box {
	out := []*Box{}
	for _, id := range e.list(name, id, n%5) {
		out = append(out, e.box(id))
	}
	return out
}

func (boxResolver) Children(ctx context.Context, b *Box, first int, after *int) ([]*Box, error) {
	from := -1
	if after != nil {
		from = *after
		*after++ // A resolver may do what it likes with its own arguments.
	}
	return b.env.boxes("children", b.ID, first), b.env.call(ctx, "children", b.ID, first, from)
}

func (e *Env) holes(name string, id, n int) []*Box {
	out := e.boxes(name, id, n)
	for i := range out {
		if out[i].ID%3 == 0 {
			out[i] = nil
		}
	}
	if id%6 == 0 {
		return nil
	}
	return out
}

func (boxResolver) Holes(ctx context.Context, b *Box, first int) ([]*Box, error) {
	return b.env.holes("holes", b.ID, first), b.env.call(ctx, "holes", b.ID)
}

func (boxResolver) StrictHoles(ctx context.Context, b *Box) ([]*Box, error) {
	if !b.env.Faults {
		return b.env.boxes("strict", b.ID, 2), nil
	}
	return b.env.holes("strictHoles", b.ID, 3), b.env.call(ctx, "strictHoles", b.ID)
}

func (boxResolver) Grid(ctx context.Context, b *Box) ([][]*Box, error) {
	return [][]*Box{b.env.boxes("grid", b.ID, 2), nil, {}, b.env.boxes("grid", b.ID+1, 3)}[:b.ID%5],
		b.env.call(ctx, "grid", b.ID)
}

func (boxResolver) Thing(ctx context.Context, b *Box) (Thing, error) {
	if b.ID%4 == 0 {
		return nil, b.env.call(ctx, "thing", b.ID)
	}
	return b.env.thing(b.ID), b.env.call(ctx, "thing", b.ID)
}

func (boxResolver) Things(ctx context.Context, b *Box) ([]Thing, error) {
	out := []Thing{}
	for _, id := range b.env.list("things", b.ID, b.ID%5) {
		out = append(out, b.env.thing(id))
	}
	return out, b.env.call(ctx, "things", b.ID)
}

func (boxResolver) Animal(ctx context.Context, b *Box) (Animal, error) {
	return b.env.animal(b.ID), b.env.call(ctx, "animal", b.ID)
}

func (boxResolver) Text(ctx context.Context, b *Box, input *Filter, shout *bool) (string, error) {
	return input.text() + fmt.Sprint(shout != nil), b.env.call(ctx, "text", b.ID, input.text())
}

func (boxResolver) Nothing(ctx context.Context, b *Box) (*string, error) {
	return nil, b.env.call(ctx, "nothing", b.ID)
}

func (boxResolver) Limited(ctx context.Context, b *Box, n *int) (*int, error) {
	return n, b.env.call(ctx, "limited", b.ID)
}

// batch is what a batch resolver does for the errors of its results.
func batch[V any](name string, objs []*Box, one func(*Box) V) ([]V, error) {
	var e *Env
	out, errs, failed := make([]V, len(objs)), make(graphql.BatchErrorList, len(objs)), false
	for i, b := range objs {
		if b == nil {
			continue // gqlgen passes them.
		}
		e = b.env
		out[i] = one(b)
		e.Note("%s %d", name, b.ID)
		if h := e.hash(name, b.ID); e.Faults && h%9 == 0 {
			errs[i], failed = fmt.Errorf("%s of %d", name, b.ID), true
		}
	}
	if e != nil && e.Faults && e.hash(name, 0)%12 == 0 {
		return nil, errors.New("all of " + name)
	}
	if failed {
		return out, errs
	}
	return out, nil
}

func (boxResolver) Owner(ctx context.Context, objs []*Box) ([]*Person, error) {
	return batch("owner", objs, func(b *Box) *Person {
		if b.ID%4 == 0 {
			return nil
		}
		return b.env.person(b.ID)
	})
}

func (boxResolver) MustOwner(ctx context.Context, objs []*Box) ([]*Person, error) {
	return batch("mustOwner", objs, func(b *Box) *Person {
		if b.env.Faults && b.ID%9 == 0 {
			return nil
		}
		return b.env.person(b.ID)
	})
}

func (boxResolver) Scores(ctx context.Context, objs []*Box, base int) ([][]int, error) {
	return batch("scores", objs, func(b *Box) []int { return []int{base, b.ID, 3}[:b.ID%4] })
}

func (boxResolver) Ranked(ctx context.Context, objs []*Box, filter *Filter) ([]*int, error) {
	return batch("ranked", objs, func(b *Box) *int {
		if filter == nil {
			return nil
		}
		n := b.ID + filter.Min
		return &n
	})
}

func (boxResolver) LoudOwner(ctx context.Context, objs []*Box) ([]*Person, error) {
	return batch("loudOwner", objs, func(b *Box) *Person { return b.env.person(b.ID) })
}

func (boxResolver) LoudScores(ctx context.Context, objs []*Box, base int) ([][]int, error) {
	return batch("loudScores", objs, func(b *Box) []int { return []int{base, b.ID, 3}[:b.ID%4] })
}

func (catResolver) Owner(ctx context.Context, objs []*Cat) ([]*Person, error) {
	out := make([]*Person, len(objs))
	for i, c := range objs {
		out[i] = c.env.person(c.ID)
		c.env.Note("cat owner %d", c.ID)
	}
	return out, nil
}

func (dogResolver) Friend(ctx context.Context, d *Dog) (Animal, error) {
	return d.env.animal(d.ID + 5), d.env.call(ctx, "friend", d.ID)
}

func (dogResolver) Home(ctx context.Context, d *Dog) (*Box, error) {
	if d.env.Faults && d.ID%6 == 0 {
		return nil, d.env.call(ctx, "home", d.ID)
	}
	return d.env.box(d.ID), d.env.call(ctx, "home", d.ID)
}

func (dogResolver) Toys(ctx context.Context, d *Dog, first int) ([]*Box, error) {
	return d.env.boxes("toys", d.ID, first), d.env.call(ctx, "toys", d.ID, first)
}

func (plainResolver) One(_ context.Context, p *Plain) (int, error) { return p.ID, nil }

func (plainResolver) Two(_ context.Context, p *Plain, n int) (*string, error) {
	return &p.Title, nil
}

func (plainResolver) Loaded(ctx context.Context, p *Plain) (string, error) {
	if l := env(ctx).Loader; l != nil {
		return l.Load(ctx, p.ID)
	}
	return "", nil
}

func (plainResolver) Next(_ context.Context, p *Plain) (*Plain, error) { return p, nil }

var plain = func() (out []*Plain) {
	for i := range 1000 {
		out = append(out, &Plain{i, i * 7, fmt.Sprint("The title of number ", i), float64(i) / 8, i%2 == 0})
	}
	return out
}()

func (queryResolver) Plain(_ context.Context, n int) ([]*Plain, error) { return plain[:n], nil }

func (queryResolver) Box(ctx context.Context, id int) (*Box, error) {
	return env(ctx).box(id), env(ctx).call(ctx, "Query.box", id)
}

func (queryResolver) MustBox(ctx context.Context, id int) (*Box, error) {
	if id%5 == 0 && env(ctx).Faults {
		return nil, nil
	}
	return env(ctx).box(id), env(ctx).call(ctx, "Query.mustBox", id)
}

func (queryResolver) Boxes(ctx context.Context, n int, filter *Filter) ([]*Box, error) {
	return env(ctx).boxes("boxes", n, n), env(ctx).call(ctx, "Query.boxes", n, filter.text())
}

func (queryResolver) Animal(ctx context.Context, id int) (Animal, error) {
	return env(ctx).animal(id), env(ctx).call(ctx, "Query.animal", id)
}

func (queryResolver) Animals(ctx context.Context) ([]Animal, error) {
	e := env(ctx)
	out := []Animal{}
	for _, id := range e.list("animals", 0, 4) {
		out = append(out, e.animal(id))
	}
	return out, e.call(ctx, "Query.animals", 0)
}

func (queryResolver) Thing(ctx context.Context, id int) (Thing, error) {
	return env(ctx).thing(id), env(ctx).call(ctx, "Query.thing", id)
}

func (queryResolver) Things(ctx context.Context) ([]Thing, error) {
	e := env(ctx)
	return []Thing{e.thing(1), nil, e.thing(2), e.thing(3)}, e.call(ctx, "Query.things", 0)
}

func (queryResolver) Named(ctx context.Context) ([]Named, error) {
	e := env(ctx)
	return []Named{e.box(1), e.person(2), Cat{e, 3, nil, 9}, &Dog{e, 4, nil, true}, e.box(5)},
		e.call(ctx, "Query.named", 0)
}

func (queryResolver) ShelfBoxes(ctx context.Context, s, w int) ([]*Box, error) {
	return env(ctx).boxes("shelf", s, w), env(ctx).call(ctx, "Query.shelfBoxes", s, w)
}

func (queryResolver) Shelf(ctx context.Context) (*QueryShelf, error) {
	return &QueryShelf{env(ctx)}, env(ctx).call(ctx, "Query.shelf", 0)
}

func (shelfResolver) Boxes(ctx context.Context, s *QueryShelf) ([]*Box, error) {
	return s.env.boxes("shelf", 0, 3), s.env.call(ctx, "QueryShelf.boxes", 0)
}

func (queryResolver) Count(ctx context.Context, color *Color) (int, error) {
	return env(ctx).hash("count", 0), env(ctx).call(ctx, "Query.count", 0)
}

func (queryResolver) Greeting(ctx context.Context, name string) (*string, error) {
	return &name, env(ctx).call(ctx, "Query.greeting", len(name))
}

func (mutationResolver) Touch(ctx context.Context, id int) (*Box, error) {
	return env(ctx).box(id), env(ctx).call(ctx, "touch", id)
}

func (mutationResolver) Add(ctx context.Context, by int) (*Counter, error) {
	e := env(ctx)
	e.counter.Value += by
	return &e.counter, e.call(ctx, "add", e.counter.Value)
}

func (mutationResolver) Fail(context.Context) (*Box, error) { return nil, errors.New("never") }

func (subscriptionResolver) Ticks(ctx context.Context, n int) (<-chan *Box, error) {
	out := make(chan *Box, n)
	for i := range n {
		out <- env(ctx).box(i)
	}
	close(out)
	return out, nil
}

// Directives returns the schema's directives.
func Directives() DirectiveRoot {
	return DirectiveRoot{
		Upper: func(ctx context.Context, obj any, next graphql.Resolver) (any, error) {
			v, err := next(ctx)
			if s, ok := v.(string); ok {
				v = strings.ToUpper(s)
			}
			return v, err
		},
		Limit: func(ctx context.Context, obj any, next graphql.Resolver, limit int) (any, error) {
			v, err := next(ctx)
			env(ctx).Note("limit at %v", graphql.GetPath(ctx))
			if n, ok := v.(*int); ok && n != nil && *n > limit {
				return nil, fmt.Errorf("%d is more than %d", *n, limit)
			}
			return v, err
		},
		Mark: func(ctx context.Context, obj any, next graphql.Resolver, with *string) (any, error) {
			env(ctx).Note("mark at %v", graphql.GetPath(ctx))
			return next(ctx)
		},
		Traced: func(ctx context.Context, obj any, next graphql.Resolver) (any, error) { return next(ctx) },
	}
}
