package pgrows

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// Each built-in type is in the table of doc.go, and nothing else is.
func TestContractNamesAllTypes(t *testing.T) {
	text, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(text), "//\ttype  ")
	table, _, _ = strings.Cut(table, "//\n// And of types")
	said := map[string]bool{}
	for _, line := range strings.Split(table, "\n")[1:] {
		line = strings.TrimPrefix(line, "//\t")
		if strings.HasPrefix(line, "NaN") || strings.HasPrefix(line, " ") {
			continue
		}
		names := regexp.MustCompile("   +").Split(line, 2)[0]
		for name := range strings.SplitSeq(names, ",") {
			if name = strings.TrimSpace(name); name != "" {
				said[name] = true
			}
		}
	}
	for _, row := range builtinTable {
		if !said[row.name] {
			t.Errorf("%s is not in the contract", row.name)
		}
		delete(said, row.name)
	}
	if len(said) > 0 {
		t.Errorf("types that are not built in: %v", said)
	}
}

// Postgres has no type that a table may have and pgrows has not, but for those of statistics.
func TestAllTypesOfPostgres(t *testing.T) {
	conn := connect(t)
	rows, err := conn.Query(t.Context(), `select oid, typname::text from pg_type where oid < 10000 and typtype in ('b', 'r', 'm') and typrelid = 0
		and typname !~ '^(pg_ndistinct|pg_dependencies|pg_mcv_list|pg_brin_.*|_pg_type|_pg_attribute|_pg_proc|_pg_class)$'`)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for rows.Next() {
		var oid uint32
		var name string
		if err := rows.Scan(&oid, &name); err != nil {
			t.Fatal(err)
		}
		if n++; builtins()[oid] == nil {
			t.Errorf("%s is unknown", name)
		}
	}
	if err := rows.Err(); err != nil || n < 100 {
		t.Errorf("%d types, %v", n, err)
	}
}
