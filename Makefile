# One command each: `make` says what there is. Everything is built with one feature set (--workspace), so that nothing is built twice.

SLUICE_CACHE ?= $(if $(XDG_CACHE_HOME),$(XDG_CACHE_HOME),$(HOME)/.cache)/sluice
ifeq ($(origin CARGO_TARGET_DIR), undefined)
  # a warm target folder in the cache is used where there is one
  CARGO_TARGET_DIR := $(if $(wildcard $(SLUICE_CACHE)/target),$(SLUICE_CACHE)/target,$(CURDIR)/target)
endif
export CARGO_TARGET_DIR

# planning recurses; a test thread's 2 MiB are little for it in a development build
export RUST_MIN_STACK := 16777216

# property tests are the same in every run; another seed looks elsewhere
export PROPTEST_RNG_SEED ?= 20261126

CARGO := cargo
DEBUG := $(CARGO_TARGET_DIR)/debug
BENCH := $(CARGO_TARGET_DIR)/bench
PARTS := SLUICE_CACHE="$(SLUICE_CACHE)" $(DEBUG)/parts
# the connectors' tests ask for a broker by environment variable: they know nothing of how one is had
BROKER := $(PARTS) kafka --secured -- env SLUICE_TEST_KAFKA={bootstrap} SLUICE_TEST_KAFKA_PID={pid} SLUICE_TEST_KAFKA_SASL="{sasl}" SLUICE_TEST_KAFKA_TLS="{tls}"
# settings of the tests are not settings of the server
CLEAN_ENV := env -u SLUICE_CACHE -u SLUICE_BIN
# two at a time: each test runs a server of its own beside the shared broker
TEST_THREADS ?= 2
TEST_LIMIT ?= 2400
TEST := env SLUICE_CACHE="$(SLUICE_CACHE)" timeout --foreground -k 30 $(TEST_LIMIT) $(CARGO) test --locked --workspace

.DEFAULT_GOAL := help
.PHONY: help demo demo-kafka test check instructions bench bench-peers bench-report bench-crates bench-build test-clients differences answers capture test-stores chaos chaos-stores simulate oracle fuzz build needs parts

help: ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: build ## Build, then watch gold fill from generated events (Ctrl-C ends it)
	@$(CLEAN_ENV) $(DEBUG)/sluice demo

demo-kafka: build ## The same on a real Apache Kafka broker, installed and started for it
	@SLUICE_CACHE="$(SLUICE_CACHE)" $(DEBUG)/parts kafka --feed events -- $(CLEAN_ENV) $(DEBUG)/sluice demo --kafka "{bootstrap}" --topic events

test: build parts ## Everything CI runs: all tests of all crates, on real parts
	@echo "== tests: unit tests of every crate, then the black-box tests (a few minutes; $(TEST_THREADS) at a time)"
	@$(BROKER) $(TEST) --no-fail-fast -- --test-threads=$(TEST_THREADS)

check: needs ## The quick loop: formatting, lints, unit tests (no broker)
	@echo "== formatting"
	@$(CARGO) fmt --all --check
	@echo "== lints (the first time checks every dependency)"
	@$(CARGO) clippy --locked --workspace --all-targets -- -D warnings
	@echo "== unit tests"
	@$(TEST) --lib --bins -- --skip parts::producer

instructions: build ## Record the instructions an event takes on the hot path (bench/instructions.json, which make test compares with); needs valgrind
	@SLUICE_WRITE_INSTRUCTIONS=1 $(TEST) --test instructions -- --nocapture

# what measures and what is measured, optimised, apart from what the edit loop builds
BENCH_RUN = SLUICE_CACHE="$(SLUICE_CACHE)" CARGO_MANIFEST_DIR="$(CURDIR)/tests" $(BENCH)/bench

bench: bench-build ## Ours alone, some minutes: CPU per million events, memory, rate, freshness of an optimised build, each answer checked first; then bench-crates
	@$(BENCH_RUN)
	@$(MAKE) --no-print-directory bench-crates

bench-peers: bench-build ## Everything side by side with Spark and Flink on one real broker (settings: bench/README.md); figures go to bench/results
	@SLUICE_CACHE="$(SLUICE_CACHE)" $(BENCH)/parts install kafka spark spark-kafka flink postgres
	@$(CARGO) bench --locked --workspace --bench decode --bench commits --profile dev --config tests/bench-profile.toml --no-run
	@$(BENCH_RUN) peers

bench-report: ## docs/benchmarks.md and its charts, of the figures in bench/results
	@test -x $(BENCH)/bench || $(MAKE) --no-print-directory bench-build
	@$(BENCH_RUN) report

bench-crates: needs ## Single crates: the decoder beside arrow-json; windows in memory beside the engine alone; commits beside delta-rs' own
	@$(CARGO) bench --locked --workspace --bench decode --bench windows --bench commits --profile dev --config tests/bench-profile.toml

bench-build: needs
	@echo "== building our own crates optimised (dependencies are, already)"
	@$(CARGO) build --locked --workspace --bins --config tests/bench-profile.toml
	@mkdir -p $(BENCH) && cp -f $(DEBUG)/sluice $(DEBUG)/bench $(DEBUG)/parts $(BENCH)/

test-clients: build parts ## Every client of clients/ and its table, PostgreSQL beside ours, the main job with a million events, a million open sessions
	@$(PARTS) install spark postgres clients
	@rm -rf $(CARGO_TARGET_DIR)/tmp/clients
	@$(TEST) --test it postgres:: -- --test-threads=1 --include-ignored
	@$(TEST) --test it copy::psycopg -- --test-threads=1
	@SLUICE_TEST_EVENTS=1000000 $(TEST) --test it main_job:: -- --test-threads=1
	@SLUICE_TEST_SESSIONS=1000000 $(TEST) --test it memory:: -- --test-threads=1
	@$(TEST) --test it limits::a_flight_client -- --include-ignored
	@SLUICE_TEST_INGEST_MIB=4096 SLUICE_TEST_FLIGHT_ROWS=100000000 $(TEST) --test it volume:: -- --test-threads=1
	@SLUICE_TEST_EVENTS=1000000 $(TEST) --test it clients:: -- --test-threads=1 --include-ignored --skip clients::table::is_written
	@echo "== the table of clients/README.md, of what has just passed"
	@$(TEST) --test it clients::table::is_written -- --include-ignored --exact

differences: build parts ## tests/postgres/differences.txt and the counts of docs/sql/postgres.md anew, reasons kept; what has none gets "?" and fails
	@SLUICE_WRITE_DIFFERENCES=1 $(TEST) --test it postgres::answers_are_postgresqls_but_for_what_is_listed -- --exact --nocapture

answers: build ## What PostgreSQL answers to the statements of tests/postgres, written anew
	@$(PARTS) install postgres
	@SLUICE_WRITE_ANSWERS=1 $(TEST) --test it postgres::the_answers_written_down_are_still_postgresqls -- --exact --include-ignored

capture: build ## What clients send to PostgreSQL and what it answers, written anew (tests/postgres); needs Java
	@$(PARTS) postgres -- "{python}" tests/python/postgres_replay.py "{port}" --write $(wildcard tests/postgres/statements/*.sql)
	@$(PARTS) postgres -- "{python}" tests/python/capture.py "{port}" "{log}" "{jars}"

test-stores: build parts ## The root on S3 (versitygw, built with Go) and Azure (Azurite, from npm): job, kills, faults, takeovers
	@$(PARTS) install versitygw azurite
	@$(TEST) --test it stores:: -- --test-threads=1 --include-ignored --nocapture

chaos-stores: build parts ## As chaos, 100 SIGKILLs on each store, and 30 takeovers
	@$(PARTS) install versitygw azurite
	@SLUICE_TEST_KILLS=$${SLUICE_TEST_KILLS:-100} $(TEST) --test it stores::kills -- --test-threads=1 --include-ignored --nocapture
	@SLUICE_TEST_TAKEOVERS=$${SLUICE_TEST_TAKEOVERS:-30} $(TEST) --test it stores::fencing -- --test-threads=1 --include-ignored --nocapture

# cycles of make chaos and seconds of its upkeep, seeds of make simulate; the seed to start from is SLUICE_TEST_SEED
CYCLES ?= 200
UPKEEP ?= 300
SEEDS ?= 2000

chaos: build parts ## CYCLES (200) crashes and failures at every step under load, the real broker beside, then UPKEEP (300) seconds of upkeep that nobody watches; seed in SLUICE_TEST_SEED
	@SLUICE_TEST_CYCLES=$(CYCLES) $(TEST) --test it chaos:: -- --test-threads=1 --nocapture
	@SLUICE_TEST_UPKEEP_SECONDS=$(UPKEEP) $(TEST) --test it upkeep:: -- --test-threads=1 --nocapture

simulate: needs ## SEEDS (2000) of commit, recovery and fencing over a simulated store, thousands a minute; a failure names its seed at once
	@SLUICE_TEST_SEEDS=$(SEEDS) $(TEST) --config tests/simulate-profile.toml --lib simulation -- --nocapture

oracle: build ## Stream = batch over SLUICE_TEST_STORIES (10000) random streams, queries, epochs and restarts
	@PROPTEST_CASES=$${SLUICE_TEST_STORIES:-10000} $(TEST) --lib oracle_tests

# how long each target of make fuzz is run, in seconds
FUZZ_SECONDS ?= 60
# C code is built with the sanitizer too; librdkafka's configure links zstd for a look at it, and has to be told
FUZZ := env -u CARGO_TARGET_DIR LDFLAGS=-fsanitize=address $(CARGO) +nightly fuzz
FUZZ_TARGETS := $(basename $(notdir $(wildcard fuzz/fuzz_targets/*.rs)))

fuzz: needs ## Each target of fuzz/ for FUZZ_SECONDS (60), with sanitizers, on a nightly toolchain and cargo-fuzz, installed where they are missing
	@command -v cargo-fuzz >/dev/null 2>&1 || { echo "== installing cargo-fuzz"; $(CARGO) install --locked --quiet cargo-fuzz; }
	@rustup toolchain list | grep -q '^nightly' || { echo "== installing a nightly toolchain"; rustup toolchain install nightly --profile minimal; }
	@python3 fuzz/seeds.py
	@cp Cargo.lock fuzz/Cargo.lock # the versions that everything else is built with
	@broken=""; for target in $(FUZZ_TARGETS); do \
	  features=""; if grep -q "^$$target = " fuzz/Cargo.toml; then features="--features $$target"; fi; \
	  echo "== $$target: building, then $(FUZZ_SECONDS) seconds; what breaks it is kept in fuzz/artifacts/$$target"; \
	  $(FUZZ) run $$target $$features -- -max_total_time=$(FUZZ_SECONDS) -timeout=10 -max_len=4096 || broken="$$broken $$target"; \
	done; \
	if [ -n "$$broken" ]; then echo "broken:$$broken" >&2; exit 1; fi

build: needs
	@echo "== building into $(CARGO_TARGET_DIR) (cold: the engine's dependencies take a while)"
	@timeout --foreground -k 30 7200 $(CARGO) build --locked --workspace --bins --tests

parts:
	@echo "== parts: Apache Kafka, Python clients, psql, SQLAlchemy (installed once, into $(SLUICE_CACHE))"
	@$(PARTS) install kafka python psql sql

# What building needs, installed where rights allow; otherwise one line names it. valgrind counts instructions in make test, which goes on without.
needs:
	@missing=""; \
	for pair in cc:gcc make:make perl:perl python3:python3; do \
	  program=$${pair%%:*}; package=$${pair##*:}; \
	  command -v $$program >/dev/null 2>&1 && continue; \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then \
	    echo "== installing $$package (apt-get)"; \
	    { apt-get install -y -qq --no-install-recommends $$package || { apt-get update -qq && apt-get install -y -qq --no-install-recommends $$package; }; } >/dev/null 2>&1; \
	  fi; \
	  command -v $$program >/dev/null 2>&1 || missing="$$missing $$package"; \
	done; \
	if [ "$$(id -u)" = 0 ] && ! command -v valgrind >/dev/null 2>&1 && command -v apt-get >/dev/null 2>&1; then apt-get install -y -qq --no-install-recommends valgrind >/dev/null 2>&1 || true; fi; \
	command -v $(CARGO) >/dev/null 2>&1 || missing="$$missing cargo(the-Rust-toolchain)"; \
	if [ -n "$$missing" ]; then echo "missing:$$missing: install them and run make again" >&2; exit 1; fi
