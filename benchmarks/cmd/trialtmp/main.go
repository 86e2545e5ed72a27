package main

import (
"os/exec"

	"runtime/pprof"
	"github.com/jackc/pgx/v5"
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/gqlboost/gqlboost/benchmarks/load"
)

// usage: trialtmp seconds rounds rate variant...   variant: name=server:arg,arg
func main() {
	ctx := context.Background()
	secs, _ := strconv.ParseFloat(os.Args[1], 64)
	rounds, _ := strconv.Atoi(os.Args[2])
	rate, _ := strconv.ParseFloat(os.Args[3], 64)
	servers := map[string]bool{}
	for _, v := range os.Args[4:] {
		_, rest, _ := strings.Cut(v, "=")
		s, _, _ := strings.Cut(rest, ":")
		servers[s] = true
	}
	var names []string
	for s := range servers {
		names = append(names, s)
	}
	lab, err := load.OpenLab(ctx, names...)
	if err != nil {
		panic(err)
	}
	defer lab.Close()
	var targets []load.Target
	var srvs []*load.Server
	for _, v := range os.Args[4:] {
		name, rest, _ := strings.Cut(v, "=")
		s, a, _ := strings.Cut(rest, ":")
		args := []string{"-scale=1"}
		if a != "" {
			args = append(args, strings.Split(a, ",")...)
		}
		srv, err := lab.Launch(ctx, s, name, args...)
		if err != nil {
			panic(err)
		}
		defer srv.Stop()
		srvs = append(srvs, srv)
		targets = append(targets, srv.Target)
	}
	c := load.Config{Mix: load.BlogMix(), Clients: 64, Duration: time.Duration(secs * float64(time.Second)), Warmup: time.Second}
	if rate > 0 {
		c.Clients = 0
		c.Phases = []load.Phase{{Rate: rate, Duration: time.Hour}}
		c.Arrivals = load.Poisson
	}
	defer func() { for _, s := range srvs { fmt.Fprintln(os.Stderr, s.Log()) } }()
	
	pf, _ := os.Create("/tmp/gen.prof")
	pprof.StartCPUProfile(pf)
	if p := os.Getenv("PROF"); p != "" {
		for _, s := range srvs {
			if s.Name == p {
				go func() {
					time.Sleep(2 * time.Second)
					for {
						exec.Command("curl", "-s", "-o", "/tmp/server.prof", s.DebugURL+"/pprof/profile?seconds=5").Run()
						exec.Command("curl", "-s", "-o", "/tmp/allocs.prof", s.DebugURL+"/pprof/allocs").Run()
						break
					}
				}()
			}
		}
	}
	contest, err := load.RunContest(ctx, "x", targets, c, rounds, os.Stderr)
	if err != nil {
		panic(err)
	}
	conn, _ := pgx.Connect(ctx, lab.Postgres.DSN())
	rows, err := conn.Query(ctx, "select left(regexp_replace(query, '\\s+', ' ', 'g'), 150), calls, total_exec_time, rows from pg_stat_statements order by 3 desc limit 25")
	if err != nil {
		panic(err)
	}
	for rows.Next() {
		var q string
		var c, n int64
		var ms float64
		rows.Scan(&q, &c, &ms, &n)
		fmt.Fprintf(os.Stderr, "PG %8.1fms %7d calls %6.1f us/call %5.1f rows/call %s\n", ms, c, 1000*ms/float64(c), float64(n)/float64(c), q)
	}
	pprof.StopCPUProfile()
	load.WriteTable(os.Stdout, contest.Median())
	for i, t := range targets {
		tm, tl, th := contest.Ratio(i, func(r *load.Result) float64 { return r.Throughput })
		pm, pl, ph := contest.Ratio(i, func(r *load.Result) float64 { return r.Latency.P95 })
		qm, _, _ := contest.Ratio(i, func(r *load.Result) float64 { return r.Latency.P50 })
		fmt.Printf("%-14s throughput %.2f (%.2f..%.2f)  P95 %.2f (%.2f..%.2f) P50 %.2f\n", t.Name, tm, tl, th, pm, pl, ph, qm)
	}
}
