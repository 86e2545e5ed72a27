package sqltext

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestFirstWord(t *testing.T) {
	for sql, want := range map[string]string{
		"": "", "select 1": "select", " \n(( SELECT": "select", "-- a\n/* b */ With x": "with", "/* torn": "", "-- torn": "", "1": "", "déjà": "déjà", "TABLE": "table",
		"/* a /* b */ c */ select 1": "select", "/* a /* b */ select 1": "", "-- a\rvalues (1)": "values", `"select" 1`: "", "'select'": "", "/**/begin": "begin", ";select": "",
	} {
		if got := FirstWord(sql); got != want {
			t.Errorf("%q: %q", sql, got)
		}
	}
}

func TestCalls(t *testing.T) {
	for sql, want := range map[string]string{
		"select 1":                      "",
		"select Set_Config ('a', f(1))": "set_config f",
		"select pg_catalog . set_config/* /* ( */ */(1)":                           "set_config",
		`select "set_config"(1), "Weird ""name"(2)`:                                `set_config Weird "name`,
		"select 'set_config(', E'\\'f(', $$f($$, $a$ f( $b$ $a$, $1, f -- (\n (2)": "f",
		"select 'it''s f('":    "",
		`select '\', f(')'`:    "f",
		"select a$b$(1)":       "a$b$",
		"select 1e5(":          "",
		"select $1(":           "",
		"select 'torn f(":      "",
		`select "torn f(`:      "",
		"select f('x' /* torn": "f",
		// A string goes on behind a line end, with the escapes that it had.
		"select E'a'\n'\\'', f(1), '":                    "f",
		"select E'a' --'\n\t-- '\r'\\'', f(1), E'' 'g('": "f",
		"select E'a'\n'b'\n'\\' g(', f(1)":               "f",
		"select 'a'\n'\\', f(1)":                         "f",
		"select E'a' '\\', f(1)":                         "f", // a mistake in SQL: no line end
		"select E'a' /*\n*/ '\\', f(1)":                  "f", // the same
		"select E'a'\n, f(1)":                            "f",
		"select E'a'\n":                                  "",
		"select E'a' --":                                 "",
	} {
		if got := strings.Join(slices.Collect(Calls(sql)), " "); got != want {
			t.Errorf("%q: %q, want %q", sql, got, want)
		}
	}
}

func TestSingle(t *testing.T) {
	for sql, want := range map[string]bool{
		"": true, "select 1": true, "select 1;": true, "select 1; ; -- end": true, "select ';'": true, "select 1; select 2": false, `select '\'; delete from t --'`: false, "select $$;$$ /*;*/": true,
	} {
		if got := Single(sql); got != want {
			t.Errorf("%q: %v", sql, got)
		}
	}
}

func TestBegins(t *testing.T) {
	for sql, want := range map[string]string{
		"": "", ";;": "", "commit": "commit ,",
		"select 1; ;-- a\nPREPARE /* b */ Transaction 'x'; commit": "select ,prepare transaction,commit ,",
		"((select a": "select a,", "'a' b c": " b,", "select ';commit'; (end": "select ,end ,",
	} {
		got := ""
		for first, second := range Begins(sql) {
			got += first + " " + second + ","
		}
		if got != want {
			t.Errorf("%q: %q, want %q", sql, got, want)
		}
	}
}

func FuzzTokens(f *testing.F) {
	for _, sql := range []string{"select 'a", "$a$ b $a$", "/* /* */", `"a""b"(1)`, "E'\\"} {
		f.Add(sql)
	}
	f.Fuzz(func(t *testing.T, sql string) {
		for range tokens(sql) {
		}
		Single(sql)
		for range Calls(sql) {
			break
		}
		for range Begins(sql) {
		}
	})
}

func TestParameters(t *testing.T) {
	for sql, want := range map[string]string{
		"select $1, $22":               "7-9 11-14",
		"$1":                           "0-2",
		`select E'\'' from t limit $1`: "26-28",
		"/* /* $1 */ $2 */ $3 -- $4":   "18-20",
		"select '$1', \"$2\", $a$ $3 $a$, $$$4$$": "",
		"select a$1, $, 1$2 $99999999999999":      "16-18 19-34",
		"":                                        "",
	} {
		var got []string
		for begin, end := range Parameters(sql) {
			got = append(got, fmt.Sprintf("%d-%d", begin, end))
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%q: %v, want %s", sql, got, want)
		}
	}
}
