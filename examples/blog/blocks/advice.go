package blocks

import (
	"net/http"

	"github.com/jackc/pgx/v5"

	"github.com/gqlboost/gqlboost/pool/advisor"
)

// Advice serves what to fix in the database, by what the recorder has seen so far.
func Advice(dsn func() string, recorder *advisor.Recorder) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := pgx.Connect(r.Context(), dsn())
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		defer conn.Close(r.Context())
		report, err := advisor.Analyze(r.Context(), conn, advisor.Options{Record: recorder.Record()})
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_ = report.WriteHTML(w) // The client may have gone.
	})
}
