package pgrows

import (
	"reflect"
	"sync"

	"github.com/jackc/pgx/v5/pgtype"
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

// opaque are built-in types of which the binary format says too little: money depends
// on a setting of the server, reg* on its catalog, the others on its version. Columns of
// them arrive in text. The values are their arrays.
var opaque = map[string][2]uint32{
	"money": {moneyOID, moneyArrayOID}, "tsquery": {tsqueryOID, tsqueryArrayOID}, "gtsvector": {gtsvectorOID, gtsvectorArrayOID},
	"aclitem": {pgtype.ACLItemOID, pgtype.ACLItemArrayOID}, "pg_node_tree": {pgNodeTreeOID, 0},
	"regproc": {regprocOID, 1008}, "regprocedure": {2202, 2207}, "regoper": {2203, 2208}, "regoperator": {2204, 2209}, "regclass": {2205, 2210},
	"regtype": {2206, 2211}, "regrole": {4096, 4097}, "regnamespace": {4089, 4090}, "regcollation": {4191, 4192}, "regconfig": {3734, 3735}, "regdictionary": {3769, 3770},
}

// scalars are the built-in types that are not made of others, with their arrays.
var scalars = []struct {
	oid, array uint32
	typ
}{
	{pgtype.BoolOID, pgtype.BoolArrayOID, typ{name: "boolean", json: sized(1, writeBool), text: textSized(1, appendBool), parse: parseBool}},
	{pgtype.Int2OID, pgtype.Int2ArrayOID, typ{name: "smallint", json: sized(2, writeInt2), text: textSized(2, appendInt2), parse: parseNumber}},
	{pgtype.Int4OID, pgtype.Int4ArrayOID, typ{name: "integer", json: sized(4, writeInt4), text: textSized(4, appendInt4), parse: parseNumber}},
	{pgtype.Int8OID, pgtype.Int8ArrayOID, typ{name: "bigint", json: sized(8, writeInt8), text: textSized(8, appendInt8), parse: parseInt8}},
	{pgtype.OIDOID, pgtype.OIDArrayOID, typ{name: "oid", json: sized(4, writeOID), text: textSized(4, appendUint4), parse: parseNumber}},
	{pgtype.XIDOID, pgtype.XIDArrayOID, typ{name: "xid", text: textSized(4, appendUint4)}},
	{pgtype.CIDOID, pgtype.CIDArrayOID, typ{name: "cid", text: textSized(4, appendUint4)}},
	{pgtype.XID8OID, pgtype.XID8ArrayOID, typ{name: "xid8", text: textSized(8, appendUint8)}},
	{pgtype.OID8OID, pgtype.OID8ArrayOID, typ{name: "oid8", text: textSized(8, appendUint8)}},
	{pgtype.Float4OID, pgtype.Float4ArrayOID, typ{name: "real", json: sized(4, writeFloat4), text: textSized(4, appendFloat4), parse: parseNumber}},
	{pgtype.Float8OID, pgtype.Float8ArrayOID, typ{name: "double precision", json: sized(8, writeFloat8), text: textSized(8, appendFloat8), parse: parseNumber}},
	{pgtype.NumericOID, pgtype.NumericArrayOID, typ{name: "numeric", json: writeNumeric, text: appendNumericText, parse: parseNumeric}},
	{pgtype.TextOID, pgtype.TextArrayOID, *stringType("text")},
	{pgtype.VarcharOID, pgtype.VarcharArrayOID, *stringType("character varying")},
	{pgtype.BPCharOID, pgtype.BPCharArrayOID, *stringType("character")},
	{pgtype.NameOID, pgtype.NameArrayOID, *stringType("name")},
	{pgtype.XMLOID, pgtype.XMLArrayOID, *stringType("xml")},
	{pgtype.UnknownOID, 0, *stringType("unknown")},
	{cstringOID, cstringArrayOID, *stringType("cstring")},
	{refcursorOID, refcursorArrayOID, *stringType("refcursor")},
	{voidOID, 0, *stringType("void")},
	{pgtype.QCharOID, pgtype.QCharArrayOID, typ{name: `"char"`, text: textSized(1, appendQChar)}},
	{pgtype.ByteaOID, pgtype.ByteaArrayOID, typ{name: "bytea", json: writeBytea, text: appendBytea, parse: parseBytea}},
	{pgtype.JSONOID, pgtype.JSONArrayOID, typ{name: "json", json: writeJSON, text: appendAsIs, parse: writeJSON}},
	{pgtype.JSONBOID, pgtype.JSONBArrayOID, typ{name: "jsonb", json: unversioned(writeJSON), text: versioned("jsonb").text, parse: writeJSON}},
	{pgtype.JSONPathOID, pgtype.JSONPathArrayOID, *versioned("jsonpath")},
	{pgtype.UUIDOID, pgtype.UUIDArrayOID, typ{name: "uuid", json: sized(16, writeUUID), text: textSized(16, appendUUID)}},
	{pgtype.DateOID, pgtype.DateArrayOID, typ{name: "date", json: sized(4, writeDate), text: appendDateText, parse: parseDate}},
	{pgtype.TimeOID, pgtype.TimeArrayOID, plainType("time without time zone", appendTime)},
	{pgtype.TimetzOID, pgtype.TimetzArrayOID, plainType("time with time zone", appendTimetz)},
	{pgtype.TimestampOID, pgtype.TimestampArrayOID, typ{name: "timestamp without time zone", json: sized(8, writeTimestamp), text: appendTimestampText, parse: parseTimestamp}},
	{pgtype.TimestamptzOID, pgtype.TimestamptzArrayOID, typ{name: "timestamp with time zone", json: sized(8, writeTimestamptz), text: appendTimestamptzText, parse: parseTimestamptz}},
	{pgtype.IntervalOID, pgtype.IntervalArrayOID, typ{name: "interval", json: writeInterval, text: appendIntervalText, parse: parseInterval}},
	{pgtype.InetOID, pgtype.InetArrayOID, plainType("inet", appendNetwork)},
	{pgtype.CIDROID, pgtype.CIDRArrayOID, plainType("cidr", appendNetwork)},
	{pgtype.MacaddrOID, pgtype.MacaddrArrayOID, plainType("macaddr", textSized(6, appendMAC))},
	{pgtype.Macaddr8OID, macaddr8ArrayOID, plainType("macaddr8", textSized(8, appendMAC))},
	{pgtype.BitOID, pgtype.BitArrayOID, plainType("bit", appendBits)},
	{pgtype.VarbitOID, pgtype.VarbitArrayOID, plainType("bit varying", appendBits)},
	{pgtype.PointOID, pgtype.PointArrayOID, plainType("point", textSized(16, appendPoint))},
	{pgtype.LsegOID, pgtype.LsegArrayOID, plainType("lseg", textSized(32, appendLseg))},
	{pgtype.BoxOID, pgtype.BoxArrayOID, typ{name: "box", text: textSized(32, appendBox), delimiter: ';'}},
	{pgtype.PathOID, pgtype.PathArrayOID, plainType("path", appendPath)},
	{pgtype.PolygonOID, pgtype.PolygonArrayOID, plainType("polygon", appendPolygon)},
	{pgtype.LineOID, pgtype.LineArrayOID, plainType("line", textSized(24, appendLine))},
	{pgtype.CircleOID, pgtype.CircleArrayOID, plainType("circle", textSized(24, appendCircle))},
	{pgtype.TIDOID, pgtype.TIDArrayOID, plainType("tid", textSized(6, appendTID))},
	{pgLSNOID, pgLSNArrayOID, plainType("pg_lsn", textSized(8, appendLSN))},
	{snapshotOID, snapshotArrayOID, plainType("pg_snapshot", appendSnapshot)},
	{txidSnapshotOID, txidSnapshotList, plainType("txid_snapshot", appendSnapshot)},
	{pgtype.TSVectorOID, pgtype.TSVectorArrayOID, typ{name: "tsvector", text: appendTSVector}},
}

// ranges are the built-in ones, with their arrays, multiranges and the arrays of those.
var ranges = []struct {
	name                                     string
	element, oid, array, multi, multiOfArray uint32
}{
	{"int4", pgtype.Int4OID, pgtype.Int4rangeOID, pgtype.Int4rangeArrayOID, pgtype.Int4multirangeOID, 6150},
	{"int8", pgtype.Int8OID, pgtype.Int8rangeOID, pgtype.Int8rangeArrayOID, pgtype.Int8multirangeOID, 6157},
	{"num", pgtype.NumericOID, pgtype.NumrangeOID, pgtype.NumrangeArrayOID, pgtype.NummultirangeOID, 6151},
	{"ts", pgtype.TimestampOID, pgtype.TsrangeOID, pgtype.TsrangeArrayOID, pgtype.TsmultirangeOID, 6152},
	{"tstz", pgtype.TimestamptzOID, pgtype.TstzrangeOID, pgtype.TstzrangeArrayOID, pgtype.TstzmultirangeOID, 6153},
	{"date", pgtype.DateOID, pgtype.DaterangeOID, pgtype.DaterangeArrayOID, pgtype.DatemultirangeOID, 6155},
}

var builtinTypes struct {
	once sync.Once
	all  map[uint32]*typ
}

// builtins returns the types that every server has under the same OIDs.
func builtins() map[uint32]*typ {
	builtinTypes.once.Do(func() { builtinTypes.all = makeBuiltins() })
	return builtinTypes.all
}

func makeBuiltins() map[uint32]*typ {
	all := make(map[uint32]*typ, 256)
	add := func(oid, array uint32, t *typ) {
		all[oid] = t
		if array != 0 {
			all[array] = arrayOf(t.name+"[]", t, t.delimiter)
		}
	}
	for i := range scalars {
		add(scalars[i].oid, scalars[i].array, &scalars[i].typ)
	}
	for name, oids := range opaque {
		add(oids[0], oids[1], &typ{name: name})
	}
	for _, r := range ranges {
		one := rangeOf(r.name+"range", all[r.element])
		add(r.oid, r.array, one)
		add(r.multi, r.multiOfArray, multirangeOf(r.name+"multirange", one))
	}
	add(pgtype.RecordOID, pgtype.RecordArrayOID, recordType("record"))
	add(int2vectorOID, int2vectorArrayOID, vectorOf("int2vector", all[pgtype.Int2OID]))
	add(oidvectorOID, oidvectorArrayOID, vectorOf("oidvector", all[pgtype.OIDOID]))
	for _, t := range all {
		t.quoted = t.writeBinary
	}
	return all
}

// builtinOf returns the built-in type that pgx gives a codec to, for a domain has the
// codec of its base. It is nil for a codec that several types have, and known is false
// for those of others.
func builtinOf(codec pgtype.Codec) (t *typ, known bool) {
	t, known = byCodec()[reflect.TypeOf(codec)]
	return t, known
}

var byCodec = sync.OnceValue(func() map[reflect.Type]*typ {
	m, all := pgtype.NewMap(), map[reflect.Type]*typ{}
	for i := range scalars {
		if t, ok := m.TypeForOID(scalars[i].oid); ok {
			codec := reflect.TypeOf(t.Codec)
			if _, again := all[codec]; again {
				all[codec] = nil
			} else {
				all[codec] = &scalars[i].typ
			}
		}
	}
	return all
})

// sized checks the length of a value before it is read.
func sized(n int, write func(o *output, src []byte)) encoder {
	return func(o *output, src []byte) error {
		if len(src) != n {
			return errLength
		}
		write(o, src)
		return nil
	}
}

func textSized(n int, text func(to, src []byte) []byte) texter {
	return func(_ *output, to, src []byte) ([]byte, error) {
		if len(src) != n {
			return nil, errLength
		}
		return text(to, src), nil
	}
}

// stringType is a type whose binary format is its text.
func stringType(name string) *typ {
	return &typ{name: name, json: writeString, text: appendAsIs}
}

// plainType is a type of whose text no character needs an escape in JSON.
func plainType(name string, text texter) typ {
	return typ{name: name, text: text, json: func(o *output, src []byte) error { return o.plain(text, src) }}
}

// versioned is a type whose binary format is the byte 1 and its text.
func versioned(name string) *typ {
	return &typ{name: name, json: unversioned(writeString), text: func(_ *output, to, src []byte) ([]byte, error) {
		if len(src) == 0 || src[0] != 1 {
			return nil, errVersion
		}
		return append(to, src[1:]...), nil
	}}
}

func unversioned(write encoder) encoder {
	return func(o *output, src []byte) error {
		if len(src) == 0 || src[0] != 1 {
			return errVersion
		}
		return write(o, src[1:])
	}
}

// vectorOf is int2vector or oidvector: an array with a text of its own.
func vectorOf(name string, element *typ) *typ {
	array := arrayOf(name, element, ' ')
	return &typ{
		name: name,
		json: array.json,
		text: func(o *output, to, src []byte) ([]byte, error) {
			d, src, err := readDimensions(src)
			if err != nil || d.n == 0 {
				return to, err
			}
			for i := range d.lengths[0] {
				var value []byte
				if value, src, err = field(src); err != nil {
					return nil, err
				}
				if i > 0 {
					to = append(to, ' ')
				}
				if to, err = element.text(o, to, value); err != nil {
					return nil, err
				}
			}
			return to, ended(src)
		},
		parse: parseVector(element),
	}
}
