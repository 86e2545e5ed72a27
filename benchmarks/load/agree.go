package load

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"time"
)

// unasked are queries that the mix has not: the rest of the schema's fields, what is null,
// and optional arguments that are left out.
var unasked = []string{
	`{ user(id: "123456789") { id } post(id: "123456789") { id } }`,
	`{ user(id: "1") { handle email createdAt followers(first: 3) { id name profile } posts { publishedAt } } }`,
	`{ post(id: "19") { slug status views publishedAt comments(first: 2) { createdAt post { id tags { id } } } } }`,
	`{ feed(first: 3) { id comments { id } } comments(first: 3) { id author { handle } } }`,
	`{ search(text: "no such words anywhere") { id } totals { users posts comments } }`,
}

// Agree sends random requests of a mix to a server, and to one whose answers are known to
// be right, n in all and as many of each operation, besides queries for what the mix
// leaves out. Answers must satisfy the mix and be the same: the order of an object's keys
// may differ, the spelling of an instant and what it has below milliseconds, and the IDs of
// rows that each server has made for itself.
func Agree(ctx context.Context, right, other Target, mix Mix, n int, seed uint64) error {
	totals, err := right.Totals(ctx)
	if err != nil {
		return err
	}
	var used []int
	for i, o := range mix {
		if o.Weight > 0 {
			used = append(used, i)
		}
	}
	d := newGenerator(mix, totals, seed, 1)
	for i := range n {
		r := d.request(used[i%len(used)])
		o := mix[r.Operation]
		if err := agreeOn(ctx, right, other, r.Body, strings.HasPrefix(o.query, "mutation"), r.Check); err != nil {
			return fmt.Errorf("load: %s, operation %s: %w", other.Name, o.Name, err)
		}
	}
	for _, query := range unasked {
		body, err := json.Marshal(map[string]string{"query": query})
		if err != nil {
			return err
		}
		if err := agreeOn(ctx, right, other, body, false, nil); err != nil {
			return fmt.Errorf("load: %s, query %s: %w", other.Name, query, err)
		}
	}
	return nil
}

func agreeOn(ctx context.Context, right, other Target, body []byte, mutation bool, check func([]byte) error) error {
	var answers [2]any
	for i, t := range []Target{right, other} {
		text, err := ask(ctx, t.URL, body)
		if err != nil {
			return fmt.Errorf("%s: %w", t.Name, err)
		}
		if check != nil {
			if err := check(text); err != nil {
				return fmt.Errorf("%s: %w", t.Name, err)
			}
		}
		if answers[i], err = normalize(text, mutation); err != nil {
			return fmt.Errorf("%s: %w", t.Name, err)
		}
	}
	if where := difference(answers[0], answers[1], "data"); where != "" {
		return fmt.Errorf("request %.300s: %s", body, where)
	}
	return nil
}

// ask returns the body of a response.
func ask(ctx context.Context, url string, body []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %.200s", response.Status, text)
	}
	return text, err
}

// normalize decodes the data of an answer, in which instants are spelled alike. made is
// whether its rows were made by the request: their own IDs are left out.
func normalize(text []byte, made bool) (any, error) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var answer map[string]any
	if err := decoder.Decode(&answer); err != nil {
		return nil, fmt.Errorf("%w: %.200s", err, text)
	}
	data, ok := answer["data"].(map[string]any)
	if answer["errors"] != nil || !ok {
		return nil, fmt.Errorf("no data without errors: %.300s", text)
	}
	if made {
		for _, row := range data {
			if row, ok := row.(map[string]any); ok {
				delete(row, "id")
			}
		}
	}
	return instants(data), nil
}

func instants(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for key, value := range v {
			v[key] = instants(value)
		}
	case []any:
		for i, value := range v {
			v[i] = instants(value)
		}
	case string:
		if at, err := time.Parse(time.RFC3339Nano, v); err == nil {
			// A Date of JavaScript has milliseconds.
			return at.UTC().Truncate(time.Millisecond).Format(time.RFC3339Nano)
		}
	}
	return v
}

// difference says where two values differ first, "" if they do not.
func difference(want, got any, path string) string {
	if reflect.DeepEqual(want, got) {
		return ""
	}
	switch want := want.(type) {
	case map[string]any:
		if got, ok := got.(map[string]any); ok && len(got) == len(want) {
			for _, key := range slices.Sorted(maps.Keys(want)) {
				if where := difference(want[key], got[key], path+"."+key); where != "" {
					return where
				}
			}
		}
	case []any:
		if got, ok := got.([]any); ok && len(got) == len(want) {
			for i := range want {
				if where := difference(want[i], got[i], fmt.Sprintf("%s[%d]", path, i)); where != "" {
					return where
				}
			}
		}
	}
	return fmt.Sprintf("%s is %.200v, want %.200v", path, got, want)
}
