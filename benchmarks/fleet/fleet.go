package fleet

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/gqlboost/gqlboost/benchmarks/load"
)

// Options say how large the fleet is, and how long it is watched.
type Options struct {
	Scale     float64       // of the data; 1 is 10k users
	Instances int           // that serve
	Rate      float64       // of requests per second; 0 is a part of what a closed loop gets through
	Window    time.Duration // that is looked at before each event and after it
	// Short hurries the events, and leaves out what needs long windows to be told: the latency.
	Short bool
	// Without names what is left out, to see what it is good for: see [Protections].
	Without []string
	Log     io.Writer // of the progress
}

const (
	poolConns = 20 // of an instance, at most
	surge     = 1  // instances that come before others leave
)

// keepResults is how long instances keep responses, unless the bus tells them that they have changed:
// longer than the show.
const keepResults = time.Hour

// drainDelay is how long an instance that leaves goes on: the balancer asks five times a second,
// and believes the second answer.
const drainDelay = 1500 * time.Millisecond

// fleet is what runs.
type fleet struct {
	Options
	testbed  *load.Testbed
	servers  []server // the primary first
	pooler   *pooler
	redis    *cluster
	balancer *balancer
	schema   string // file of the next version of the schema

	mu        sync.Mutex
	instances []*instance
	launched  int
	starts    []start
	release   release // of instances that are started now
}

// start is when a slot of the balancer got an instance.
type start struct {
	slot int
	at   time.Time
}

// open starts everything but the load. The caller closes the fleet, also after an error.
func (f *fleet) open(ctx context.Context) (err error) {
	f.say("Starting Postgres, building the blog ...")
	if err := f.openServers(ctx); err != nil {
		return err
	}
	if err := f.prepare(); err != nil {
		return err
	}
	if f.pooler, err = startPooler(ctx, f.testbed.Postgres); err != nil {
		return err
	}
	if f.redis, err = startCluster(ctx, f.testbed.Dir()); err != nil {
		return err
	}
	if f.balancer, err = startBalancer(ctx, f.testbed.Dir(), f.with(retry)); err != nil {
		return err
	}
	f.release = f.first()
	for range f.Instances {
		if err := f.launch(ctx, f.release); err != nil {
			return err
		}
	}
	return nil
}

// prepare makes the file that the next release brings.
func (f *fleet) prepare() error {
	root, err := load.SourceRoot()
	if err != nil {
		return err
	}
	sdl, err := os.ReadFile(filepath.Join(root, "examples", "blog", "schema", "schema.graphql"))
	if err != nil {
		return err
	}
	next, err := nextSchema(string(sdl))
	if err != nil {
		return err
	}
	f.schema = filepath.Join(f.testbed.Dir(), "next.graphql")
	return os.WriteFile(f.schema, []byte(next), 0o600)
}

// first is the release that the show begins with.
func (f *fleet) first() release {
	parameters := f.readerParameters()
	if f.with(lease) {
		parameters["pool_lease"], parameters["pool_lease_reserve"] = "blog", strconv.Itoa(pooled+surge)
	}
	args := append(f.redisFlags(), "-boosted", "-compiled", "-same-memory", "-pool-conns", strconv.Itoa(poolConns),
		"-results", keepResults.String())
	if f.with(drain) {
		args = append(args, "-drain-delay", drainDelay.String())
	}
	return release{name: "first", dsn: asBlog(f.testbed.Postgres.DSN(), parameters), args: args}
}

// readerParameters have instances read from the replicas.
func (f *fleet) readerParameters() map[string]string {
	return map[string]string{"pool_reader_replicas": f.replicaDSNs(), "pool_reader_max_lag": maxLag.String()}
}

// launch starts an instance of a release, and has the balancer send requests to it.
func (f *fleet) launch(ctx context.Context, r release) error {
	f.mu.Lock()
	f.launched++
	name := fmt.Sprintf("instance %d (%s)", f.launched, r.name)
	f.mu.Unlock()
	s, err := f.testbed.LaunchOn(ctx, "blog", name, r.dsn, r.args...)
	if err != nil {
		return err
	}
	i := &instance{Server: s, release: r}
	if i.before, err = i.look(ctx); err != nil {
		return errors.Join(err, s.Stop())
	}
	i.warmed = i.before.misses
	f.mu.Lock()
	defer f.mu.Unlock()
	for i.slot = 1; slices.ContainsFunc(f.instances, func(other *instance) bool { return other.slot == i.slot }); {
		i.slot++
	}
	if i.slot > slots {
		return errors.Join(fmt.Errorf("fleet: more than %d instances", slots), s.Stop())
	}
	if err := f.balancer.add(i.slot, i.address()); err != nil {
		return errors.Join(err, s.Stop())
	}
	f.starts = append(f.starts, start{i.slot, time.Now()})
	f.instances = append(f.instances, i)
	return nil
}

// retire ends an instance as an orchestrator does: it drains, and the balancer sees it leave.
func (f *fleet) retire(i *instance) error {
	err := i.Stop()
	return errors.Join(err, f.forget(i))
}

// forget frees the slot of an instance that has ended.
func (f *fleet) forget(i *instance) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.instances = slices.DeleteFunc(f.instances, func(other *instance) bool { return other == i })
	return f.balancer.remove(i.slot)
}

// running returns the instances of now.
func (f *fleet) running() []*instance {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.instances)
}

// close ends everything.
func (f *fleet) close() error {
	var errs []error
	var all sync.WaitGroup
	results := make(chan error, slots)
	for _, i := range f.running() {
		all.Go(func() { results <- i.Stop() })
	}
	all.Wait()
	close(results)
	for err := range results {
		errs = append(errs, err)
	}
	if f.balancer != nil {
		errs = append(errs, f.balancer.stop())
	}
	if f.redis != nil {
		errs = append(errs, f.redis.stop())
	}
	if f.pooler != nil {
		errs = append(errs, f.pooler.stop())
	}
	if f.testbed != nil {
		for _, s := range f.servers[min(len(f.servers), 1):] {
			errs = append(errs, s.Stop())
		}
		errs = append(errs, f.testbed.Close())
	}
	return errors.Join(errs...)
}

func (f *fleet) say(format string, args ...any) { fmt.Fprintf(f.Log, format+"\n", args...) }
