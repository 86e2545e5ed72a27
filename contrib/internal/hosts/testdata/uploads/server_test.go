package uploads

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/textproto"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/coder/websocket/wsjson"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func newServer(t *testing.T) *httptest.Server {
	s := httptest.NewServer(NewServer())
	t.Cleanup(s.Close)
	return s
}

func answer(t *testing.T, r *http.Response, err error) (int, string) {
	require.NoError(t, err)
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	require.NoError(t, err)
	return r.StatusCode, string(b)
}

// upload sends files a.txt, b.txt and so on with these contents.
func upload(t *testing.T, url, operations, paths string, contents ...string) (int, string) {
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	require.NoError(t, w.WriteField("operations", operations))
	require.NoError(t, w.WriteField("map", paths))
	for i, content := range contents {
		part, err := w.CreatePart(textproto.MIMEHeader{
			"Content-Disposition": {fmt.Sprintf(`form-data; name="%d"; filename="%c.txt"`, i, 'a'+i)}, "Content-Type": {"text/plain"},
		})
		require.NoError(t, err)
		_, err = io.WriteString(part, content)
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	r, err := http.Post(url, w.FormDataContentType(), &body)
	return answer(t, r, err)
}

func post(t *testing.T, url, body string) (int, string) {
	r, err := http.Post(url, "application/json", strings.NewReader(body))
	return answer(t, r, err)
}

func TestUploads(t *testing.T) {
	s := newServer(t)
	for name, c := range map[string]struct {
		operations, paths string
		contents          []string
		want              string
	}{
		"single": {
			`{"query":"mutation ($file: Upload!) { singleUpload(file: $file) { id name content contentType } }","variables":{"file":null}}`,
			`{"0":["variables.file"]}`, []string{"one"},
			`{"data":{"singleUpload":{"id":1,"name":"a.txt","content":"one","contentType":"text/plain"}}}`,
		},
		"payload": {
			`{"query":"mutation ($req: UploadFile!) { singleUploadWithPayload(req: $req) { id content } }","variables":{"req":{"id":7,"file":null}}}`,
			`{"0":["variables.req.file"]}`, []string{"seven"},
			`{"data":{"singleUploadWithPayload":{"id":7,"content":"seven"}}}`,
		},
		"list": {
			`{"query":"mutation ($files: [Upload!]!) { multipleUpload(files: $files) { name content } }","variables":{"files":[null,null]}}`,
			`{"0":["variables.files.0"],"1":["variables.files.1"]}`, []string{"one", "two"},
			`{"data":{"multipleUpload":[{"name":"a.txt","content":"one"},{"name":"b.txt","content":"two"}]}}`,
		},
		"one file twice": {
			`{"query":"mutation ($req: [UploadFile!]!) { multipleUploadWithPayload(req: $req) { id content } }","variables":{"req":[{"id":1,"file":null},{"id":2,"file":null}]}}`,
			`{"0":["variables.req.0.file","variables.req.1.file"]}`, []string{"same"},
			`{"data":{"multipleUploadWithPayload":[{"id":1,"content":"same"},{"id":2,"content":"same"}]}}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			code, body := upload(t, s.URL, c.operations, c.paths, c.contents...)
			assert.Equal(t, 200, code)
			assert.JSONEq(t, c.want, body)
		})
	}
	t.Run("no map", func(t *testing.T) {
		code, body := upload(t, s.URL, `{"query":"{ files { id } }"}`, `x`)
		assert.Equal(t, 422, code)
		assert.Contains(t, body, "map form field")
	})
}

func TestWithoutFiles(t *testing.T) {
	s := newServer(t)
	upload(t, s.URL, `{"query":"mutation ($file: Upload!) { singleUpload(file: $file) { id } }","variables":{"file":null}}`, `{"0":["variables.file"]}`, "caf\xe9 <&>")
	t.Run("POST", func(t *testing.T) {
		code, body := post(t, s.URL, `{"query":"{ files { content } }"}`)
		assert.Equal(t, 200, code)
		assert.JSONEq(t, `{"data":{"files":[{"content":"caf\ufffd <&>"}]}}`, body)
	})
	t.Run("GET", func(t *testing.T) {
		r, err := http.Get(s.URL + "?query={files{name}}")
		code, body := answer(t, r, err)
		assert.Equal(t, 200, code)
		assert.JSONEq(t, `{"data":{"files":[{"name":"a.txt"}]}}`, body)
	})
	t.Run("mutation by GET", func(t *testing.T) {
		r, err := http.Get(s.URL + "?query=mutation{multipleUpload(files:[]){id}}")
		code, body := answer(t, r, err)
		assert.Equal(t, 406, code)
		assert.Contains(t, body, "GET requests only allow query operations")
	})
	t.Run("invalid", func(t *testing.T) {
		code, body := post(t, s.URL, `{"query":"{ nothing }"}`)
		assert.Equal(t, 422, code)
		assert.Contains(t, body, "GRAPHQL_VALIDATION_FAILED")
	})
	t.Run("not an upload", func(t *testing.T) {
		code, body := post(t, s.URL, `{"query":"mutation ($file: Upload!) { singleUpload(file: $file) { id } }","variables":{"file":"text"}}`)
		assert.Equal(t, 200, code)
		assert.Contains(t, body, "string is not an Upload")
	})
	t.Run("persisted", func(t *testing.T) {
		const query = "{ files { id } }"
		extensions := fmt.Sprintf(`"extensions":{"persistedQuery":{"version":1,"sha256Hash":"%x"}}`, sha256.Sum256([]byte(query)))
		_, body := post(t, s.URL, `{`+extensions+`}`)
		assert.Contains(t, body, "PERSISTED_QUERY_NOT_FOUND")
		for _, sent := range []string{`"query":"` + query + `",`, "", ""} {
			_, body = post(t, s.URL, `{`+sent+extensions+`}`)
			assert.JSONEq(t, `{"data":{"files":[{"id":1}]}}`, body)
		}
	})
}

func TestSubscription(t *testing.T) {
	s := newServer(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	c, _, err := websocket.Dial(ctx, s.URL, &websocket.DialOptions{Subprotocols: []string{"graphql-transport-ws"}})
	require.NoError(t, err)
	defer c.CloseNow()
	next := func(kind string) json.RawMessage {
		for {
			var m struct {
				Type    string
				Payload json.RawMessage
			}
			require.NoError(t, wsjson.Read(ctx, c, &m))
			if m.Type != "ping" {
				require.Equal(t, kind, m.Type)
				return m.Payload
			}
		}
	}
	require.NoError(t, wsjson.Write(ctx, c, map[string]any{"type": "connection_init"}))
	next("connection_ack")
	require.NoError(t, wsjson.Write(ctx, c, map[string]any{"id": "1", "type": "subscribe", "payload": map[string]any{"query": "subscription { uploaded { content } }"}}))
	for _, content := range []string{"one", "two"} {
		upload(t, s.URL, `{"query":"mutation ($file: Upload!) { singleUpload(file: $file) { id } }","variables":{"file":null}}`, `{"0":["variables.file"]}`, content)
		assert.JSONEq(t, `{"data":{"uploaded":{"content":"`+content+`"}}}`, string(next("next")))
	}
}
