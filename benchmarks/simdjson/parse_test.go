package simdjson

import (
	"encoding/json"
	"errors"
	"slices"
	"testing"

	"github.com/bytedance/sonic"
	"github.com/bytedance/sonic/ast"
	jsonv2 "github.com/go-json-experiment/json"
	goccy "github.com/goccy/go-json"
	"github.com/gqlboost/gqlboost/simdjson"
	minio "github.com/minio/simdjson-go"
	"github.com/tidwall/gjson"
	"github.com/valyala/fastjson"
)

type implementation struct {
	name string
	run  func([]byte) error
}

// bench measures a list of implementations in turn, and ours with other kernels as well.
func bench(b *testing.B, work string, data []byte, list []implementation) {
	for _, c := range list {
		b.Run("work="+work+"/impl="+c.name, func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			for b.Loop() {
				if err := c.run(data); err != nil {
					b.Fatal(err)
				}
			}
		})
		if c.name != "gqlboost" {
			continue
		}
		for _, kernel := range lower() {
			b.Run("work="+work+"/impl="+kernel, func(b *testing.B) { benchKernel(b, kernel) })
		}
	}
}

// BenchmarkParse makes a navigable document of a text. Ours checks UTF-8, the
// others do not.
func BenchmarkParse(b *testing.B) {
	var fast fastjson.Parser
	var tape *minio.ParsedJson
	list := []implementation{
		{"gqlboost", func(data []byte) error {
			d, err := simdjson.Parse(data)
			d.Close()
			return err
		}},
		{"fastjson", func(data []byte) error {
			_, err := fast.ParseBytes(data)
			return err
		}},
		{"sonic-ast", func(data []byte) error {
			n := ast.NewRaw(string(data))
			return n.LoadAll()
		}},
		{"encoding-json-any", func(data []byte) error { return json.Unmarshal(data, new(any)) }},
		{"json-v2-any", func(data []byte) error { return jsonv2.Unmarshal(data, new(any)) }},
		{"goccy-any", func(data []byte) error { return goccy.Unmarshal(data, new(any)) }},
	}
	if minio.SupportedCPU() {
		list = append(list, implementation{"simdjson-go", func(data []byte) (err error) {
			tape, err = minio.Parse(data, tape)
			return err
		}})
	}
	parse := func(name string, data []byte) { bench(b, name, data, append(slices.Clip(list), inCPP(data)...)) }
	for _, name := range corpora {
		parse(name, corpus(b, name))
	}
	parse("request-183B", requests(b)["183B"])
}

// BenchmarkValid only checks a text. sonic and gjson do not check UTF-8.
func BenchmarkValid(b *testing.B) {
	ok := func(valid bool) error {
		if !valid {
			return errors.New("valid JSON was refused")
		}
		return nil
	}
	for _, name := range corpora {
		bench(b, name, corpus(b, name), []implementation{
			{"gqlboost", func(data []byte) error { return ok(simdjson.Valid(data)) }},
			{"sonic", func(data []byte) error { return ok(sonic.Valid(data)) }},
			{"gjson", func(data []byte) error { return ok(gjson.ValidBytes(data)) }},
			{"encoding-json", func(data []byte) error { return ok(json.Valid(data)) }},
		})
	}
}

// request is what other servers decode into, with variables left as they are.
type request struct {
	Query         string          `json:"query"`
	OperationName string          `json:"operationName"`
	Variables     json.RawMessage `json:"variables"`
	Extensions    json.RawMessage `json:"extensions"`
}

// mapRequest is what gqlgen decodes into.
type mapRequest struct {
	Query         string         `json:"query"`
	OperationName string         `json:"operationName"`
	Variables     map[string]any `json:"variables"`
	Extensions    map[string]any `json:"extensions"`
}

func BenchmarkDecodeRequest(b *testing.B) {
	bodies := requests(b)
	for _, size := range sizes {
		bench(b, size, bodies[size], []implementation{
			{"gqlboost", func(data []byte) error {
				r, err := simdjson.DecodeRequest(data)
				r.Close()
				return err
			}},
			{"sonic-raw", func(data []byte) error { return sonic.Unmarshal(data, new(request)) }},
			{"sonic-map", func(data []byte) error { return sonic.Unmarshal(data, new(mapRequest)) }},
			{"encoding-json-map", func(data []byte) error { return json.Unmarshal(data, new(mapRequest)) }},
		})
	}
}

// posted is what the variables of a large request are decoded into.
type posted struct {
	Query     string `json:"query"`
	Variables struct {
		ID   any `json:"id"`
		Rows []struct {
			ID    int      `json:"id"`
			Title string   `json:"title"`
			Score float64  `json:"score"`
			Tags  []string `json:"tags"`
		} `json:"rows"`
	} `json:"variables"`
}

// BenchmarkUnmarshal decodes into structs and maps.
func BenchmarkUnmarshal(b *testing.B) {
	bodies := requests(b)
	unmarshal := func(work string, data []byte, target func() any) {
		bench(b, work, data, []implementation{
			{"gqlboost", func(data []byte) error { return simdjson.Unmarshal(data, target()) }},
			{"sonic-std", func(data []byte) error { return sonic.ConfigStd.Unmarshal(data, target()) }},
			{"goccy", func(data []byte) error { return goccy.Unmarshal(data, target()) }},
			{"encoding-json", func(data []byte) error { return json.Unmarshal(data, target()) }},
		})
	}
	for _, size := range sizes {
		unmarshal(size+"-struct", bodies[size], func() any { return new(posted) })
		unmarshal(size+"-any", bodies[size], func() any { return new(any) })
	}
}
