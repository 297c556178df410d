# `make` lists the targets. `make ci` is what runs before a change lands; `make test-integration` needs servers, or Docker.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.NOTPARALLEL:

# What one run of each takes: override on the command line.
FUZZTIME ?= 10s
BENCH ?= .
BENCHTIME ?= 1s
SEEDS ?= 500
CHAOS_FOR ?= 10m
BENCH_ENTRIES ?= 1000000
BENCH_ROUNDS ?= 3
BENCH_RATE ?= 20000
COLD_ENTRIES ?= 10000000

# The race detector needs cgo, and cgo needs a C compiler. SQLite, which is C put into Go, is built without it: it has its memory
# outside of Go's heap, where the detector does not look, and would be ten times as slow for that.
RACE := $(shell [ "$$(go env CGO_ENABLED)" = 1 ] && command -v $$(go env CC | cut -d' ' -f1) >/dev/null && \
  echo -race -gcflags=modernc.org/sqlite/lib=-race=false)

GENERATED := schemas/gen

# Folders with tests that need servers.
INTEGRATION = $(sort $(dir $(shell grep -rlE --include='*_test.go' '^//go:build .*\bintegration\b' ./internal ./cmd ./schemas ./benchmarks ./deploy 2>/dev/null)))

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: ## Build every command into bin/
	go build -o bin/ ./cmd/...

.PHONY: test
test: ## Unit tests and 50 seeds of the simulation; no network, with the race detector where a C compiler is found
	@$(if $(RACE),:,echo 'test: no C compiler found, so without the race detector')
	@echo 'go test $(RACE) ./... without what is pure'
	@GORACE=atexit_sleep_ms=0 go test -p $(ABREAST) $(RACE) $(filter-out $(PURE),$(shell go list ./...))
	go test $(SIMULATION) $(PURE)

# Packages tested at a time: one more than there are processors, since some wait for most of their time. The detector would have each
# of them wait another second at its end.
ABREAST = $(shell expr 1 + $$(getconf _NPROCESSORS_ONLN))

# The packages that internal/arch_test.go lists as pure, and sees to it that they start no goroutine: the race detector can find nothing
# in their tests, which it makes several times as long.
PURE = $(addprefix $(shell go list -m)/internal/,$(shell sed -nE 's/^\t"(.+)": *pure,$$/\1/p' internal/arch_test.go))

# The tag gives franz-go locks that a bubble of fake time sees through: who waits for one of sync's stops its clock. With the race
# detector the 50 seeds of `make test` would take a minute and a half; what it looks for, the stages' own tests meet.
SIMULATION := -tags synctests -timeout 60m ./internal/simulation

.PHONY: test-exhaustive
test-exhaustive: ## The allocation beside brute force for every stock and order up to 3 outlets, lines and units, of which `make test` tries one in 97
	EXHAUSTIVE=1 go test -count=1 -run '^TestExhaustive$$' -timeout 60m ./internal/allocation

.PHONY: test-sim
test-sim: ## Seeded runs of the stages and of a group's members under faults: SEEDS (500) of each; SEEDS=1 FROM=n is run n again
	SEEDS=$(SEEDS) go test -count=1 $(SIMULATION)

.PHONY: test-shoppers
test-shoppers: ## Seeded days of shoppers at five simulated channels, through every stage: SEEDS (500) of them; SEEDS=1 FROM=n is day n again
	SEEDS=$(SEEDS) go test -count=1 -tags synctests -run '^TestShoppers$$' -v -timeout 60m ./internal/simtest | grep -v '^=== '

# Linux runs programs for 386 on amd64; elsewhere there is nothing to compare.
.PHONY: test-386
test-386: ## The engine's scenarios and recorded journals as a 32-bit program: the same values on any machine
	@if [ "$$(go env GOOS)/$$(go env GOARCH)" = linux/amd64 ]; then \
	  GOARCH=386 CGO_ENABLED=0 go test -run 'TestScenarios|TestRecordedJournals|TestGolden' ./internal/engine ./internal/allocation; \
	else \
	  echo 'test-386: only on linux/amd64'; \
	fi

# Servers that no variable names are started in containers, once for all packages.
.PHONY: test-integration
test-integration: bin/testservers ## Tests against real servers: SHELFWIRE_TEST_KAFKA, _REDIS, _CLICKHOUSE, else containers of them
	bin/testservers go test -tags integration -count=1 -p 1 -timeout 40m $(or $(INTEGRATION),$(error no test has the build tag integration))

.PHONY: test-cluster
test-cluster: ## The store on a Redis Cluster of three nodes, one of its slots moved meanwhile; needs redis-server
	go test -tags integration,cluster -count=1 -run 'OnCluster|SlotMoves' -v ./internal/redisstore

# Its servers are its own, since it kills them: SHELFWIRE_CHAOS_KAFKA is the folder of Kafka's jars; java and redis-server are those of
# the PATH, or SHELFWIRE_CHAOS_JAVA and SHELFWIRE_CHAOS_REDIS.
.PHONY: chaos
chaos: ## Real processes, a real Kafka and a real Redis, killed for CHAOS_FOR (10m); needs SHELFWIRE_CHAOS_KAFKA, java, redis-server
	CHAOS_FOR=$(CHAOS_FOR) go test -tags integration,chaos -count=1 -run '^TestChaos$$' -v -timeout 3h ./internal/simtest

.PHONY: lint
lint: bin/golangci-lint bin/buf ## Check style, imports and schemas
	bin/golangci-lint run ./...
	cd tools/testservers && ../../bin/golangci-lint run ./...
	cd schemas && ../bin/buf lint
	cd schemas && ../bin/buf format --diff --exit-code >/dev/null || { echo 'lint: schemas/proto is not formatted: make fmt' >&2; exit 1; }

.PHONY: vet
vet: ## go vet, with and without the integration tests
	go vet ./...
	go vet -tags integration ./...
	go vet -tags synctests ./internal/simulation ./internal/simtest
	go vet -tags integration,chaos ./internal/simtest
	go vet -tags integration,cluster ./internal/redisstore
	go -C tools/testservers vet .

.PHONY: fmt
fmt: bin/golangci-lint bin/buf ## Format Go and Protobuf
	bin/golangci-lint fmt ./... tools/testservers
	cd schemas && ../bin/buf format -w

.PHONY: generate
generate: bin/buf bin/protoc-gen-go ## Generate Go from the Protobuf schemas
	cd schemas && ../bin/buf generate

.PHONY: verify-generated
verify-generated: generate ## Fail when generated code or a go.mod is not what its source says
	git diff --exit-code --stat -- $(GENERATED)
	@new=$$(git ls-files --others --exclude-standard -- $(GENERATED)); \
	[ -z "$$new" ] || { printf 'verify-generated: generated, but not committed:\n%s\n' "$$new" >&2; exit 1; }
	go mod tidy -diff
	go -C tools mod tidy -diff
	go -C tools/testservers mod tidy -diff

# Before 1.27 Go itself now and then calls the end of -fuzztime a failure, on a busy machine (golang/go#75804). It says nothing else
# then, while an input that fails is always written down.
.PHONY: fuzz
fuzz: ## Run every fuzz target for FUZZTIME (10s)
	@log=$$(mktemp); trap 'rm -f "$$log"' EXIT; \
	grep -rnoE --include='*_test.go' '^func Fuzz[A-Za-z0-9_]+' . | sort | while IFS=: read -r file _ func; do \
	  dir=$$(dirname "$$file") name=$${func#func }; \
	  echo "fuzz: $$dir $$name for $(FUZZTIME)"; \
	  if ! go test -run '^$$' -fuzz "^$$name\$$" -fuzztime $(FUZZTIME) "$$dir" </dev/null 2>&1 | tee "$$log"; then \
	    grep -qxE ' +context deadline exceeded' "$$log" && ! grep -qE 'Failing input|panic:|fatal error' "$$log" || exit 1; \
	    echo "fuzz: no input has failed: that was the end of -fuzztime (golang/go#75804)"; \
	  fi; \
	done

.PHONY: bench-unit
bench-unit: ## Benchmarks beside the code: BENCH (.), BENCHTIME (1s)
	go test -run '^$$' -bench '$(BENCH)' -benchtime $(BENCHTIME) -benchmem ./...

# The end-to-end benchmarks are the programs in benchmarks/; they read the same addresses as the integration tests. Latency comes
# first, while the servers are at rest.
.PHONY: bench
bench: bench-unit ## All benchmarks; those from end to end where SHELFWIRE_TEST_KAFKA and SHELFWIRE_TEST_REDIS are set
	@if [ -n "$${SHELFWIRE_TEST_KAFKA:-}" ] && [ -n "$${SHELFWIRE_TEST_REDIS:-}" ]; then \
	  for program in latency allocator; do echo "go run ./benchmarks/$$program"; go run ./benchmarks/$$program; done; \
	else \
	  echo 'bench: without the end-to-end benchmarks: SHELFWIRE_TEST_KAFKA and SHELFWIRE_TEST_REDIS are not set'; \
	fi

.PHONY: bench-peers
bench-peers: bin/streams/streams.jar ## The allocator beside its peers, as tables in benchmarks/results: BENCH_ENTRIES, BENCH_ROUNDS, BENCH_RATE; needs java, mvn and bench's servers
	mkdir -p benchmarks/results
	go run ./benchmarks/latency -rate $(BENCH_RATE) -rounds $(BENCH_ROUNDS) -warm-up 5s -streams bin/streams -results benchmarks/results/latency.md
	go run ./benchmarks/allocator -entries $(BENCH_ENTRIES) -rounds $(BENCH_ROUNDS) -naive 10000 -streams bin/streams -results benchmarks/results/peers.md
	cat benchmarks/results/latency.md benchmarks/results/peers.md

.PHONY: bench-recovery
bench-recovery: ## How long the allocator is away after a kill, and a cold start over COLD_ENTRIES (10 million); the servers are those of bench
	mkdir -p benchmarks/results
	go run ./benchmarks/recovery -entries $(COLD_ENTRIES) -results benchmarks/results/recovery.md

.PHONY: ci
ci: FUZZTIME = 5s
ci: BENCHTIME = 1x
ci: lint vet verify-generated test test-386 fuzz bench-unit ## Everything that needs no server, as CI runs it

# The linters and the test servers have modules of their own; protoc-gen-go comes from the main module, so that the generated code
# always fits the Protobuf runtime that is linked.
bin/golangci-lint: tools/go.mod tools/go.sum
	go -C tools build -o ../bin/golangci-lint github.com/golangci/golangci-lint/v2/cmd/golangci-lint

bin/buf: tools/go.mod tools/go.sum
	go -C tools build -o ../bin/buf github.com/bufbuild/buf/cmd/buf

bin/testservers: $(wildcard tools/testservers/*)
	go -C tools/testservers build -o ../../bin/testservers .

bin/streams/streams.jar: benchmarks/peers/streams/pom.xml $(shell find benchmarks/peers/streams/src -name '*.java')
	mvn -q -B -f $< package

bin/protoc-gen-go: go.mod
	go build -o bin/protoc-gen-go google.golang.org/protobuf/cmd/protoc-gen-go
