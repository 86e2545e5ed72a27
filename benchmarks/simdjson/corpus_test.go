package simdjson

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
)

// corpora are the files of GOROOT/src/encoding/json/internal/jsontest.
var corpora = []string{"twitter_status", "citm_catalog", "canada_geometry", "synthea_fhir", "golang_source"}

func corpus(b testing.TB, name string) []byte {
	b.Helper()
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		b.Skip(err)
	}
	path := filepath.Join(strings.TrimSpace(string(root)), "src/encoding/json/internal/jsontest/testdata", name+".json.zst")
	compressed, err := os.ReadFile(path)
	if err != nil {
		b.Skip(err)
	}
	decoder, err := zstd.NewReader(nil)
	if err != nil {
		b.Fatal(err)
	}
	defer decoder.Close()
	data, err := decoder.DecodeAll(compressed, nil)
	if err != nil {
		b.Fatal(err)
	}
	return data
}

// sizes are the requests, in the order in which they are measured.
var sizes = []string{"183B", "1.7KB", "64KB"}

// requests are GraphQL requests of 183 B, 1.7 KB, and with 64 KB of variables.
func requests(b testing.TB) map[string][]byte {
	b.Helper()
	encode := func(query string, variables map[string]any) []byte {
		body, err := json.Marshal(map[string]any{"operationName": "Q", "query": query, "variables": variables})
		if err != nil {
			b.Fatal(err)
		}
		return body
	}
	field := "      field { id name createdAt author { id name } }\n"
	rows := make([]any, 640)
	for i := range rows {
		rows[i] = map[string]any{"id": i, "title": "A title of some length", "tags": []string{"go", "graphql", "postgres"}, "score": 1.5}
	}
	return map[string][]byte{
		"183B":  encode("query Q($id: ID!) {\n  user(id: $id) {\n    id\n    name\n    posts { id title }\n  }\n}", map[string]any{"id": "1234", "first": 10}),
		"1.7KB": encode("query Q($id: ID!) {\n  user(id: $id) {\n"+strings.Repeat(field, 26)+"  }\n}", map[string]any{"id": "1234", "first": 10, "tags": []string{"a", "b"}, "deep": map[string]any{"x": 1.5, "y": nil}}),
		"64KB":  encode("mutation Q($rows: [Row!]!) {\n  add(rows: $rows) { id }\n}", map[string]any{"rows": rows}),
	}
}
