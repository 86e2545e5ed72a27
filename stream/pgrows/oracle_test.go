package pgrows

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/gqlboost/gqlboost/stream"
	"github.com/jackc/pgx/v5"
)

// kindOf is a type of Postgres's, with values and what their JSON must be.
type kindOf struct {
	sql   string
	value func(r *rand.Rand) string // an expression
	want  func(x string) string     // Postgres's expression for the JSON of x
	// told says that pgx knows it, so that composite types of it can be registered.
	told bool
	// opaque types cannot be read in binary.
	opaque bool
	// unreported says that its text within records depends on a setting that no session
	// reports.
	unreported bool
}

func toJSON(x string) string       { return "to_json(" + x + ")" }
func textAsJSON(x string) string   { return "to_json((" + x + ")::text)" }
func numberOf(x string) string     { return "to_json((" + x + ")::text::int8)" }
func wantBytea(x string) string    { return "to_json(translate(encode(" + x + ", 'base64'), e'\\n', ''))" }
func wantInterval(x string) string { return "to_json(oracle.iso(" + x + "))" }
func wantTimestamptz(x string) string {
	return "case when isfinite(" + x + ") then to_json(regexp_replace(to_json((" + x + ") at time zone 'UTC') #>> '{}', '( BC)?$', 'Z\\1')) else to_json(" + x + ") end"
}

func literal(text, sql string) string {
	return "'" + strings.ReplaceAll(text, "'", "''") + "'::" + sql
}

var awkward = []string{"", "a", "NULL", "null", "a b", `"`, `\`, `a,b`, `{x}`, `(y)`, "[0:1]={1}", "\n\t", "ü日本😀", "'", "it's \\\"", " lead", "a;b", "\x01\x7f", "[1,2]", "\u2028"}

func randomText(r *rand.Rand) string { return awkward[r.IntN(len(awkward))] }

func randomFloat(r *rand.Rand, size int) string {
	switch r.IntN(8) {
	case 0:
		return []string{"NaN", "Infinity", "-Infinity", "-0", "0", "1e20", "1e-5", "1e15", "123456", "1e6"}[r.IntN(10)]
	case 1:
		return fmt.Sprint(r.IntN(2000) - 1000)
	}
	if size == 32 {
		return fmt.Sprint(float32(r.NormFloat64() * math.Pow(10, float64(r.IntN(60)-30))))
	}
	return fmt.Sprint(r.NormFloat64() * math.Pow(10, float64(r.IntN(400)-200)))
}

func randomDate(r *rand.Rand) string {
	if r.IntN(10) == 0 {
		return []string{"infinity", "-infinity"}[r.IntN(2)]
	}
	year := []int{1 + r.IntN(4000), 1900 + r.IntN(150), 10000 + r.IntN(100000)}[r.IntN(3)]
	text := fmt.Sprintf("%04d-%02d-%02d", year, 1+r.IntN(12), 1+r.IntN(28))
	if year < 4000 && r.IntN(5) == 0 {
		text += " BC"
	}
	return text
}

func randomClock(r *rand.Rand) string {
	text := fmt.Sprintf("%02d:%02d:%02d", r.IntN(24), r.IntN(60), r.IntN(60))
	if r.IntN(2) == 0 {
		text += fmt.Sprintf(".%06d", int64(r.IntN(1e6))/[]int64{1, 1000, 1e5}[r.IntN(3)]*[]int64{1, 1000, 1e5}[r.IntN(3)]%1e6)
	}
	return text
}

func randomTimestamp(r *rand.Rand) string {
	date := randomDate(r)
	if strings.HasSuffix(date, "infinity") {
		return date
	}
	date, era, _ := strings.Cut(date, " ")
	return strings.TrimSuffix(date+" "+randomClock(r)+" "+era, " ")
}

func randomInterval(r *rand.Rand) string {
	text := ""
	for _, unit := range []string{"months", "days", "hours", "microseconds"} {
		if n := r.IntN(4000) - 2000; r.IntN(2) == 0 {
			text += fmt.Sprintf("%d %s ", n*[]int{1, 1, 1, 999_983}[r.IntN(4)]%3_000_000, unit)
		}
	}
	return text + "0 secs"
}

func randomNumeric(r *rand.Rand) string {
	if r.IntN(8) == 0 {
		return []string{"NaN", "Infinity", "-Infinity", "0", "0.00", "1e40", "1e-40", "10000", "-0.0001"}[r.IntN(9)]
	}
	text := fmt.Sprint(r.Int64() >> r.IntN(60))
	if n := r.IntN(len(text)); n > 0 && r.IntN(2) == 0 {
		text = text[:n] + "." + text[n:]
	}
	if r.IntN(2) == 0 {
		return "-" + text
	}
	return text
}

func randomXY(r *rand.Rand) string { return "(" + randomFinite(r) + "," + randomFinite(r) + ")" }

func randomFinite(r *rand.Rand) string { return fmt.Sprint(r.NormFloat64() * 1000) }

func randomXYs(r *rand.Rand) string {
	var list []string
	for range 1 + r.IntN(3) {
		list = append(list, randomXY(r))
	}
	return strings.Join(list, ",")
}

func randomJSON(r *rand.Rand) string {
	text, _ := json.Marshal([]any{1, 2.5, nil, true, "x", map[string]any{"a": randomText(r), "b": []any{}}, strings.ReplaceAll(randomText(r), "\x00", ""), 1e30}[r.IntN(8)])
	return string(text)
}

// simpleKinds are the built-in types and those of extensions.
func simpleKinds(hstoreAsObject *bool) []*kindOf {
	var list []*kindOf
	add := func(sql string, value func(r *rand.Rand) string) *kindOf {
		k := &kindOf{sql: sql, want: toJSON, told: true, value: func(r *rand.Rand) string { return literal(value(r), sql) }}
		list = append(list, k)
		return k
	}
	one := func(of ...string) func(r *rand.Rand) string {
		return func(r *rand.Rand) string { return of[r.IntN(len(of))] }
	}
	number := func(n int64) func(r *rand.Rand) string {
		return func(r *rand.Rand) string { return fmt.Sprint(r.Int64N(n) - n/2) }
	}
	positive := func(n int64) func(r *rand.Rand) string {
		return func(r *rand.Rand) string { return fmt.Sprint(r.Int64N(n)) }
	}
	add("bool", one("t", "f"))
	add("int2", number(1<<16))
	add("int4", number(1<<32))
	add("int8", number(1<<62))
	add("oid", positive(1<<32)).want = numberOf
	add("xid", positive(1<<32))
	add("cid", positive(1<<32))
	add("xid8", positive(1<<62))
	add("float4", func(r *rand.Rand) string { return randomFloat(r, 32) }).unreported = true
	add("float8", func(r *rand.Rand) string { return randomFloat(r, 64) }).unreported = true
	add("numeric", randomNumeric)
	add("text", randomText)
	add("varchar", randomText)
	add("char(5)", func(r *rand.Rand) string { return randomText(r)[:0] + "ab" })
	add("name", randomText)
	add(`"char"`, one("", "a", `"`, `\`, ",", " "))
	b := add("bytea", one("", `\x00`, `\x5c22`, `\xdeadbeef`, `\x61206227`, `\xff00ff`))
	b.want, b.unreported = wantBytea, true
	add("uuid", one("123e4567-e89b-12d3-a456-426614174000", "ffffffff-ffff-ffff-ffff-ffffffffffff"))
	add("date", randomDate)
	add("time", func(r *rand.Rand) string { return randomClock(r) })
	add("timetz", func(r *rand.Rand) string { return randomClock(r) + one("+00", "-08", "+05:30", "+01:02:03")(r) }).told = false
	add("timestamp", randomTimestamp)
	add("timestamptz", func(r *rand.Rand) string { return randomTimestamp(r) }).want = wantTimestamptz
	add("interval", randomInterval).want = wantInterval
	add("json", func(r *rand.Rand) string { return " " + randomJSON(r) })
	add("jsonb", randomJSON)
	add("jsonpath", one("$", "$.a[*] ? (@ > 1)", `$."a b"`))
	add("inet", one("1.2.3.4", "10.0.0.1/8", "::1", "::", "::ffff:1.2.3.4", "::1.2.3.4", "2001:db8::1:0:0:1/64", "1:0:0:2::3", "fe80::/10", "::1:2"))
	add("cidr", one("10.0.0.0/8", "1.2.3.4/32", "2001:db8::/32", "::/0", "::ffff:0:0/96"))
	add("macaddr", one("08:00:2b:01:02:03"))
	add("macaddr8", one("08:00:2b:01:02:03:04:ff")).told = false
	add("bit(3)", one("101", "000"))
	add("varbit", one("", "1", "10110111011"))
	for sql, value := range map[string]func(r *rand.Rand) string{
		"point": randomXY, "lseg": func(r *rand.Rand) string { return "[" + randomXY(r) + "," + randomXY(r) + "]" },
		"box":  func(r *rand.Rand) string { return randomXY(r) + "," + randomXY(r) },
		"path": func(r *rand.Rand) string { return one("[", "[", "(")(r)[:1] + randomXYs(r) }, "polygon": func(r *rand.Rand) string { return "(" + randomXYs(r) + ")" },
		"line": func(r *rand.Rand) string { return "{" + randomFinite(r) + ",1," + randomFinite(r) + "}" }, "circle": func(r *rand.Rand) string { return "<" + randomXY(r) + ",2.5>" },
	} {
		closed := func(r *rand.Rand) string {
			text := value(r)
			if sql == "path" {
				text += string(text[0] + map[byte]byte{'[': 2, '(': 1}[text[0]])
			}
			return text
		}
		add(sql, closed).unreported = true
	}
	add("tid", one("(0,1)", "(4294967295,65535)"))
	add("pg_lsn", one("0/0", "16/B374D848", "FFFFFFFF/FFFFFFFF")).told = false
	add("pg_snapshot", one("1:1:", "10:20:10,14,15")).told = false
	add("tsvector", one("", "'a':1A,2B 'b c':3", `'it''s' '\\' '"'`, "x:1C,2D,16383A"))
	add("xml", one("<a>x &amp; \"y\"</a>", "text", `<?xml version="1.0"?><a/>`))
	add("int2vector", one("", "1", "1 -2 3")).told = false
	add("oidvector", one("", "1 2")).told = false
	list[len(list)-1].want = func(x string) string { return "to_json((" + x + ")::oid[]::text[]::int8[])" }
	for _, name := range []string{"int4", "int8", "num", "date", "ts", "tstz"} {
		bound := map[string]func(r *rand.Rand) string{"int4": number(1 << 20), "int8": number(1 << 40), "num": positive(1 << 40), "date": randomDate, "ts": randomTimestamp, "tstz": randomTimestamp}[name]
		element := map[string]string{"int4": "int4", "int8": "int8", "num": "numeric", "date": "date", "ts": "timestamp", "tstz": "timestamptz"}[name]
		list = append(list, rangesOf(name+"range", name+"multirange", &kindOf{sql: element, value: func(r *rand.Rand) string { return literal(bound(r), element) }}, true)...)
	}
	for sql, value := range map[string]func(r *rand.Rand) string{"money": number(1 << 20), "regclass": one("pg_class", "oracle.\"odd Name\""), "regtype": one("int4", "text[]"), "tsquery": one("a & b", "!'x y' | z:*A"), "regconfig": one("english")} {
		k := add(sql, value)
		k.told, k.opaque = false, true
	}
	add("citext", randomText).told = false
	add("ltree", one("", "a.b.c", "Top")).told = false
	h := add("hstore", one("", `"a"=>"1"`, `a=>NULL, "NULL"=>"NULL", "b, c"=>"=>"`, `"q\"\\"=>"\\\""`))
	h.told, h.want = false, func(x string) string { // A cast of the extension makes the object.
		if *hstoreAsObject {
			return toJSON(x)
		}
		return textAsJSON(x)
	}
	c := add("cube", one("(1,2)", "(0),(1)"))
	c.told, c.opaque = false, true
	return list
}

// rangesOf returns a range and a multirange.
func rangesOf(name, multi string, element *kindOf, told bool) []*kindOf {
	value := func(r *rand.Rand) string {
		a, b := element.value(r), element.value(r)
		switch r.IntN(6) {
		case 0:
			return "'empty'::" + name
		case 1:
			return fmt.Sprintf("%s(null, %s)", name, a)
		case 2:
			return fmt.Sprintf("%s(%s, null, '(]')", name, a)
		}
		return fmt.Sprintf("%s(least(%s, %s), greatest(%s, %s), '%s')", name, a, b, a, b, []string{"[]", "[)", "(]", "()"}[r.IntN(4)])
	}
	return []*kindOf{
		{sql: name, told: told, value: value, want: textAsJSON, unreported: true},
		{sql: multi, told: told, value: func(r *rand.Rand) string { return fmt.Sprintf("%s(%s, %s)", multi, value(r), value(r)) }, want: textAsJSON, unreported: true},
	}
}

// generator makes types of types.
type generator struct {
	t      *testing.T
	conn   *pgx.Conn
	r      *rand.Rand
	n      int
	kinds  []*kindOf
	strict bool // settings that are not reported have other values than the default

	hstoreAsObject bool
}

func (g *generator) name(prefix string) string {
	g.n++
	return fmt.Sprintf("oracle.%s%d", prefix, g.n)
}

func (g *generator) exec(sql string, args ...any) {
	g.t.Helper()
	if _, err := g.conn.Exec(g.t.Context(), sql, args...); err != nil {
		g.t.Fatalf("%v: %.1000s", err, sql)
	}
}

// register tells pgx of a type and of its arrays.
func (g *generator) register(name string) {
	g.t.Helper()
	for _, each := range []string{name, name + "[]"} {
		t, err := g.conn.LoadType(g.t.Context(), each)
		if err != nil {
			g.t.Fatalf("%s: %v", each, err)
		}
		g.conn.TypeMap().RegisterType(t)
	}
}

func (g *generator) pick(ok func(k *kindOf) bool) *kindOf {
	for {
		if k := g.kinds[g.r.IntN(len(g.kinds))]; ok(k) {
			return k
		}
	}
}

func (g *generator) make(depth int) *kindOf {
	if depth == 0 {
		return g.pick(func(*kindOf) bool { return true })
	}
	switch g.r.IntN(6) {
	case 0:
		return g.domain(g.make(depth - 1))
	case 1:
		return g.composite(depth-1, g.r.IntN(2) == 0)
	case 2:
		return g.enum()
	case 3:
		element := g.pick(func(k *kindOf) bool {
			return slices.Contains([]string{"float8", "text", "date", "timestamp", "timestamptz", "numeric", "inet", "int8", "uuid", "time"}, k.sql)
		})
		name := g.name("own_range")
		g.exec("create type " + name + " as range (subtype = " + element.sql + ")")
		told := g.r.IntN(2) == 0
		multi := strings.Replace(name, "range", "multirange", 1)
		if told {
			g.register(name)
			g.register(multi)
		}
		return rangesOf(name, multi, element, told)[g.r.IntN(2)]
	}
	return g.array(g.make(depth - 1))
}

func (g *generator) domain(of *kindOf) *kindOf {
	name, k := g.name("d"), *of
	g.exec("create domain " + name + " as " + of.sql)
	k.sql = name
	k.value = func(r *rand.Rand) string { return "(" + of.value(r) + ")::" + name }
	if k.told = k.told && g.r.IntN(2) == 0; k.told {
		g.register(name)
	}
	return &k
}

func (g *generator) enum() *kindOf {
	name := g.name("e")
	labels := []string{"a", "b c", "NULL", "{x}", `"`, "(", "[0:1]", "ü"}
	g.exec("create type " + name + " as enum ('" + strings.Join(labels, "','") + "')")
	told := g.r.IntN(2) == 0
	if told {
		g.register(name)
	}
	return &kindOf{sql: name, told: told, want: toJSON, value: func(r *rand.Rand) string { return literal(labels[r.IntN(len(labels))], name) }}
}

func (g *generator) composite(depth int, told bool) *kindOf {
	name, k := g.name("c"), &kindOf{told: told}
	var fields []*kindOf
	var columns []string
	for i := range 1 + g.r.IntN(4) {
		f := g.make(depth)
		for f.opaque || told && !f.told || g.strict && f.unreported {
			f = g.make(0)
		}
		fields, columns = append(fields, f), append(columns, fmt.Sprintf(`"F %d" %s`, i, f.sql))
		k.unreported = k.unreported || f.unreported
	}
	if g.r.IntN(3) == 0 { // an attribute that is no more
		g.exec("create type " + name + " as (gone int, " + strings.Join(columns, ", ") + ")")
		g.exec("alter type " + name + " drop attribute gone")
	} else {
		g.exec("create type " + name + " as (" + strings.Join(columns, ", ") + ")")
	}
	k.sql, k.want = name, textAsJSON
	k.value = func(r *rand.Rand) string {
		var values []string
		for _, f := range fields {
			values = append(values, g.value(f, r))
		}
		return "row(" + strings.Join(values, ", ") + ")::" + name
	}
	if told {
		g.register(name)
		k.want = func(x string) string {
			var members []string
			for i, f := range fields {
				member := fmt.Sprintf(`(%s)."F %d"`, x, i)
				members = append(members, fmt.Sprintf("'F %d', case when %s is distinct from null then %s end", i, member, f.want(member)))
			}
			return "json_build_object(" + strings.Join(members, ", ") + ")"
		}
	}
	return k
}

func (g *generator) array(of *kindOf) *kindOf {
	if strings.HasSuffix(of.sql, "]") || strings.HasSuffix(of.sql, "vector") && of.sql != "tsvector" {
		return of
	}
	k := *of
	k.sql = of.sql + "[]"
	k.told = of.told && (strings.HasPrefix(of.sql, "oracle.") || !strings.HasSuffix(of.sql, "multirange")) // Of those, pgx knows no arrays.
	k.value = func(r *rand.Rand) string {
		n, dimensions := r.IntN(4), 1+r.IntN(2)
		if n == 0 {
			return "'{}'::" + k.sql
		}
		var list []string
		for range n {
			item := g.value(of, r)
			if dimensions == 2 {
				item = "array[" + item + ", " + g.value(of, r) + "]"
			}
			list = append(list, item)
		}
		text := "array[" + strings.Join(list, ", ") + "]::" + k.sql
		if dimensions == 1 && r.IntN(4) == 0 && !strings.Contains(text, "null") {
			return fmt.Sprintf("array_fill(%s, array[%d], array[%d])", of.value(r), n, r.IntN(5)-2)
		}
		return text
	}
	k.want = func(x string) string {
		each := func(e string) string { return "case when " + e + " is distinct from null then " + of.want(e) + " end" }
		// The depth of nested subqueries gives the variables their names.
		i := fmt.Sprintf("i%d", strings.Count(x, " /**/ "))
		one := "(" + x + ")[" + i + " /**/ ]"
		two := "(" + x + ")[" + i + " /**/ ][j" + i + "]"
		agg := func(e, from string) string {
			return "(select coalesce(json_agg(" + e + " order by " + from + "), '[]') from generate_subscripts(" + x
		}
		return "case when array_ndims(" + x + ") = 2 then " + agg("(select json_agg("+each(two)+" order by j"+i+") from generate_subscripts("+x+", 2) j"+i+")", i) + ", 1) " + i +
			") else " + agg(each(one), i) + ", 1) " + i + ") end"
	}
	return &k
}

// value returns a value, which is null now and then.
func (g *generator) value(k *kindOf, r *rand.Rand) string {
	if r.IntN(8) == 0 {
		return "null::" + k.sql
	}
	return k.value(r)
}

var settings = map[string][]string{
	"DateStyle":     {"ISO, MDY", "ISO, DMY", "SQL, MDY", "SQL, DMY", "German", "Postgres, MDY", "Postgres, DMY"},
	"IntervalStyle": {"postgres", "postgres_verbose", "sql_standard", "iso_8601"},
	"TimeZone":      {"UTC", "America/New_York", "Asia/Kolkata", "Europe/Berlin", "<+05:30>-05:30", "Australia/Lord_Howe"},
}

var unreported = map[string][]string{"bytea_output": {"escape", "hex"}, "extra_float_digits": {"0", "-5", "3"}}

// columns are those of a round: of a table, and records of them.
type columns struct {
	names, expressions, wants []string
	kinds                     []*kindOf
}

// Types that are made at random, nested in each other, have the JSON that Postgres's own
// functions make of them, under any settings, in both formats, as columns and in records.
func TestOracle(t *testing.T) {
	rounds := 8
	if os.Getenv("GQLBOOST_LONG") != "" {
		rounds = 2000 // of 50 rows
	}
	if n, err := strconv.Atoi(os.Getenv("ROUNDS")); err == nil {
		rounds = n
	}
	conn := connect(t)
	g := &generator{t: t, conn: conn, r: rand.New(rand.NewPCG(18, uint64(rounds)))}
	g.kinds = simpleKinds(&g.hstoreAsObject)
	g.exec(`set jit = off; drop schema if exists oracle cascade; create schema oracle; create table oracle."odd Name" ();
		create function oracle.iso(interval) returns text language sql set IntervalStyle = iso_8601 as 'select $1::text';
		create extension if not exists citext; create extension if not exists ltree; create extension if not exists hstore; create extension if not exists cube`)
	encoders := [2]*Encoder{NewEncoder(Options{}), NewEncoder(Options{HstoreAsObject: true})}
	values := 0
	for i := range rounds {
		g.hstoreAsObject = i%2 == 1
		values += g.round(encoders[i%2])
		if t.Failed() {
			return
		}
	}
	t.Logf("%d values", values)
}

func (g *generator) round(encoder *Encoder) (values int) {
	t := g.t
	for _, name := range slices.Sorted(maps(settings)) {
		g.exec("select set_config($1, $2, false)", name, settings[name][g.r.IntN(len(settings[name]))])
	}
	g.strict = g.r.IntN(3) == 0
	for _, name := range slices.Sorted(maps(unreported)) {
		if value := unreported[name][g.r.IntN(len(unreported[name]))]; g.strict {
			g.exec("select set_config($1, $2, false)", name, value)
		} else {
			g.exec("reset " + name)
		}
	}
	const width, height = 8, 50
	var c columns
	var definitions []string
	for i := range width {
		k := g.make(g.r.IntN(4))
		name := fmt.Sprintf("c%d", i)
		definitions = append(definitions, name+" "+k.sql)
		c.add(name, name, k)
	}
	table := g.name("t")
	g.exec("create table " + table + " (n int, " + strings.Join(definitions, ", ") + ")")
	var rows []string
	for i := range height {
		values := []string{fmt.Sprint(i)}
		for _, k := range c.kinds {
			values = append(values, g.value(k, g.r))
		}
		rows = append(rows, "("+strings.Join(values, ", ")+")")
	}
	g.exec("insert into " + table + " values " + strings.Join(rows, ", "))
	// Records have no types that a table could have.
	for i := range 2 {
		k := c.kinds[i]
		if k.opaque || g.strict && k.unreported || k.told && strings.Contains(k.want("x"), "json_build_object") {
			continue
		}
		record := &kindOf{sql: "record", want: func(x string) string { return textAsJSON(x) }}
		c.add(fmt.Sprintf("r%d", i), fmt.Sprintf("row(c%d, n, row(c%d))", i, i), record)
		records := &kindOf{sql: "record[]", want: func(string) string { return fmt.Sprintf("to_json(array[row(c%d)::text])", i) }}
		c.add(fmt.Sprintf("l%d", i), fmt.Sprintf("array[row(c%d)]", i), records)
	}
	text := g.wants(table, c)
	g.compare(encoder, table, c, text, "text", pgx.QueryExecModeSimpleProtocol)
	g.compare(encoder, table, c, text, "extended text", pgx.QueryResultFormats{pgx.TextFormatCode})
	g.exec("select set_config('extra_float_digits', '1', false)")
	binary := g.wants(table, c)
	g.compare(encoder, table, c, binary, "binary", pgx.QueryExecModeCacheDescribe)
	g.compareShape(table, c, binary)
	g.exec("drop table " + table)
	if t.Failed() {
		t.Logf("%s", strings.Join(definitions, ", "))
	}
	return 4 * height * len(c.names)
}

func maps(m map[string][]string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

func (c *columns) add(name, expression string, k *kindOf) {
	c.names, c.expressions, c.kinds = append(c.names, name), append(c.expressions, expression), append(c.kinds, k)
	c.wants = append(c.wants, "case when "+expression+" is distinct from null then "+k.want(expression)+" end")
}

// wants asks Postgres for the JSON of all values.
func (g *generator) wants(table string, c columns) (list [][]string) {
	g.t.Helper()
	var texts []string
	for _, want := range c.wants {
		texts = append(texts, "coalesce(("+want+")::text, 'null')")
	}
	rows, err := g.conn.Query(g.t.Context(), "select "+strings.Join(texts, ",\n")+" from "+table+" order by n", pgx.QueryExecModeExec)
	if err != nil {
		g.t.Fatal(err)
	}
	list, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (texts []string, err error) {
		for _, v := range row.RawValues() {
			texts = append(texts, string(v))
		}
		return texts, nil
	})
	if err != nil {
		g.t.Fatalf("%v: %s", err, strings.Join(texts, ",\n"))
	}
	return list
}

func (g *generator) compare(encoder *Encoder, table string, c columns, want [][]string, mode string, how any) {
	g.t.Helper()
	var list []string
	for i, name := range c.names {
		list = append(list, c.expressions[i]+" as "+name)
	}
	rows, err := g.conn.Query(g.t.Context(), "select "+strings.Join(list, ", ")+" from "+table+" order by n", how)
	if err != nil {
		g.t.Fatal(err)
	}
	var b bytes.Buffer
	w := stream.NewWriter(&b, stream.Options{})
	_, err = encoder.Write(w, rows)
	if closed := w.Close(); err == nil {
		err = closed
	}
	if err != nil {
		g.t.Errorf("%s: %v", mode, err)
		return
	}
	var got []map[string]json.RawMessage
	if err := json.Unmarshal(b.Bytes(), &got); err != nil {
		g.t.Fatalf("%s: %v: %s", mode, err, b.Bytes())
	}
	for i := range got {
		for j, name := range c.names {
			if one := string(got[i][name]); !sameJSON(g.t, one, want[i][j]) {
				g.t.Errorf("%s, %s (%s), row %d:\ngot  %s\nwant %s", mode, c.kinds[j].sql, name, i, one, want[i][j])
			}
		}
	}
}

// compareShape has the columns in records.
func (g *generator) compareShape(table string, c columns, want [][]string) {
	g.t.Helper()
	var inside []Field
	var list []string
	var indices []int
	for i, k := range c.kinds {
		if !k.opaque {
			inside, list, indices = append(inside, Field{Name: c.names[i]}), append(list, c.expressions[i]), append(indices, i)
		}
	}
	s := NewShape([]Field{{Name: "r", Fields: inside}, {Name: "l", Fields: inside}}, Options{HstoreAsObject: g.hstoreAsObject})
	row := "row(" + strings.Join(list, ", ") + ")"
	got, err := shapeOf(g.t, g.conn, s, false, "select "+row+", array[null, "+row+"] from "+table+" order by n")
	if err != nil {
		g.t.Errorf("shape: %v", err)
		return
	}
	var rows []struct {
		R map[string]json.RawMessage
		L []map[string]json.RawMessage
	}
	if err := json.Unmarshal([]byte(got), &rows); err != nil {
		g.t.Fatalf("%v: %s", err, got)
	}
	for i, row := range rows {
		for _, j := range indices {
			for _, one := range []json.RawMessage{row.R[c.names[j]], row.L[1][c.names[j]]} {
				if !sameJSON(g.t, string(one), want[i][j]) {
					g.t.Errorf("shape, %s (%s), row %d:\ngot  %s\nwant %s", c.kinds[j].sql, c.names[j], i, one, want[i][j])
				}
			}
		}
	}
}
