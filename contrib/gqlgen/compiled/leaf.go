package compiled

import (
	"context"
	"math"
	"strconv"
	"time"

	"github.com/99designs/gqlgen/graphql"
)

// Outcome says what became of a leaf.
type Outcome uint8

const (
	// Wrote says that the value has been written.
	Wrote Outcome = iota
	// Nil says that there is no value.
	Nil
	// Nulled says that the marshaler makes null of the value.
	Nulled
	// Reported says that it is null, and errors have been added if it must not be.
	Reported
	// Required is Reported for a value that must not be null, whatever the schema says.
	Required
)

// Put writes a leaf.
type Put[V any] func(w *Writer, v V) Outcome

// Leaf is a scalar or an enum.
func Leaf[V any](declared string, put Put[V]) Type[V] {
	return &leafType[V]{declare(declared), put}
}

type leafType[V any] struct {
	nullable
	put Put[V]
}

func (t *leafType[V]) compile(*compiler, *planned) node[V] { return t }

func (t *leafType[V]) fill(_ *filling, at *level, values []V, _ []state) column {
	return &leafColumn[V]{t, at, values}
}

// write writes a value. The writer knows its address.
func (t *leafType[V]) write(w *Writer, v V) bool {
	start := w.pos()
	switch t.put(w, v) {
	case Wrote:
		return true
	case Nil:
		if t.nonNull {
			graphql.AddInvalidNullError(w.context(), t.declared)
		}
	case Nulled:
		if t.nonNull {
			graphql.AddInvalidNullFromMarshaler(w.context(), t.declared)
		}
	case Required:
		return false
	}
	return t.close(w, start, false)
}

type leafColumn[V any] struct {
	typ    *leafType[V]
	at     *level
	values []V
}

func (c *leafColumn[V]) write(w *Writer, i int) bool {
	w.at, w.field, w.index = c.at, nil, i
	return c.typ.write(w, c.values[i])
}

// Ptr is a leaf that is held by a pointer.
func Ptr[V any](put Put[V]) Put[*V] {
	return func(w *Writer, v *V) Outcome {
		if v == nil {
			return Nil
		}
		return put(w, *v)
	}
}

// String is graphql.MarshalString and graphql.MarshalID.
func String[V ~string](w *Writer, v V) Outcome {
	w.buf = appendString(w.buf, string(v))
	return Wrote
}

// Int is graphql.MarshalInt and its likes.
func Int[V ~int | ~int8 | ~int16 | ~int32 | ~int64](w *Writer, v V) Outcome {
	w.buf = strconv.AppendInt(w.buf, int64(v), 10)
	return Wrote
}

// Uint is graphql.MarshalUint and its likes.
func Uint[V ~uint | ~uint8 | ~uint16 | ~uint32 | ~uint64](w *Writer, v V) Outcome {
	w.buf = strconv.AppendUint(w.buf, uint64(v), 10)
	return Wrote
}

// IntID is graphql.MarshalIntID.
func IntID[V ~int](w *Writer, v V) Outcome {
	w.buf = append(strconv.AppendInt(append(w.buf, '"'), int64(v), 10), '"')
	return Wrote
}

// UintID is graphql.MarshalUintID.
func UintID[V ~uint](w *Writer, v V) Outcome {
	w.buf = append(strconv.AppendUint(append(w.buf, '"'), uint64(v), 10), '"')
	return Wrote
}

// Boolean is graphql.MarshalBoolean.
func Boolean[V ~bool](w *Writer, v V) Outcome {
	w.buf = strconv.AppendBool(w.buf, bool(v))
	return Wrote
}

// Float is graphql.MarshalFloatContext.
func Float[V ~float64](w *Writer, v V) Outcome {
	if f := float64(v); !math.IsInf(f, 0) && !math.IsNaN(f) {
		w.buf = strconv.AppendFloat(w.buf, f, 'g', -1, 64)
	} else {
		w.marshalLater(graphql.WrapContextMarshaler(w.context(), graphql.MarshalFloatContext(f)))
	}
	return Wrote
}

// Time is graphql.MarshalTime.
func Time(w *Writer, v time.Time) Outcome {
	if v.IsZero() {
		return Nulled
	}
	w.buf = append(v.AppendFormat(append(w.buf, '"'), time.RFC3339Nano), '"')
	return Wrote
}

// Self is a model that implements graphql.Marshaler.
func Self[V graphql.Marshaler](w *Writer, v V) Outcome {
	w.marshal(v)
	return Wrote
}

// SelfPtr is a model that implements graphql.Marshaler and is held by a pointer.
func SelfPtr[E any, V interface {
	*E
	graphql.Marshaler
}](w *Writer, v V) Outcome {
	if v == nil {
		return Nil
	}
	w.marshal(v)
	return Wrote
}

// Marshal is a leaf for which gqlgen has generated a function.
func Marshal[V any](marshaler func(ctx context.Context, c *Call, v V) graphql.Marshaler) Put[V] {
	return func(w *Writer, v V) Outcome {
		m := marshaler(w.context(), &w.run.call, v)
		if m == graphql.Null {
			return Reported
		}
		w.marshal(m)
		return Wrote
	}
}

// MarshalContext is Marshal for a marshaler that may add errors.
func MarshalContext[V any](marshaler func(ctx context.Context, c *Call, v V) graphql.Marshaler) Put[V] {
	return func(w *Writer, v V) Outcome { return ownMarshaler(w, marshaler(w.context(), &w.run.call, v)) }
}

// ownMarshaler writes what gqlgen's functions return.
func ownMarshaler(w *Writer, m graphql.Marshaler) Outcome {
	switch m {
	case graphql.Null:
		return Reported
	case graphql.RequiredNull:
		return Required
	}
	w.marshalLater(m)
	return Wrote
}
