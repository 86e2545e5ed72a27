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
// list at most, which is written after its other members. Columns of the same name are
// members of the same name, as row_to_json has them: give them names of their own.
//
// # Types
//
// A value is written as this table says, or Write returns an error that names its type: in
// the binary format and in text, whatever the session's DateStyle, IntervalStyle, TimeZone
// and bytea_output, also inside of arrays and domains. null is null. A session whose
// client_encoding is not UTF8 is refused.
//
//	type                          JSON             why
//	boolean                       true, false
//	smallint, integer, oid        number           float64 has them exactly
//	bigint                        number, string   with all digits; Int8AsString for float64
//	real, double precision        number           the shortest that reads as the same value
//	numeric                       number, string   with all digits; NumericAsString for float64
//	NaN, Infinity, -Infinity      string           JSON has none; as row_to_json
//	json, jsonb                   the value        as it is, but for RenameJSON
//	bytea                         base64           as encoding/json has []byte
//	timestamp with time zone      RFC 3339, UTC    the same whatever the session's TimeZone
//	date, time without time zone, time with time zone, timestamp without time zone
//	                              ISO 8601         as row_to_json
//	interval                      ISO 8601         the only form that others than Postgres read
//	uuid, text, character varying, character, name, "char", xml, unknown, cstring, refcursor, void
//	                              string           the text itself
//	inet, cidr, macaddr, macaddr8, bit, bit varying, point, lseg, box, path, polygon, line, circle,
//	tid, xid, cid, xid8, oid8, pg_lsn, pg_snapshot, txid_snapshot, tsvector, jsonpath
//	                              string           Postgres's text, as row_to_json
//	int4range, int8range, numrange, tsrange, tstzrange, daterange, int4multirange, int8multirange,
//	nummultirange, tsmultirange, tstzmultirange, datemultirange
//	                              string           Postgres's text in the session's styles
//	int2vector, oidvector         list             they are arrays
//	record                        string           Postgres's text: it has no names; see Shape
//	money, tsquery, gtsvector, aclitem, pg_node_tree, regproc, regprocedure, regoper, regoperator,
//	regclass, regtype, regrole, regnamespace, regcollation, regconfig, regdictionary
//	                              string           as columns and in arrays of columns; within
//	                                               records and ranges, whose binary format says
//	                                               too little of them, an error
//
// And of types that are made:
//
//	array                         list             of lists for more dimensions
//	domain                        as its base
//	enum                          string
//	range, multirange             string           as the built-in ones
//	composite                     object           if registered with pgx (LoadType)
//	                              string           if not: Postgres's text
//	citext, ltree, lquery, ltxtquery
//	                              string
//	hstore                        string, object   by HstoreAsObject
//	another extension's type      string           as columns and in arrays of columns; an error
//	                                               within records and ranges in binary
//
// A type that was registered with pgx is written as it was then. Register it again after
// ALTER TYPE: fields that were added, dropped or, in binary, have another type are an error
// until then, but Postgres does not send the names of fields, so that a field that was
// renamed keeps its old name.
package pgrows
