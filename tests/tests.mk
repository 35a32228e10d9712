# How the tests are built and run. Included by the Makefile.
RUN_TESTS := /usr/bin/python3 tests/tools/run_tests.py
TEST_OBJ  := $(TEST_SUPPORT:%.c=$(BUILD)/obj/%.o)
TEST_TOOLS += $(patsubst tests/tools/%.c,$(BUILD)/tools/%,$(wildcard tests/tools/*.c))

# pilotd but for its main, for the tests of its parts.
$(BUILD)/libdaemon.a: $(filter-out %/main.o,$(DAEMON_OBJ))
	@rm -f $@
	$(Q)ar rcs $@ $^
$(BUILD)/tests/%: $(BUILD)/obj/tests/unit/%.o $(TEST_OBJ) $(BUILD)/libdaemon.a $(BUILD)/libpilot.a
	@mkdir -p $(dir $@)
	$(call say,LINK,$@)
	$(Q)$(CXX) $(LDFLAGS) -o $@ $^ $(LDLIBS) -lcmocka
$(BUILD)/tools/%: $(BUILD)/obj/tests/tools/%.o $(BUILD)/libpilot.a
	@mkdir -p $(dir $@)
	$(call say,LINK,$@)
	$(Q)$(CXX) $(LDFLAGS) -o $@ $^ $(LDLIBS)
CONFIG_FUZZ_OBJ := $(patsubst %.c,$(BUILD)/obj/%.o,$(wildcard tests/fuzz/config/*.c))
$(BUILD)/tools/config_fuzz: $(CONFIG_FUZZ_OBJ) $(BUILD)/libpilot.a
	@mkdir -p $(dir $@)
	$(call say,LINK,$@)
	$(Q)$(CXX) $(LDFLAGS) -o $@ $^ $(LDLIBS)
TEST_TOOLS += $(BUILD)/tools/config_fuzz

include tests/fuzz/fuzz.mk

# The simulator: pilotd over a libuv, an HTTP client and an HTTP/2 server of its own; so without libuv.
SIM_LIBS := -Wl,--wrap=xds_stream_new,--wrap=xds_stream_view,--wrap=store_reconnect \
    $(filter-out -luv -lcurl -lnghttp2,$(LDLIBS))
SIM_OBJ := $(patsubst %.c,$(BUILD)/obj/%.o,$(wildcard tests/sim/*.c))
$(SIM_OBJ): $(GEN_H)
$(BUILD)/tools/sim: $(SIM_OBJ) $(BUILD)/libdaemon.a $(BUILD)/libpilot.a
	@mkdir -p $(dir $@)
	$(call say,LINK,$@)
	$(Q)$(CXX) $(LDFLAGS) -o $@ $^ $(SIM_LIBS)
TEST_TOOLS += $(BUILD)/tools/sim

# The next release as far as translation levels go, for tests of upgrades.
$(BUILD)/obj/next_level.o: pilotd/mesh/level.c pilotd/mesh/level.h
	@mkdir -p $(dir $@)
	$(Q)$(CC) $(CPPFLAGS) -DNEXT_RELEASE $(CFLAGS) $(WARN) -c -o $@ $<
$(BUILD)/tools/pilotd-next: $(BUILD)/obj/next_level.o $(DAEMON_OBJ) $(BUILD)/libpilot.a
	@mkdir -p $(dir $@)
	$(call say,LINK,$@)
	$(Q)$(CXX) $(LDFLAGS) -o $@ $^ $(LDLIBS)
TEST_TOOLS += $(BUILD)/tools/pilotd-next

test: ## build and test everything: checks, unit tests, end-to-end with real etcd, HAProxy, Envoys
	@tests/tools/deps
	@$(MAKE) --no-print-directory all test-programs
	@PILOT_BUILD=$(BUILD) $(RUN_TESTS) --checks --unit $(TESTS) --fuzz $(BUILD)/fuzzers --sim $(BUILD)/tools/sim --e2e

test-programs: $(TESTS) $(TEST_TOOLS) $(FUZZ_PROGRAMS)

unit: $(TESTS) ## build and run the unit tests alone
	@$(RUN_TESTS) --unit $(TESTS)

e2e: all $(TEST_TOOLS) ## run the end-to-end tests alone (K=expression picks some, ENVOY=program is another Envoy)
	@PILOT_BUILD=$(BUILD) $(if $(ENVOY),PILOT_ENVOY=$(abspath $(ENVOY))) $(RUN_TESTS) --e2e $(if $(K),-k "$(K)")

e2e-oldest: all $(TEST_TOOLS) ## those of them that ask an Envoy, with the oldest that is supported (K=expression picks some)
	@PILOT_BUILD=$(BUILD) $(RUN_TESTS) --oldest $(if $(K),-k "$(K)")

# A report of a sanitizer fails the test that caused it: the process exits non-zero.
export ASAN_OPTIONS := detect_leaks=1:abort_on_error=0:strict_string_checks=1
export UBSAN_OPTIONS := print_stacktrace=1:halt_on_error=1
export TSAN_OPTIONS := halt_on_error=1:second_deadlock_stack=1

test-asan: ## unit and daemon tests under AddressSanitizer and UndefinedBehaviorSanitizer
	@tests/tools/deps
	@$(MAKE) --no-print-directory BUILD=build/asan SAN=address,undefined all test-programs
	@PILOT_BUILD=build/asan $(RUN_TESTS) --unit $(TESTS:$(BUILD)/%=build/asan/%) --fuzz build/asan/fuzzers --e2e -k "$(SANITIZED)"

test-tsan: ## unit and daemon tests under ThreadSanitizer
	@tests/tools/deps
	@$(MAKE) --no-print-directory BUILD=build/tsan SAN=thread all test-programs
	@PILOT_BUILD=build/tsan $(RUN_TESTS) --unit $(TESTS:$(BUILD)/%=build/tsan/%) --e2e -k "$(SANITIZED)"

# The end-to-end tests that drive pilotd itself; the demo is too slow for it.
SANITIZED ?= daemon or pilotctl or xds_protocol or reflection or xds_tls or hostile or reconnect or keyspace_faults or expiry or holds or gate or fair_share

conformance: $(BUILD)/pilotctl ## compare with known verdicts and output (CORPUS=DIR; docs/CONFORMANCE.md)
	@/usr/bin/python3 tests/tools/conformance.py $(BUILD)/pilotctl $(or $(CORPUS),$(error CORPUS=DIR is needed))

docs: $(BUILD)/tools/support_table $(BUILD)/pilotd $(BUILD)/pilotctl ## write docs/SUPPORT.md, docs/METRICS.md and build/man anew from the tables
	@$(BUILD)/tools/support_table > docs/SUPPORT.md
	@PILOT_WRITE_DOCS=1 $(VENV)/bin/python -m pytest -q tests/e2e/test_metrics.py -k page > /dev/null
	@$(BUILD)/pilotctl manual -o $(BUILD)/man

T ?= 60
fuzz-config: deps ## random resources through the core, under sanitizers, to an Envoy for T=60 seconds (SEED=first)
	@$(MAKE) --no-print-directory BUILD=build/asan SAN=address,undefined build/asan/tools/config_fuzz
	@PILOT_BUILD=build/asan $(VENV)/bin/python tests/fuzz/config/fuzz.py --seconds $(T) $(if $(SEED),--seed $(SEED))

SEEDS ?= 1000
.PHONY: sim sim-mutants
sim: $(BUILD)/tools/sim ## pilotd in a made world: SEEDS=1000 random histories of writes and faults; SEED=n tells one
	@$(BUILD)/tools/sim $(if $(SEED),--seed $(SEED),$(SEEDS))

sim-mutants: $(BUILD)/tools/sim ## break pilotd in two dozen places, one after the other: the simulator must find each
	@MUTANT_CC='$(CC) $(CPPFLAGS) $(PKG_CFLAGS) $(CFLAGS)' MUTANT_LINK='$(CXX) $(LDFLAGS)' \
	    MUTANT_LIBS='$(SIM_OBJ) $(BUILD)/libdaemon.a $(BUILD)/libpilot.a $(SIM_LIBS)' \
	    /usr/bin/python3 tests/sim/mutants.py $(MUTANT)

bench: deps ## what it costs, beside goals and istiod's figures (ROW="storm endpoint …"; build/bench.json)
	@$(MAKE) --no-print-directory all $(BUILD)/tools/xds_load $(BUILD)/tools/socket_floor
	@$(VENV)/bin/python tests/bench/bench.py --json $(BUILD)/bench.json $(BENCH) $(ROW)

.PHONY: chaos chaos-asan chaos-mutants
chaos: deps ## break a real cluster on purpose and watch what must hold; needs root (SCENARIO=name, SEED=n)
	@$(MAKE) --no-print-directory all $(BUILD)/tools/pilotd-next $(BUILD)/tools/xds_proxies
	@$(VENV)/bin/python chaos/run.py $(if $(SEED),--seed $(SEED)) $(SCENARIO)

# libfaketime is loaded before the sanitizer, which does not mind.
chaos-asan: export ASAN_OPTIONS := $(ASAN_OPTIONS):verify_asan_link_order=0
chaos-asan: deps ## the same with AddressSanitizer and UndefinedBehaviorSanitizer in the replicas
	@$(MAKE) --no-print-directory BUILD=build/asan SAN=address,undefined build/asan/pilotd
	@$(MAKE) --no-print-directory all $(BUILD)/tools/pilotd-next $(BUILD)/tools/xds_proxies
	@$(VENV)/bin/python chaos/run.py --sanitized --pilotd build/asan/pilotd $(if $(SEED),--seed $(SEED)) $(SCENARIO)

chaos-mutants: deps ## build pilotds that break one invariant each: the checks of chaos/ must find them; needs root
	@$(MAKE) --no-print-directory all
	@$(VENV)/bin/python chaos/mutants.py $(MUTANT)
