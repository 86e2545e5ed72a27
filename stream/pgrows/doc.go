// Package pgrows writes the rows of a query as JSON, straight from Postgres's
// binary format: no value is decoded into a Go value in between, and no row is
// kept.
//
//	rows, err := db.Query(ctx, `
//		select p.id, p.title, a.id as author__id, a.name as author__name,
//		       c.id as "comments[]__id", c.body as "comments[]__body"
//		from posts p join users a on a.id = p.author_id left join comments c on c.post_id = p.id
//		order by p.id, c.id`)
//	if err != nil {
//		return err
//	}
//	n, err := pgrows.Write(w, rows, pgrows.Options{Rename: pgrows.CamelCase})
//
// # Column names
//
// A column is a member of its row's object. "author__name" is the member name of an
// object author, which is null if all of its columns are. "comments[]__body" is the
// member body of the elements of a list comments: consecutive rows whose outer
// columns have the same key are one object, with an element for each row. The first
// column of an object is its key, and the rows must be ordered by it. An element
// whose key is null (an outer join that found nothing) is left out. A level has one
// list at most, which is written after its other members.
//
// # Types
//
//   - int2, int4, int8, float4, float8, numeric: numbers, numeric with all of its
//     digits. NaN and infinities: strings, as in Postgres's row_to_json. int8 and
//     numeric as strings by option.
//   - bool: true or false. json, jsonb: as they are. uuid, text and its like, enums:
//     strings. bytea: base64, as in encoding/json.
//   - date, time, timetz, timestamp: ISO 8601. timestamptz: RFC 3339 in UTC.
//     interval: an ISO 8601 duration. infinity: a string.
//   - inet, cidr, ranges, and what else has a text in Postgres: that text.
//   - arrays: lists, of lists for more dimensions. Composite types that pgx has been
//     told of: objects; others: Postgres's text of them.
package pgrows
