# make help lists what there is to make.

MODULES := . contrib examples benchmarks benchmarks/gate benchmarks/peers internal/postgres/fetch internal/adopters internal/release contrib/internal/hosts contrib/internal/natsbus
ALL_MODULES := $(MODULES) internal/tools simdjson/_generate stream/_generate
# Modules that users run, or have in their builds, and where they do. The others are tests of ours.
RUN_BY_USERS := . contrib examples benchmarks benchmarks/gate internal/postgres/fetch
TARGETS := linux/arm64 darwin/arm64 windows/amd64
BIN := $(CURDIR)/bin
BENCHSTAT := $(BIN)/benchstat
# It has too many dependencies for internal/tools, whose other tools would have to follow.
GOLANGCI := v2.15.0
GREMLINS := v0.6.0
# The race detector needs a C compiler. It is looked for where it is needed: make help needs no Go.
RACE = $(if $(shell command -v $$(go env CC) 2>/dev/null),-race,)
# Go's own limit of 10 minutes for a package is not enough for pool/reader on busy cores.
TIMEOUT := 30m
OUT := $(CURDIR)/out
MACHINE := $(shell uname -m)

.PHONY: help
help: ## this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "%-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: demo
demo: ## the blog with and without gqlboost, six servers on a private Postgres under the same load, and each block alone: tables, and out/demo.html (about 9 minutes); ARGS="-serve" leaves them up
	cd benchmarks && go run ./cmd/demo -html $(OUT)/demo.html -json $(OUT)/demo.json $(ARGS)

.PHONY: demo-fleet
demo-fleet: ## instances of the blog behind a balancer while they are deployed and killed, replicas lag and the primary fails over, and what must hold meanwhile, beside a second fleet as a control: out/fleet.html (about 5 minutes; as root it installs what is missing, by apt-get)
	cd benchmarks && go run ./cmd/fleet -install -html $(OUT)/fleet.html $(ARGS)

.PHONY: peers
peers: ## other servers of the same blog in turns, on the same Postgres: PostGraphile, Yoga, graph-gophers, graphql-go, gqlgen, pgbench (about 10 minutes; Node.js peers need npm): out/peers.json; ARGS="-rounds 1 -more" adds a round to it
	cd benchmarks && go run ./cmd/peers -json $(OUT)/peers.json $(ARGS)

.PHONY: model
model: ## each server with its Postgres pinned to one core and to two, for the cost model (about 8 minutes; needs Linux): out/model.json; ARGS="-rounds 1 -more" adds a round to it
	cd benchmarks && go run ./cmd/model -json $(OUT)/model.json $(ARGS)

.PHONY: test
test: ## every test of every module
	@set -e; for m in $(MODULES); do echo "== test $$m"; (cd $$m && go test -timeout $(TIMEOUT) $(RACE) ./...); done
	go test ./arena ./simdjson ./stream # what the race detector would disturb: memory bounds, reuse by pools
	go test $(RACE) -tags gqlboost_debug ./arena ./simdjson ./stream
	go test -tags purego ./simdjson ./stream
	go test -tags gqlboost_nosonic ./simdjson

.PHONY: test-busy
test-busy: ## make test while loops keep every core busy: no test may depend on an idle machine (about twice as long as alone)
	cd benchmarks && go build -o $(OUT)/busy ./cmd/busy
	$(OUT)/busy -at-most 2h $(MAKE) test GOFLAGS="$(GOFLAGS) -count=1 -timeout=$(TIMEOUT)"

.PHONY: test-long
test-long: ## what is rare, for as long as it takes (about an hour): the Reader under fire, beside migrations, 100 000 statements of each library, 10^5 operations of gqlgen/compiled, 10^7 steps and pairs of simdjson, 10^7 steps of arena, 10^5 rows of pgrows, 10^7 steps of plancache and 10^6 queries of its Normalize
	GQLBOOST_LONG=1 GQLBOOST_STRESS=1 go test -count=1 -timeout 60m -run 'UnderFire|Deadlocks|LockedNeighbour' -v ./pool/reader
	cd internal/adopters && GQLBOOST_LONG=1 go test -count=1 -timeout 90m .
	cd contrib/internal/hosts && GQLBOOST_LONG=1 go test -count=1 -timeout 30m .
	cd contrib && GQLBOOST_LONG=1 go test -count=1 -timeout 60m -run 'RandomOperations|Middleware|StreamedOperations|ContextsEnd|Suites' ./gqlgen/...
	GQLBOOST_LONG=1 go test -count=1 -timeout 90m -run 'OwnersUnderFire|UnmarshalPairs' -v ./simdjson
	GQLBOOST_LONG=1 go test -count=1 -timeout 60m -run Checker -v ./plancache
	GQLBOOST_LONG=1 go test -count=1 -timeout 30m -run 'Versions|Replica' ./pool/advisor
	GQLBOOST_LONG=1 go test -count=1 -timeout 60m -run "OwnersNeverMeet|SameMemoryOfShapes" -v ./arena
	GQLBOOST_LONG=1 go test -count=1 -timeout 90m -run 'Oracle' -v ./stream/pgrows
	cd contrib && GQLBOOST_LONG=1 go test -count=1 -timeout 60m -run KeepsTheMeaning -v ./internal/normalize

# The packages whose results depend on the standard library's version or on the machine's
# word. Run them by -short: elsewhere every test has run already.
PORTABLE := ./arena ./simdjson ./stream ./stream/incremental ./stream/pgrows ./plancache ./internal/accept ./internal/swar
# The next version of Go, which the module proxy serves as a toolchain.
NEXT := go1.27.4

# Emulation of another machine lacks the address of a fault, and the start of the test's own
# binary.
emulated = -skip 'TestTruncatedFile|TestResidentMemoryStaysInTheBudget|TestBudgetBelowTheLiveHeap|TestSameMemory' -exec $(1)

.PHONY: test-next
test-next: ## the tests that the next version of Go can break, with it (NEXT=go1.27.4)
	GOTOOLCHAIN=$(NEXT) go test -short $(PORTABLE)

.PHONY: test-postgres
test-postgres: ## the tests of what speaks to Postgres, with another version of it (POSTGRES=16): the machine's, or one that is downloaded
	GQLBOOST_POSTGRES=$(POSTGRES) go test ./pool/... ./stream/pgrows ./internal/postgres
	cd contrib && GQLBOOST_POSTGRES=$(POSTGRES) go test ./pgnotify

.PHONY: test-386
test-386: ## the tests of portable code on 32 bits, where all packages must compile; on other machines than x86 they need qemu-user
	GOARCH=386 CGO_ENABLED=0 go vet ./...
	GOARCH=386 CGO_ENABLED=0 go test -short $(if $(filter x86_64 i%86,$(MACHINE)),,$(call emulated,qemu-i386)) $(PORTABLE)

.PHONY: test-arm64
test-arm64: ## the tests of portable code on arm64, where simdjson has its NEON kernel; on other machines they need qemu-user
	GOARCH=arm64 CGO_ENABLED=0 go test -short $(if $(filter aarch64 arm64,$(MACHINE)),,$(call emulated,qemu-aarch64)) $(PORTABLE)

.PHONY: install-test
install-test: ## what is in the tree can be installed without it: each package, adapter and command, the programs in the documentation, and a release in a copy of the repository (about 3 minutes)
	cd internal/release && GQLBOOST_INSTALL=1 go test -count=1 -timeout 20m .

.PHONY: api
api: ## compare the exported API with the last release
	cd internal/release && go run . api

.PHONY: release
release: ## commit and tag VERSION (v0.2.0) of all published modules, after its checks; pushes nothing
	cd internal/release && go run . prepare $(VERSION)

.PHONY: tidy
tidy: ## go mod tidy in every module; in contrib alone the go command would miss the library
	cd internal/release && go run . tidy $(ALL_MODULES)

.PHONY: lint
lint: $(BIN)/staticcheck $(BIN)/golangci-lint $(BIN)/actionlint deadcode ## format, tidiness, generated code, vet for every platform, staticcheck, golangci-lint, workflows, unused code
	@unformatted=$$(gofmt -l .); test -z "$$unformatted" || { echo "gofmt: $$unformatted"; exit 1; }
	cd internal/release && go run . tidy -diff $(ALL_MODULES)
	@set -e; for m in $(MODULES); do echo "== vet $$m"; (cd $$m && go vet ./...); done
	@set -e; for t in $(TARGETS); do for m in $(RUN_BY_USERS); do echo "== vet $$t $$m"; \
		(cd $$m && GOOS=$${t%/*} GOARCH=$${t#*/} go vet ./...); done; done
	@set -e; for m in $(MODULES); do echo "== staticcheck $$m"; (cd $$m && $(BIN)/staticcheck ./...); done
	@set -e; for m in $(MODULES); do echo "== golangci-lint $$m"; (cd $$m && $(BIN)/golangci-lint run --config $(CURDIR)/.golangci.yml ./...); done
	$(BIN)/actionlint -shellcheck= -pyflakes= # which only some machines have
	cd benchmarks && go run ./cmd/tables -check
	cd examples && go generate ./... && git diff --exit-code -- blog/graph blog/batch
	cd contrib && go generate ./gqlgen/... && git diff --exit-code -- gqlgen/compiled/internal/zoo
	@set -e; for p in simdjson stream; do (cd $$p && go generate . && git diff --exit-code -- scan_amd64.go scan_amd64.s); done

$(BIN)/golangci-lint: Makefile
	GOBIN=$(BIN) go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI)

$(BIN)/gremlins: Makefile
	GOBIN=$(BIN) go install github.com/go-gremlins/gremlins/cmd/gremlins@$(GREMLINS)

$(BIN)/%: internal/tools/go.mod
	cd internal/tools && go build -o $@ $$(go list tool | grep '/$*$$')

.PHONY: deadcode
# What nothing reaches, neither a test nor a command, must be something for users: exported,
# and not internal. Examples without output do not run, and gqlgen asks for a function of the
# zoo's that it does not call.
UNUSED := awk '!/example_test.go|internal.zoo.model.go/ && (/internal\// || !/func: [A-Z][A-Za-z]*(\.[A-Z][A-Za-z]*)?$$/) {print; bad = 1} END {exit bad}'
deadcode: $(BIN)/deadcode ## functions that nobody uses
	@mkdir -p $(OUT)
	cd contrib && $(BIN)/deadcode -test -filter '^github.com/gqlboost/gqlboost' ./... github.com/gqlboost/gqlboost/... >$(OUT)/deadcode.txt && $(UNUSED) $(OUT)/deadcode.txt
	@set -e; for m in $(filter-out . contrib contrib/internal/hosts contrib/internal/natsbus,$(MODULES)); do echo "== deadcode $$m"; (cd $$m && $(BIN)/deadcode -test ./... >$(OUT)/deadcode.txt && $(UNUSED) $(OUT)/deadcode.txt); done

.PHONY: vulnerabilities
vulnerabilities: $(BIN)/govulncheck ## known vulnerabilities in what is called; needs the database on the Internet
	@set -e; for m in $(MODULES); do echo "== govulncheck $$m"; (cd $$m && $(BIN)/govulncheck ./...); done

.PHONY: fuzz
fuzz: ## every fuzz target for FUZZTIME (60s) each, with what earlier runs have found
	@set -e; for m in $(MODULES); do for p in $$(cd $$m && go list -f '{{.Dir}}' ./...); do \
		for f in $$(cat /dev/null $$p/*_test.go 2>/dev/null | sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\)(.*/\1/p'); do \
			echo "== fuzz $$p $$f"; (cd $$p && go test -run '^$$' -fuzz "^$$f\$$" -fuzztime $(or $(FUZZTIME),60s) .); \
		done; done; done

# A mutant that only costs the tests their time limit has timed out: on a busy machine, run it again.
.PHONY: mutants
mutants: $(BIN)/gremlins ## change the code, and list the changes that no test notices: out/mutants-*.json (PACKAGES="plancache pool" FILES="duels|expiry" RUN="Duel|Policy"; about a minute for each line of code)
	@mkdir -p $(OUT)
	@set -e; for p in $(or $(PACKAGES),plancache); do \
		others=$$(cd $$p && ls *.go | grep -vE '^($(or $(FILES),.*))\.go$$' | sed 's/\.go$$//' | paste -sd'|' -); \
		GOFLAGS="$$GOFLAGS -short -vet=off $(if $(RUN),'-run=$(RUN)')" nice $(BIN)/gremlins unleash ./$$p --workers 1 --timeout-coefficient 10 \
			-E / -E "^($$others)\.go$$" -S lctv -o $(OUT)/mutants-$$(echo $$p | tr / -).json; done

# Rounds of all benchmarks, not all rounds of each: what the machine does
# meanwhile then meets every implementation.
BENCHED := arena simdjson stream plancache dataloader pool
# With pipefail a benchmark that fails is not hidden by what its output goes through.
.PHONY: bench
bench: SHELL := bash
bench: $(BENCHSTAT) ## every benchmark with its peers, in COUNT interleaved rounds: out/bench.txt (about 1 minute each; PACKAGES="arena pool" COUNT=6 BENCHTIME=1s, fewer than 6 rounds have no interval; CPP=1 adds simdjson in C++, which needs its header)
	@mkdir -p $(OUT) && rm -f $(OUT)/bench.txt
	@set -e; cd benchmarks; go build -o $(OUT)/record ./cmd/record; for p in $(or $(PACKAGES),$(BENCHED)); do \
		go test $(if $(filter 1,$(CPP)),-tags simdjson_cpp) -c -o $(OUT)/bench-$$p.test ./$$p; done
	@set -eo pipefail; for i in $$(seq $(or $(COUNT),1)); do for p in $(or $(PACKAGES),$(BENCHED)); do \
		cd $(CURDIR)/benchmarks/$$p; $(OUT)/record $(OUT)/bench-$$p.test -test.run '^$$' -test.bench '$(or $(BENCH),.)' \
			-test.benchmem -test.benchtime $(or $(BENCHTIME),0.2s) | tee -a $(OUT)/bench.txt; \
		done; done
	@$(BENCHSTAT) -col /impl -ignore machine,host $(OUT)/bench.txt

.PHONY: tables
tables: ## write benchmarks/RESULTS.md and the tables of README files from results.json; ARGS="-demo ../out/demo.json -bench ../out/bench.txt -peers ../out/peers.json -model ../out/model.json" takes new results in, beside those of other machines, and adds them to history.jsonl
	cd benchmarks && go run ./cmd/tables $(ARGS)

# What bench-compare measures: of each module its packages with benchmarks, and those of ours that
# say something in 50 ms. Names are matched element by element, and benchmarks have up to three
# before impl=.
OURS := impl=(gqlboost|pgrows|reader)$$
ELEMENTS = $(1)/$(OURS)|$(1)/./$(OURS)|$(1)/././$(OURS)
GATED := ./arena,./simdjson,./stream,./plancache,./dataloader,./pool
QUICK := (Buffers|Intern|Small|Tree|Parse|Valid|DecodeRequest|Encode|String|Rows|Incremental|Hit|Memory|Acquire|Point)$$
GATED_CONTRIB := ./gqlgen/compiled
QUICK_CONTRIB := (Plain|Resolvers|AroundFields)$$
GATED_ROOT := ./pool/advisor
QUICK_ROOT := (Trace|Observe)$$
GATE = $(OUT)/gate -base $(or $(BASE),origin/main) -limits $(CURDIR)/benchmarks/limits.json $(ARGS)

.PHONY: bench-compare
bench-compare: ## fail if the benchmarks of the working tree, or what the library gains end to end, are worse than those of BASE=<git revision> (about 25 minutes; PACKAGES=./arena only some of benchmarks/)
	cd benchmarks/gate && go build -o $(OUT)/gate .
	@status=0; \
	(cd benchmarks && $(GATE) -packages $(or $(PACKAGES),$(GATED)) -bench '$(or $(BENCH),$(call ELEMENTS,$(QUICK)))') || status=1; \
	if [ -z '$(PACKAGES)' ]; then \
		(cd contrib && $(GATE) -packages $(GATED_CONTRIB) -bench '$(call ELEMENTS,$(QUICK_CONTRIB))') || status=1; \
		$(GATE) -packages $(GATED_ROOT) -bench '$(QUICK_ROOT)' || status=1; \
		(cd benchmarks && go run ./cmd/endtoend -base $(or $(BASE),origin/main)) || status=1; \
	fi; exit $$status

.PHONY: smoke
smoke: ## a short demo, load test and profile: that they run, not how fast
	cd benchmarks && go run ./cmd/demo -duration 1s -rounds 1 -scale 0.05 -min-requests 1 -html $(OUT)/smoke/demo.html
	cd benchmarks && go run ./cmd/fleet -short -install -scale 0.05 -instances 3 -rate 80 -window 1s -html $(OUT)/smoke/fleet.html
	cd benchmarks && go run ./cmd/load -preset burst -maximum 200 -duration 5s -warm-up 1s -scale 0.05 -min-requests 1 \
		-profile $(OUT)/smoke -json $(OUT)/smoke/load.json -html $(OUT)/smoke/load.html
	cd benchmarks && go run ./cmd/peers -duration 1s -warm-up 1s -rounds 1 -scale 0.05 -compared 16 -min-requests 1 -json $(OUT)/smoke/peers.json
	cd benchmarks && go run ./cmd/model -duration 1s -rounds 1 -scale 0.05 -min-requests 1 -json $(OUT)/smoke/model.json
	cd benchmarks && go run ./cmd/governor -rounds 1 -duration 2s -min-requests 1
	cd benchmarks && go run ./cmd/endtoend -base HEAD -rounds 7 -duration 300ms -scale 0.05 -limit 100
	rm -f $(OUT)/smoke/soak.jsonl && cd benchmarks && go run ./cmd/soak -rate 100 -scale 0.05 -window 1s -duration 2s -file $(OUT)/smoke/soak.jsonl
	$(MAKE) bench OUT=$(OUT)/smoke PACKAGES="arena simdjson" BENCHTIME=1x >$(OUT)/smoke/bench.log
	cd benchmarks && go run ./cmd/load -compare $(OUT)/smoke/load.json $(OUT)/smoke/load.json

.PHONY: profile
profile: ## where the baseline server spends its time under load; profiles and a flame graph in out/profile
	cd benchmarks && go run ./cmd/load -preset none -duration 20s -profile $(OUT)/profile $(ARGS)

.PHONY: baseline
baseline: ## measure the baseline again: benchmarks/baseline (about 15 minutes)
	cd benchmarks && go run ./cmd/load -preset all -profile ../out/profile -json baseline/baseline.json -markdown baseline/README.md

.PHONY: ci
ci: ## what the continuous integration runs
	.ci/run

.PHONY: soak
soak: ## the compiled server under a steady load, and what drifts: 30 minutes of 8 hours, the next ones each time (ARGS="-piece 20m"); out/soak.jsonl
	cd benchmarks && go run ./cmd/soak -file $(OUT)/soak.jsonl $(ARGS)

.PHONY: pgo
pgo: ## an example server with its CPU profile and without, in turns: what profile-guided optimization brings (docs/pgo.md; ARGS='-server direct -args ""'; about 5 minutes)
	cd benchmarks && go run ./cmd/pgo $(ARGS)

.PHONY: clean
clean: ## remove what was built
	rm -rf bin out
