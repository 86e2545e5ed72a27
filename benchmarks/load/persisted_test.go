package load

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gqlboost/gqlboost/plancache"
)

// A server that learns texts by their hashes gets each text once a client, and what changes
// something by POST only.
func TestPersistedQueriesGoByGet(t *testing.T) {
	var mu sync.Mutex
	texts := map[string]string{}
	posts, asked := 0, 0
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		w.Header().Set("Served-By", "s7")
		if r.Method == http.MethodPost {
			posts++
			body, _ := io.ReadAll(r.Body)
			if !bytes.Contains(body, []byte(`"query":"mutation`)) {
				t.Errorf("posted: %s", body)
			}
			answerOK(w, r)
			return
		}
		asked++
		var extensions struct{ PersistedQuery struct{ Sha256Hash string } }
		if err := json.Unmarshal([]byte(r.FormValue("extensions")), &extensions); err != nil {
			t.Error(err)
		}
		hash, text := extensions.PersistedQuery.Sha256Hash, r.FormValue("query")
		switch {
		case text != "" && plancache.HashQuery(text) != hash:
			t.Errorf("%s is not the hash of %s", hash, text)
		case text != "":
			texts[hash] = text
		case texts[hash] == "":
			_, _ = io.WriteString(w, `{"errors":[{"message":"PersistedQueryNotFound"}],"data":null}`)
			return
		}
		answerOK(w, r)
	})
	mix := append(slices.Clone(fixed), fixed[0])
	mix[1].query = "mutation NAME { x }"
	var each atomic.Int64
	r, err := Run(t.Context(), Config{URL: url, Mix: mix, Totals: totals, Phases: []Phase{{400, time.Hour}}, Arrivals: Constant,
		Duration: time.Second, Variants: 3, Persisted: true, ServerHeader: "Served-By", Each: func(s Sent) {
			if s.Err == nil && s.Server == "s7" && s.Latency > 0 && s.Due < time.Second {
				each.Add(1)
			}
		}})
	if err != nil {
		t.Fatal(err)
	}
	if r.Errors != 0 || r.Requests == 0 || each.Load() != r.Requests {
		t.Errorf("%d requests of which Each saw %d; errors %v", r.Requests, each.Load(), r.ErrorKinds)
	}
	if len(texts) != 3 || posts == 0 || int64(asked+posts) < r.Requests+3 {
		t.Errorf("%d texts, %d gets, %d posts for %d requests", len(texts), asked, posts, r.Requests)
	}
}

// The manifest has the texts that are sent, byte by byte.
func TestManifestHasTheTextsOfTheMix(t *testing.T) {
	var file bytes.Buffer
	if err := BlogMix().WriteManifest(&file, 4); err != nil {
		t.Fatal(err)
	}
	keys, err := plancache.Manifest(&file)
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	for k := range keys {
		if len(known) == 0 && !strings.HasPrefix(k.Query, "query user0(") {
			t.Errorf("the most used query is not first: %s", k.Query)
		}
		known[k.Query] = true
	}
	if want := 4 * (len(BlogMix()) - 1); len(known) != want { // The export is not in the mix.
		t.Errorf("%d texts, want %d", len(known), want)
	}
	d := newGenerator(BlogMix(), totals, 1, 4)
	for range 1000 {
		if r := d.next(); !known[r.text] {
			t.Fatalf("not in the manifest: %s", r.text)
		}
	}
}
