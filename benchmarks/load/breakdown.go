package load

import (
	"cmp"
	"io"
	"slices"
	"strings"

	"github.com/google/pprof/profile"
	"github.com/jedib0t/go-pretty/v6/table"
)

// Breakdown is where a server's requests spend their time.
type Breakdown struct {
	Requests int64 `json:"requests"`
	// CPU is read from the CPU profile: it counts work.
	CPU []Part `json:"cpu"`
	// Allocations is read from the allocation profile, in bytes.
	Allocations []Part `json:"allocations"`
	// Clock is the server's spans: it counts waiting as well. Spans that run at
	// the same time count each.
	Clock []Part `json:"clock"`
}

// Part is one line of a breakdown.
type Part struct {
	Name  string  `json:"name"`
	Share float64 `json:"share"`
	// Micros is CPU or clock time per request in microseconds; for allocations
	// it is bytes per request.
	Micros float64 `json:"perRequest"`
}

// rule sorts a stack into a part by the names of its functions.
type rule struct {
	part     string
	prefixes []string
}

// rules are tried on every frame from the innermost outwards; the first that
// matches decides. So what the collector or the allocator does counts as theirs
// wherever it was called from, and encoding a time inside a resolver counts as
// serialization.
var rules = []rule{
	{"garbage collection", []string{"runtime.gcBgMarkWorker", "runtime.gcAssistAlloc", "runtime.gcDrain",
		"runtime.bgsweep", "runtime.bgscavenge", "runtime.gcStart", "runtime.gcMark", "runtime.(*mspan).sweep",
		"runtime.(*sweepLocked)", "runtime.wbBuf", "runtime.gcWriteBarrier", "runtime.(*gcWork)", "runtime.scanobject",
		"runtime.greyobject"}},
	{"allocation", []string{"runtime.mallocgc", "runtime.newobject", "runtime.makeslice", "runtime.growslice",
		"runtime.makemap", "runtime.concatstring", "runtime.slicebytetostring", "runtime.stringtoslicebyte"}},
	{"JSON decode", []string{"github.com/99designs/gqlgen/graphql/handler/transport.jsonDecode",
		"encoding/json.(*Decoder)", "encoding/json.(*decodeState)", "encoding/json.Unmarshal"}},
	{"parse, validate, plan", []string{"github.com/vektah/gqlparser",
		"github.com/99designs/gqlgen/graphql/executor.(*Executor).CreateOperationContext",
		"github.com/99designs/gqlgen/graphql/executor.(*Executor).parseQuery",
		"github.com/99designs/gqlgen/graphql/handler/lru"}},
	{"serialization", []string{"github.com/99designs/gqlgen/graphql/handler/transport.writeJson", "encoding/json.Marshal",
		"encoding/json.(*encodeState)", "encoding/json.(*Encoder)", "encoding/json.compact", "encoding/json.appendCompact",
		"github.com/99designs/gqlgen/graphql.(*FieldSet).MarshalGQL", "github.com/99designs/gqlgen/graphql.Array.MarshalGQL",
		"github.com/99designs/gqlgen/graphql.writeQuotedString", "github.com/99designs/gqlgen/graphql.WriterFunc",
		"github.com/99designs/gqlgen/graphql.Marshal"}},
	{"scan", []string{"github.com/jackc/pgx/v5/pgtype", "github.com/jackc/pgx/v5.(*baseRows).Scan",
		"github.com/jackc/pgx/v5.ScanRow"}},
	{"pool", []string{"github.com/jackc/puddle", "github.com/jackc/pgx/v5/pgxpool.(*Pool).Acquire",
		"github.com/jackc/pgx/v5/pgxpool.(*Conn).Release"}},
	{"database", []string{"github.com/jackc/pgx"}},
	{"resolvers, dataloaders", []string{"github.com/vikstrous/dataloadgen", "github.com/99designs/gqlgen",
		"github.com/gqlboost/gqlboost/examples"}},
	{"HTTP", []string{"net/http", "net/textproto", "bufio"}},
}

const (
	partScheduler = "scheduler, timers, network poller"
	partOther     = "other"
)

func partOf(s *profile.Sample) string {
	runtimeOnly := true
	for _, location := range s.Location {
		for _, line := range location.Line {
			if line.Function == nil {
				continue
			}
			name := line.Function.Name
			for _, r := range rules {
				if slices.ContainsFunc(r.prefixes, func(p string) bool { return strings.HasPrefix(name, p) }) {
					return r.part
				}
			}
			if !strings.HasPrefix(name, "runtime.") && !strings.HasPrefix(name, "internal/") {
				runtimeOnly = false
			}
		}
	}
	if runtimeOnly {
		return partScheduler
	}
	return partOther
}

// parts sums one of a profile's sample types by part. unit is how much of it
// makes one Micros.
func parts(p *profile.Profile, sampleType string, unit float64, requests int64) []Part {
	index := slices.IndexFunc(p.SampleType, func(t *profile.ValueType) bool { return t.Type == sampleType })
	if index < 0 {
		return nil
	}
	sums := map[string]float64{}
	var total float64
	for _, s := range p.Sample {
		v := float64(s.Value[index])
		sums[partOf(s)] += v
		total += v
	}
	var list []Part
	for name, sum := range sums {
		list = append(list, Part{name, share(sum, total), sum / unit / float64(max(requests, 1))})
	}
	slices.SortFunc(list, func(a, b Part) int { return cmp.Compare(b.Share, a.Share) })
	return list
}

// WriteBreakdown prints a breakdown for people.
func WriteBreakdown(w io.Writer, b *Breakdown) {
	for _, section := range []struct {
		title, unit string
		parts       []Part
	}{
		{"CPU profile of the server", "us/request", b.CPU},
		{"allocation profile of the server", "bytes/request", b.Allocations},
		{"spans by the clock, share of the handler's time (concurrent ones count each)", "us/request", b.Clock},
	} {
		t := newTable(w)
		t.AppendHeader(table.Row{section.title, "share", section.unit})
		for _, p := range section.parts {
			t.AppendRow(table.Row{p.Name, percent(p.Share), ms(p.Micros)})
		}
		t.Render()
	}
}

// Priority is what a block could save at most.
type Priority struct {
	Block string
	Why   string
	Share float64 // of the CPU profile
}

// targets says which parts of the profile a block takes over.
var targets = []struct {
	block string
	parts []string
}{
	{"arena and its GC governor", []string{"garbage collection", "allocation"}},
	{"pool", []string{"pool", "database", "scan", partScheduler}},
	{"stream", []string{"serialization", "HTTP"}},
	{"simdjson", []string{"JSON decode"}},
	{"plancache", []string{"parse, validate, plan"}},
}

// Priorities orders the blocks by the share of the profile that they address.
func (b *Breakdown) Priorities() []Priority {
	var list []Priority
	for _, t := range targets {
		p := Priority{Block: t.block, Why: strings.Join(t.parts, "; ")}
		for _, part := range b.CPU {
			if slices.Contains(t.parts, part.Name) {
				p.Share += part.Share
			}
		}
		list = append(list, p)
	}
	slices.SortStableFunc(list, func(a, b Priority) int { return cmp.Compare(b.Share, a.Share) })
	return list
}
