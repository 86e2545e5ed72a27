package advisor

import (
	"reflect"
	"strings"
	"testing"
)

// The conditions are as Postgres writes them.
func TestClauses(t *testing.T) {
	for condition, want := range map[string][]string{
		"(c.post_id = $1)":                                           {"c.post_id|=|$1"},
		"((c.post_id = $1) AND (c.id > 5))":                          {"c.post_id|=|$1", "c.id|>|5"},
		"(((a.x = 1) AND (a.y = 2)) AND (a.z < 3))":                  {"a.x|=|1", "a.y|=|2", "a.z|<|3"},
		"(c.post_id = ANY ($1))":                                     {"c.post_id|= any|$1"},
		"(c.id = ANY ('{1,2}'::bigint[]))":                           {"c.id|= any|'{1,2}'::bigint[]"},
		"((u.profile ->> 'city'::text) = $1)":                        {"u.profile ->> 'city'::text|=|$1"},
		"(lower(u.email) = 'a''b)'::text)":                           {"lower(u.email)|=|'a''b)'::text"},
		"(p.title ~~ '%x%'::text)":                                   {"p.title|~~|'%x%'::text"},
		"(p.published_at IS NULL)":                                   {"p.published_at|is null|"},
		"(s.active IS NOT TRUE)":                                     {"s.active|is not true|"},
		"(p.published_at IS NOT NULL)":                               {"p.published_at|is not null|"},
		"p.deleted":                                                  {"p.deleted|is true|"},
		"(NOT p.deleted)":                                            {"p.deleted|not|"},
		"((p.a = 1) OR (p.b = 2))":                                   {"(p.a = 1) OR (p.b = 2)||"},
		"(p.search @@ '''never'''::tsquery)":                         {"p.search|@@|'''never'''::tsquery"},
		`("Order"."Id" = $1)`:                                        {`"Order"."Id"|=|$1`},
		"((a.code)::text = 'x'::text)":                               {"(a.code)::text|=|'x'::text"},
		"(a.t > (now() - '01:00:00'::interval))":                     {"a.t|>|now() - '01:00:00'::interval"},
		"(ROW(p.at, p.id) < ROW($1, $2))":                            {"ROW (p.at, p.id)|<|ROW ($1, $2)"},
		`(p.x = E'a\\b'' AND c')`:                                    {`p.x|=|E'a\\b'' AND c'`},
		"(a.x = '2024-01-01 00:00:00+00'::timestamp with time zone)": {"a.x|=|'2024-01-01 00:00:00+00'::timestamp with time zone"},
		"":   nil,
		"(":  {"(||"},
		"'":  {"'||"},
		"))": {"))||"},
	} {
		var got []string
		for _, c := range clauses(condition) {
			got = append(got, c.left.text+"|"+c.operator+"|"+c.right.text)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s:\n%q\n%q", condition, got, want)
		}
	}
}

func TestOf(t *testing.T) {
	for _, each := range []struct{ condition, alias, want string }{
		{"(p.id = c.post_id)", "c", "c.post_id|=|p.id"},
		{"(p.id = c.post_id)", "p", "p.id|=|c.post_id"},
		{"(5 < p.id)", "p", "p.id|>|5"},
		{"(p.id = (p.x + 1))", "p", ""},
		{"(p.id = c.post_id)", "x", ""},
		{"(5 ~~ p.id)", "p", ""},
	} {
		c, ok := clauses(each.condition)[0].of(each.alias)
		got := ""
		if ok {
			got = c.left.text + "|" + c.operator + "|" + c.right.text
		}
		if got != each.want {
			t.Errorf("%s of %s: %q", each.condition, each.alias, got)
		}
	}
}

func TestOperand(t *testing.T) {
	for text, want := range map[string]struct {
		column, cast, local string
		literal             bool
	}{
		"u.id":                                {"id", "", "id", false},
		"(u.id)::text":                        {"id", "text", "(id)::text", false},
		"((u.code)::character varying)::text": {"code", "text", "((code)::character varying)::text", false},
		`"U"."a ""b"`:                         {`a "b`, "", `"a ""b"`, false},
		"lower(u.email)":                      {"", "", "lower(email)", false},
		"(u.profile ->> 'a.b'::text)":         {"", "", "profile ->> 'a.b'::text", false},
		"public.f(u.x)":                       {"", "", "public.f(x)", false},
		"'x'::text":                           {"", "text", "'x'::text", true},
		"$1":                                  {"", "", "$1", false},
		"5":                                   {"", "", "5", true},
	} {
		o := toOperand(tokenize(text))
		if o.column.name != want.column || o.cast != want.cast || o.local() != want.local || o.literal != want.literal {
			t.Errorf("%s: %q %q %q %v", text, o.column.name, o.cast, o.local(), o.literal)
		}
	}
}

func TestWithLimit(t *testing.T) {
	for sql, want := range map[string]string{
		"select 1 from t where a = $1 order by b limit $2":          "select 1 from t where a = $1 order by b limit 7",
		"select 1 from t where a = $2 limit $1 offset $3":           "select 1 from t where a = $2 limit 7 offset 0",
		"select '$1 limit $2', \"$3\" from t -- limit $4\nlimit $1": "select '$1 limit $2', \"$3\" from t -- limit $4\nlimit 7",
		"select 1 /* limit $1 */ from t where a = $1 and b=$2":      "select 1 /* limit $1 */ from t where a = $1 and b=$2",
		"select $$ limit $1 $$ limit $1":                            "select $$ limit $1 $$ limit 7",
		"select $a$ limit $1 $$ $a$ limit $1":                       "select $a$ limit $1 $$ $a$ limit 7",
		"select 'it''s $1' limit $1":                                "select 'it''s $1' limit 7",
		`select E'\'' from t limit $1`:                              `select E'\'' from t limit 7`,
		"select 1 /* /* */ limit $2 */ limit $1":                    "select 1 /* /* */ limit $2 */ limit 7",
	} {
		if got := withLimit(sql, 7); got != want {
			t.Errorf("%s: %s", sql, got)
		}
	}
}

func TestAssigned(t *testing.T) {
	for sql, want := range map[string]string{
		"update t set a = 1, b = f(2, c) where d = 3":      "a b",
		"UPDATE t SET Status = $1, \"Odd\" = $2":           "status Odd",
		"update t set (a, B) = ($1, c), d = (select e, f)": "a b d",
		"update t set (a) = row(b, c) from u":              "a",
		"update t set a[1] = 2, b.c = 3 returning d, e":    "a b",
		"update t set a = b = c, d = array[e, f]":          "a d",
		"update t set a=-(b), c=~(d), e=@f":                "a c e",
	} {
		if got := strings.Join(assigned(sql), " "); got != want {
			t.Errorf("%s: %s, want %s", sql, got, want)
		}
	}
}

func FuzzClauses(f *testing.F) {
	f.Add("((c.post_id = $1) AND (lower(c.x) ~~ 'a%'::text))")
	f.Add("(a.b = ANY ('{1}'::int[])) OR NOT (x.y IS NULL)")
	f.Add(`E'\`)
	f.Fuzz(func(t *testing.T, condition string) {
		for _, c := range clauses(condition) {
			c.left.local()
			c.of("a")
			c.pattern()
		}
		sortKeys([]string{condition}, strings.TrimSpace)
		withLimit(condition, 3)
		withoutNumbers(condition)
		verb(condition)
	})
}
