package pgrows

import "github.com/jackc/pgx/v5/pgtype"

// builtin is a type that every server has under the same OID, with the OID of its array.
// It is written by typ, or made of another one, which
// stands before it in the table.
type builtin struct {
	oid, array uint32
	typ
	made made
	of   uint32
}

// made says which types are made of others.
type made uint8

const (
	aScalar made = iota
	aRecord
	aVector
	aRange
	aMultirange
)

// The OIDs of built-in types of which pgx has no names.
const (
	regprocOID, int2vectorOID, oidvectorOID, pgNodeTreeOID           = 24, 22, 30, 194
	moneyOID, moneyArrayOID, refcursorOID, refcursorArrayOID         = 790, 791, 1790, 2201
	tsqueryOID, tsqueryArrayOID, gtsvectorOID, gtsvectorArrayOID     = 3615, 3645, 3642, 3644
	pgLSNOID, pgLSNArrayOID, macaddr8ArrayOID, cstringOID            = 3220, 3221, 775, 2275
	snapshotOID, snapshotArrayOID, txidSnapshotOID, txidSnapshotList = 5038, 5039, 2970, 2949
	voidOID, cstringArrayOID, int2vectorArrayOID, oidvectorArrayOID  = 2278, 1263, 1006, 1013
)

// builtinTable has all built-in types. doc.go says how each is written, and why.
var builtinTable = []builtin{
	{oid: pgtype.BoolOID, array: pgtype.BoolArrayOID, typ: typ{
		name: "boolean", json: sized(1, writeBool), text: textSized(1, appendBool), parse: parseBool,
	}},
	{oid: pgtype.Int2OID, array: pgtype.Int2ArrayOID, typ: typ{
		name: "smallint", json: sized(2, writeInt2), text: textSized(2, appendInt2), parse: parseNumber,
	}},
	{oid: pgtype.Int4OID, array: pgtype.Int4ArrayOID, typ: typ{
		name: "integer", json: sized(4, writeInt4), text: textSized(4, appendInt4), parse: parseNumber,
	}},
	{oid: pgtype.Int8OID, array: pgtype.Int8ArrayOID, typ: typ{
		name: "bigint", json: sized(8, writeInt8), text: textSized(8, appendInt8), parse: parseInt8,
	}},
	{oid: pgtype.OIDOID, array: pgtype.OIDArrayOID, typ: typ{
		name: "oid", json: sized(4, writeOID), text: textSized(4, appendUint4), parse: parseNumber,
	}},
	{oid: pgtype.XIDOID, array: pgtype.XIDArrayOID, typ: typ{name: "xid", text: textSized(4, appendUint4)}},
	{oid: pgtype.CIDOID, array: pgtype.CIDArrayOID, typ: typ{name: "cid", text: textSized(4, appendUint4)}},
	{oid: pgtype.XID8OID, array: pgtype.XID8ArrayOID, typ: typ{name: "xid8", text: textSized(8, appendUint8)}},
	{oid: pgtype.OID8OID, array: pgtype.OID8ArrayOID, typ: typ{name: "oid8", text: textSized(8, appendUint8)}},
	{oid: pgtype.Float4OID, array: pgtype.Float4ArrayOID, typ: typ{
		name: "real", json: sized(4, writeFloat4), text: textSized(4, appendFloat4), parse: parseNumber,
	}},
	{oid: pgtype.Float8OID, array: pgtype.Float8ArrayOID, typ: typ{
		name: "double precision", json: sized(8, writeFloat8), text: textSized(8, appendFloat8), parse: parseNumber,
	}},
	{oid: pgtype.NumericOID, array: pgtype.NumericArrayOID, typ: typ{
		name: "numeric", json: writeNumeric, text: appendNumericText, parse: parseNumeric,
	}},
	{oid: pgtype.TextOID, array: pgtype.TextArrayOID, typ: *stringType("text")},
	{oid: pgtype.VarcharOID, array: pgtype.VarcharArrayOID, typ: *stringType("character varying")},
	{oid: pgtype.BPCharOID, array: pgtype.BPCharArrayOID, typ: *stringType("character")},
	{oid: pgtype.NameOID, array: pgtype.NameArrayOID, typ: *stringType("name")},
	{oid: pgtype.XMLOID, array: pgtype.XMLArrayOID, typ: *stringType("xml")},
	{oid: pgtype.UnknownOID, typ: *stringType("unknown")},
	{oid: cstringOID, array: cstringArrayOID, typ: *stringType("cstring")},
	{oid: refcursorOID, array: refcursorArrayOID, typ: *stringType("refcursor")},
	{oid: voidOID, typ: *stringType("void")},
	{oid: pgtype.QCharOID, array: pgtype.QCharArrayOID, typ: typ{name: `"char"`, text: textSized(1, appendQChar)}},
	{oid: pgtype.ByteaOID, array: pgtype.ByteaArrayOID, typ: typ{
		name: "bytea", json: writeBytea, text: appendBytea, parse: parseBytea,
	}},
	{oid: pgtype.JSONOID, array: pgtype.JSONArrayOID, typ: typ{
		name: "json", json: writeJSON, text: appendAsIs, parse: writeJSON,
	}},
	{oid: pgtype.JSONBOID, array: pgtype.JSONBArrayOID, typ: typ{
		name: "jsonb", json: unversioned(writeJSON), text: versioned("jsonb").text, parse: writeJSON,
	}},
	{oid: pgtype.JSONPathOID, array: pgtype.JSONPathArrayOID, typ: *versioned("jsonpath")},
	{oid: pgtype.UUIDOID, array: pgtype.UUIDArrayOID, typ: typ{
		name: "uuid", json: sized(16, writeUUID), text: textSized(16, appendUUID),
	}},
	{oid: pgtype.DateOID, array: pgtype.DateArrayOID, typ: typ{
		name: "date", json: sized(4, writeDate), text: appendDateText, parse: parseDate,
	}},
	{oid: pgtype.TimeOID, array: pgtype.TimeArrayOID, typ: plainType("time without time zone", appendTime)},
	{oid: pgtype.TimetzOID, array: pgtype.TimetzArrayOID, typ: plainType("time with time zone", appendTimetz)},
	{oid: pgtype.TimestampOID, array: pgtype.TimestampArrayOID, typ: typ{
		name: "timestamp without time zone", json: sized(8, writeTimestamp),
		text: appendTimestampText, parse: parseTimestamp,
	}},
	{oid: pgtype.TimestamptzOID, array: pgtype.TimestamptzArrayOID, typ: typ{
		name: "timestamp with time zone", json: sized(8, writeTimestamptz),
		text: appendTimestamptzText, parse: parseTimestamptz,
	}},
	{oid: pgtype.IntervalOID, array: pgtype.IntervalArrayOID, typ: typ{
		name: "interval", json: writeInterval, text: appendIntervalText, parse: parseInterval,
	}},
	{oid: pgtype.InetOID, array: pgtype.InetArrayOID, typ: plainType("inet", appendNetwork)},
	{oid: pgtype.CIDROID, array: pgtype.CIDRArrayOID, typ: plainType("cidr", appendNetwork)},
	{oid: pgtype.MacaddrOID, array: pgtype.MacaddrArrayOID, typ: plainType("macaddr", textSized(6, appendMAC))},
	{oid: pgtype.Macaddr8OID, array: macaddr8ArrayOID, typ: plainType("macaddr8", textSized(8, appendMAC))},
	{oid: pgtype.BitOID, array: pgtype.BitArrayOID, typ: plainType("bit", appendBits)},
	{oid: pgtype.VarbitOID, array: pgtype.VarbitArrayOID, typ: plainType("bit varying", appendBits)},
	{oid: pgtype.PointOID, array: pgtype.PointArrayOID, typ: plainType("point", textSized(16, appendXY))},
	{oid: pgtype.LsegOID, array: pgtype.LsegArrayOID, typ: plainType("lseg", textSized(32, appendLseg))},
	{oid: pgtype.BoxOID, array: pgtype.BoxArrayOID, typ: typ{
		name: "box", text: textSized(32, appendXYs), delimiter: ';',
	}},
	{oid: pgtype.PathOID, array: pgtype.PathArrayOID, typ: plainType("path", appendPath)},
	{oid: pgtype.PolygonOID, array: pgtype.PolygonArrayOID, typ: plainType("polygon", appendPolygon)},
	{oid: pgtype.LineOID, array: pgtype.LineArrayOID, typ: plainType("line", textSized(24, appendLine))},
	{oid: pgtype.CircleOID, array: pgtype.CircleArrayOID, typ: typ{name: "circle", text: textSized(24, appendCircle)}},
	{oid: pgtype.TIDOID, array: pgtype.TIDArrayOID, typ: plainType("tid", textSized(6, appendTID))},
	{oid: pgLSNOID, array: pgLSNArrayOID, typ: plainType("pg_lsn", textSized(8, appendLSN))},
	{oid: snapshotOID, array: snapshotArrayOID, typ: plainType("pg_snapshot", appendSnapshot)},
	{oid: txidSnapshotOID, array: txidSnapshotList, typ: plainType("txid_snapshot", appendSnapshot)},
	{oid: pgtype.TSVectorOID, array: pgtype.TSVectorArrayOID, typ: typ{name: "tsvector", text: appendTSVector}},

	{oid: pgtype.RecordOID, array: pgtype.RecordArrayOID, typ: typ{name: "record"}, made: aRecord},
	{oid: int2vectorOID, array: int2vectorArrayOID, typ: typ{name: "int2vector"}, of: pgtype.Int2OID, made: aVector},
	{oid: oidvectorOID, array: oidvectorArrayOID, typ: typ{name: "oidvector"}, of: pgtype.OIDOID, made: aVector},
	{oid: pgtype.Int4rangeOID, array: pgtype.Int4rangeArrayOID,
		typ: typ{name: "int4range"}, of: pgtype.Int4OID, made: aRange},
	{oid: pgtype.Int4multirangeOID, array: 6150,
		typ: typ{name: "int4multirange"}, of: pgtype.Int4rangeOID, made: aMultirange},
	{oid: pgtype.Int8rangeOID, array: pgtype.Int8rangeArrayOID,
		typ: typ{name: "int8range"}, of: pgtype.Int8OID, made: aRange},
	{oid: pgtype.Int8multirangeOID, array: 6157,
		typ: typ{name: "int8multirange"}, of: pgtype.Int8rangeOID, made: aMultirange},
	{oid: pgtype.NumrangeOID, array: pgtype.NumrangeArrayOID,
		typ: typ{name: "numrange"}, of: pgtype.NumericOID, made: aRange},
	{oid: pgtype.NummultirangeOID, array: 6151,
		typ: typ{name: "nummultirange"}, of: pgtype.NumrangeOID, made: aMultirange},
	{oid: pgtype.TsrangeOID, array: pgtype.TsrangeArrayOID,
		typ: typ{name: "tsrange"}, of: pgtype.TimestampOID, made: aRange},
	{oid: pgtype.TsmultirangeOID, array: 6152,
		typ: typ{name: "tsmultirange"}, of: pgtype.TsrangeOID, made: aMultirange},
	{oid: pgtype.TstzrangeOID, array: pgtype.TstzrangeArrayOID,
		typ: typ{name: "tstzrange"}, of: pgtype.TimestamptzOID, made: aRange},
	{oid: pgtype.TstzmultirangeOID, array: 6153,
		typ: typ{name: "tstzmultirange"}, of: pgtype.TstzrangeOID, made: aMultirange},
	{oid: pgtype.DaterangeOID, array: pgtype.DaterangeArrayOID,
		typ: typ{name: "daterange"}, of: pgtype.DateOID, made: aRange},
	{oid: pgtype.DatemultirangeOID, array: 6155,
		typ: typ{name: "datemultirange"}, of: pgtype.DaterangeOID, made: aMultirange},

	// Refused in binary, which says too little: money depends on a setting of the server,
	// reg* on its catalog, the others on its version. Columns of them arrive in text.
	{oid: moneyOID, array: moneyArrayOID, typ: typ{name: "money"}},
	{oid: tsqueryOID, array: tsqueryArrayOID, typ: typ{name: "tsquery"}},
	{oid: gtsvectorOID, array: gtsvectorArrayOID, typ: typ{name: "gtsvector"}},
	{oid: pgtype.ACLItemOID, array: pgtype.ACLItemArrayOID, typ: typ{name: "aclitem"}},
	{oid: pgNodeTreeOID, typ: typ{name: "pg_node_tree"}},
	{oid: regprocOID, array: 1008, typ: typ{name: "regproc"}},
	{oid: 2202, array: 2207, typ: typ{name: "regprocedure"}},
	{oid: 2203, array: 2208, typ: typ{name: "regoper"}},
	{oid: 2204, array: 2209, typ: typ{name: "regoperator"}},
	{oid: 2205, array: 2210, typ: typ{name: "regclass"}},
	{oid: 2206, array: 2211, typ: typ{name: "regtype"}},
	{oid: 4096, array: 4097, typ: typ{name: "regrole"}},
	{oid: 4089, array: 4090, typ: typ{name: "regnamespace"}},
	{oid: 4191, array: 4192, typ: typ{name: "regcollation"}},
	{oid: 3734, array: 3735, typ: typ{name: "regconfig"}},
	{oid: 3769, array: 3770, typ: typ{name: "regdictionary"}},
}
