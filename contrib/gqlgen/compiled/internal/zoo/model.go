// Package zoo is a schema with everything in it that an executor must get right, and
// resolvers whose faults depend on a seed: with the same seed they do the same for any caller
// and in any order.
package zoo

//go:generate go run github.com/gqlboost/gqlboost/contrib/gqlgen/compile/cmd/gqlgen-compile

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

// Box has most of the fields.
type Box struct {
	env *Env

	ID         int
	Name       *string
	Label      string
	Note       *string
	Must       *string
	Weight     float64
	At         time.Time
	Until      *time.Time
	Color      Color
	MaybeColor *Color
	Colors     []Color
	Tags       []string
	MaybeTags  []*string
	StrictTags []*string
	Matrix     [][]int
	Loose      [][]*int
	Price      Cents
	MaybePrice *Cents
	Where      Point
	MaybeWhere *Point
	Blob       Blob
	Any        any
	Loud       string
}

// Dog is an Animal whose methods have pointer receivers.
type Dog struct {
	env   *Env
	ID    int
	Name  *string
	Barks bool
}

// Cat is an Animal by value.
type Cat struct {
	env   *Env
	ID    int
	Name  *string
	Lives int
}

// Person has a batch of owners.
type Person struct {
	env   *Env
	ID    int
	Name  *string
	Color Color
}

// Leaf is held by value.
type Leaf struct {
	env  *Env
	Size int
}

// Plain is what benchmarks read.
type Plain struct {
	ID, Views int
	Title     string
	Score     float64
	Done      bool
}

// QueryShelf has boxes.
type QueryShelf struct{ env *Env }

// Counter is shared by the mutations of a request.
type Counter struct{ Value int }

// Twice is a method of a model.
func (c *Counter) Twice() int { return 2 * c.Value }

// Named is the interface of the schema.
type Named interface{ IsNamed() }

// Animal is the interface of the schema.
type Animal interface {
	IsNamed()
	IsAnimal()
}

// Thing is the union of the schema.
type Thing interface{ IsThing() }

// IsNamed and the likes say what is what.
func (*Box) IsNamed()    {}
func (*Dog) IsNamed()    {}
func (Cat) IsNamed()     {}
func (*Person) IsNamed() {}
func (*Dog) IsAnimal()   {}
func (Cat) IsAnimal()    {}
func (*Dog) IsThing()    {}
func (*Box) IsThing()    {}
func (*Person) IsThing() {}

// Fish is an Animal that the schema does not know. Fields with one panic.
type Fish struct{}

func (Fish) IsNamed()  {}
func (Fish) IsAnimal() {}

// Ghost is an Animal that the schema does not know, and writes itself.
type Ghost struct{ Fish }

// MarshalGQL implements graphql.Marshaler.
func (Ghost) MarshalGQL(w io.Writer) { _, _ = io.WriteString(w, `{"ghost":true}`) }

// Cents is what Money is held by.
type Cents int

// MarshalMoney writes a Money. It panics for 13, and makes null of 0.
func MarshalMoney(c Cents) graphql.Marshaler {
	switch c {
	case 13:
		panic("thirteen cents")
	case 0:
		return graphql.Null
	}
	return graphql.WriterFunc(func(w io.Writer) { fmt.Fprintf(w, `"%d.%02d"`, c/100, c%100) })
}

// UnmarshalMoney reads a Money.
func UnmarshalMoney(v any) (Cents, error) { return 0, fmt.Errorf("%v is no Money", v) }

// Point writes itself.
type Point struct{ X, Y int }

// MarshalGQL implements graphql.Marshaler.
func (p Point) MarshalGQL(w io.Writer) { fmt.Fprintf(w, "[%d,%d]", p.X, p.Y) }

// UnmarshalGQL implements graphql.Unmarshaler.
func (p *Point) UnmarshalGQL(any) error { return errors.New("no Point") }

// Blob writes itself with a context.
type Blob string

// MarshalGQLContext implements graphql.ContextMarshaler.
func (b Blob) MarshalGQLContext(ctx context.Context, w io.Writer) error {
	if len(b) == 5 {
		return errors.New("cannot write " + string(b))
	}
	_, err := io.WriteString(w, strconv.Quote(graphql.GetPath(ctx).String()+" "+string(b)))
	return err
}

// UnmarshalGQLContext implements graphql.ContextUnmarshaler.
func (b *Blob) UnmarshalGQLContext(context.Context, any) error { return errors.New("no Blob") }

func (e *Env) box(id int) *Box {
	h := e.hash("box", id)
	b := &Box{
		env: e, ID: id, Name: e.text(h), Label: strconv.Itoa(h) + "\t\x01\"\\é\u2028 of a box",
		Note: e.text(h / 3), Must: e.text(h / 4), Weight: float64(h%1000) / 7, At: time.Unix(int64(h), int64(h)*1001).UTC(),
		Color:  AllColor[h%3],
		Colors: AllColor[:h%4], Tags: []string{"a", "b\n", strconv.Itoa(id)}[:h%4],
		MaybeTags:  []*string{e.text(h / 5), e.text(h / 6)},
		StrictTags: []*string{e.text(h / 9), e.text(h / 8)}[:h/2%3], Matrix: [][]int{{1, h}, {}, nil}[:h%4],
		Loose: [][]*int{{&h, nil}, nil, {}}[:h/3%4], Price: Cents(h % 5000), Where: Point{h % 10, id},
		Blob: Blob("blob" + strconv.Itoa(h%30)),
		Any:  []any{nil, 1, "x", map[string]any{"k": []any{1.5}}}[h%4], Loud: "loud" + strconv.Itoa(h%5),
	}
	if e.Faults {
		switch h % 40 {
		case 0:
			b.Weight = math.Inf(1)
		case 1:
			b.At = time.Time{}
		case 2:
			b.Price = 13
		case 3:
			b.Price = 0
		}
	} else {
		b.Must, b.StrictTags = &b.Label, nil
		b.Blob = "blob of " + Blob(strconv.Itoa(id))
		b.Price += 14
	}
	if h%3 == 0 {
		b.Until, b.MaybeColor, b.MaybePrice, b.MaybeWhere = &b.At, &b.Color, &b.Price, &b.Where
	}
	return b
}

func (e *Env) text(h int) *string {
	if h%3 == 0 && (e.Faults || h%2 == 0) {
		return nil
	}
	s := strconv.Itoa(h % 1000)
	return &s
}

func (e *Env) animal(id int) Animal {
	h := e.hash("animal", id)
	switch {
	case e.Faults && h%25 == 0:
		return Fish{}
	case e.Faults && h%25 == 1:
		return (*Dog)(nil)
	case h%25 == 2:
		return Ghost{}
	case e.Faults && h%25 == 3:
		return nil
	case h%2 == 0:
		return &Dog{e, id, e.text(h), h%3 == 0}
	}
	return Cat{e, id, e.text(h), h % 9}
}

func (e *Env) person(id int) *Person {
	h := e.hash("person", id)
	return &Person{e, id, e.text(h), AllColor[h%3]}
}

func (e *Env) thing(id int) Thing {
	switch e.hash("thing", id) % 3 {
	case 0:
		return &Dog{e, id, nil, true}
	case 1:
		return e.box(id)
	}
	return e.person(id)
}

// list returns a few ids.
func (e *Env) list(name string, id, n int) []int {
	out := []int{}
	for i := range n {
		out = append(out, e.hash(name, id)%50+i)
	}
	return out
}

// Plain fields that are methods.

// Size is a method of a model.
func (b *Box) Size() int { b.env.maybePanic("size", b.ID); return b.ID * 2 }

// Fallible is a method with an error.
func (b *Box) Fallible() (*string, error) {
	return b.Note, b.env.fault(context.Background(), "fallible", b.ID)
}

// MustFallible is a method with an error.
func (b *Box) MustFallible() (string, error) {
	return b.Label, b.env.fault(context.Background(), "mustFallible", b.ID)
}

// WithContext is a method that gqlgen calls at once with others.
func (b *Box) WithContext(ctx context.Context) (string, error) {
	return b.Label, b.env.fault(ctx, "withContext", b.ID)
}

// Computed is a method with arguments.
func (b *Box) Computed(n int, by *float64) int {
	b.env.maybePanic("computed", b.ID)
	if by == nil {
		return n
	}
	return int(float64(n) * *by)
}

// Maybe is a method that says whether there is a value.
func (b *Box) Maybe() (string, bool) { return b.Label, b.ID%2 == 0 }

// Inner is an object inside.
func (b *Box) Inner() *Box {
	b.env.maybePanic("inner", b.ID)
	if b.ID%3 == 0 {
		return nil
	}
	return b.env.box(b.ID / 2)
}

// MustInner is an object that must be.
func (b *Box) MustInner() *Box {
	if b.env.hash("mustInner", b.ID)%20 == 0 && b.env.Faults {
		return nil
	}
	return b.env.box(b.ID / 3)
}

// LoudBox has a directive.
func (b *Box) LoudBox() *Box { return b.Inner() }

// Pets may have nulls.
func (b *Box) Pets() []Animal {
	if b.ID%5 == 0 {
		return nil
	}
	var out []Animal
	for _, id := range b.env.list("pets", b.ID, b.ID%4) {
		out = append(out, b.env.animal(id))
	}
	return out
}

// StrictPets must have none.
func (b *Box) StrictPets() []Animal { return b.Pets() }

// First is an animal.
func (b *Box) First() Animal { return b.env.animal(b.ID + 1) }

// Leaf is held by value.
func (b *Box) Leaf() Leaf { return Leaf{b.env, b.ID} }

// Leaves are held by value.
func (b *Box) Leaves() []Leaf { return []Leaf{{b.env, 1}, {b.env, b.ID}, {b.env, 3}}[:b.ID%4] }

// Box is an object inside.
func (l Leaf) Box() *Box { return l.env.box(l.Size + 1) }

// Shade is an enum.
func (l *Leaf) Shade() *Color {
	if l.Size%2 == 0 {
		return nil
	}
	return &AllColor[l.Size%3]
}

// Friend is an animal.
func (c Cat) Friend() Animal { return c.env.animal(c.ID + 2) }

// Home is a box.
func (c Cat) Home() *Box { return c.env.box(c.ID + 3) }

// Pets are animals.
func (p *Person) Pets() []Animal { return p.env.box(p.ID).Pets() }

// fault returns the error of a call, or panics, or adds an error if ctx is that of a field.
func (e *Env) fault(ctx context.Context, name string, id int) error {
	if !e.Faults {
		return nil
	}
	switch h := e.hash(name, id); h % 30 {
	case 0:
		return fmt.Errorf("%s of %d failed", name, id)
	case 1:
		return &gqlerror.Error{Message: "with extensions", Extensions: map[string]any{"code": name, "id": id}}
	case 2:
		return gqlerror.List{{Message: "one of " + name}, {Message: "two of " + name}}
	case 3:
		panic(name + " panics")
	case 4:
		if graphql.GetFieldContext(ctx) != nil {
			graphql.AddErrorf(ctx, "added in %s", graphql.GetPath(ctx))
		}
	case 5:
		if graphql.GetFieldContext(ctx) != nil {
			graphql.MarkNonNull(ctx)
			if h%4 == 1 { // h is odd
				return errors.New("marked and failed")
			}
		}
	case 6:
		return fmt.Errorf("wrapped: %w", &gqlerror.Error{Message: "inside", Path: nil,
			Locations: []gqlerror.Location{{Line: 7, Column: 8}}})
	}
	return nil
}

func (e *Env) maybePanic(name string, id int) {
	if e.Faults && e.hash(name, id)%20 == 0 {
		panic(fmt.Sprint(name, " panics for ", id))
	}
}
