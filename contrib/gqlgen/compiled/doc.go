// Package compiled executes the operations of a gqlgen server from plans: it is the runtime
// of the code that [github.com/gqlboost/gqlboost/contrib/gqlgen/compile] generates beside
// gqlgen's own, and has no other users.
//
// # Terms
//
// A plan is an operation that has been compiled: its fields are merged and ordered, fragments
// are resolved for each concrete type, and keys are bytes. It is kept as long as the parsed
// document is.
//
// A group holds all objects at one place of the selection, whatever lists they came from. Each
// field that must be called is a column of the group: one result for each object. Columns fill
// at the same time, each by one call of a batch resolver or by calls that run at once, and the
// objects in a column's results are the next groups. Plain fields of structs are not touched
// until they are written.
//
// When no group is left, one pass writes the response. There nulls rise to the nearest
// nullable parent.
//
// A list whose resolver offers a sequence or JSON is made in that pass, if a transport takes
// the response in pieces: elements are groups of their own, 256 at a time, and what has been
// written is sent between them. Positions in the response count what has been sent, so that
// a null that would reach back behind it breaks the response off.
//
// # What resolvers see
//
// Contexts are those that gqlgen would have made: GetFieldContext, GetPath, CollectFieldsCtx,
// AddError and GetOperationContext work in resolvers and marshalers. A field context is built
// when somebody asks for it.
//
// # What differs from gqlgen
//
//   - A batch resolver is called once for all objects at its place of the selection, where
//     gqlgen calls it once for each list, and it is not passed nil objects.
//   - Plain fields of a query are read when the response is written, after the resolvers have
//     returned. A resolver that modifies the object it is called for changes what its fields
//     are. Mutations are written field by field.
//   - What cannot be compiled runs on gqlgen's own schema, see [Executable.Fallbacks].
package compiled
