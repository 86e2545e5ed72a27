package reader_test

import (
	"testing"

	"github.com/gqlboost/gqlboost/pool/reader"
)

// A scope is what it was taken from, and no other one, in whatever context it is put.
func TestScope(t *testing.T) {
	plain := t.Context()
	token, err := reader.ParseToken("primary")
	if err != nil {
		t.Fatal(err)
	}
	role := reader.WithSettings(plain, reader.Settings{Role: `a"b`, GUC: map[string]string{"app.tenant": "\xff'\\\n", "B.x": ""}})
	contexts := map[string]reader.Scope{
		"plain":       reader.ScopeOf(plain),
		"no settings": reader.ScopeOf(reader.WithSettings(plain, reader.Settings{})),
		"role":        reader.ScopeOf(role),
		"other role":  reader.ScopeOf(reader.WithSettings(plain, reader.Settings{Role: `a"b`, GUC: map[string]string{"app.tenant": "\xff'\\\n"}})),
		"refused":     reader.ScopeOf(reader.WithSettings(plain, reader.Settings{GUC: map[string]string{"": "x"}})),
		"token":       reader.ScopeOf(reader.WithToken(plain, token)),
		"alone":       reader.ScopeOf(reader.Alone(plain)),
		"all":         reader.ScopeOf(reader.Alone(reader.WithToken(role, token))),
	}
	for name, s := range contexts {
		for other, o := range contexts {
			if (s == o) != (name == other) {
				t.Errorf("%s and %s are equal: %t", name, other, s == o)
			}
			if got := reader.ScopeOf(s.In(o.In(plain))); got != s {
				t.Errorf("%s in %s is %v, want %v", name, other, got, s)
			}
		}
	}
	again := reader.ScopeOf(reader.WithSettings(plain, reader.Settings{Role: `a"b`, GUC: map[string]string{"B.x": "", "app.tenant": "\xff'\\\n"}}))
	if again != contexts["role"] {
		t.Error("equal settings have another scope")
	}
}
