# The fuzzers: one program for each file of tests/fuzz/targets/, and what drives them. Included by
# tests/tests.mk. In build/fuzz they are libFuzzer's; in any other build they replay what is kept.
FUZZERS := $(patsubst tests/fuzz/targets/%.c,%,$(sort $(wildcard tests/fuzz/targets/*.c)))
FUZZ_PROGRAMS := $(FUZZERS:%=$(BUILD)/fuzzers/%)
FUZZ_SUPPORT := $(filter-out tests/fuzz/support/replay.c,$(wildcard tests/fuzz/support/*.c)) \
    tests/sim/sim.c tests/sim/fake_uv.c tests/unit/xds_views.c \
    $(filter-out %/config_fuzz.c,$(wildcard tests/fuzz/config/*.c))
FUZZ_MAIN := $(if $(findstring fuzzer,$(SAN)),-fsanitize=fuzzer,$(BUILD)/obj/tests/fuzz/support/replay.o)

$(FUZZERS:%=$(BUILD)/obj/tests/fuzz/targets/%.o) $(FUZZ_SUPPORT:%.c=$(BUILD)/obj/%.o): $(GEN_H)
$(BUILD)/obj/tests/fuzz/%.o: CPPFLAGS += -Itests/fuzz -Itests/fuzz/config

# An archive, so that each program takes what it needs: libuv's stand-in where it has connections.
$(BUILD)/libfuzz.a: $(FUZZ_SUPPORT:%.c=$(BUILD)/obj/%.o)
	@rm -f $@
	$(Q)ar rcs $@ $^
$(BUILD)/fuzzers/%: $(BUILD)/obj/tests/fuzz/targets/%.o $(filter %.o,$(FUZZ_MAIN)) $(BUILD)/libfuzz.a \
    $(BUILD)/libdaemon.a $(BUILD)/libpilot.a
	@mkdir -p $(dir $@)
	$(call say,LINK,$@)
	$(Q)$(CXX) $(LDFLAGS) $(filter -f%,$(FUZZ_MAIN)) $(if $(FUZZ_COVERAGE),-fprofile-instr-generate) -Wl,--wrap=uv_close -o $@ $^ $(BUILD)/libfuzz.a $(LDLIBS)

fuzz-programs: $(FUZZ_PROGRAMS)

# NULL + 0, which newer C allows, is no finding; AddressSanitizer sees what is out of bounds.
FUZZ_BUILD := CC=clang-14 CXX=clang++-14 WARN="-w -fno-sanitize=pointer-overflow"
FUZZ_RUN := /usr/bin/python3 tests/fuzz/run.py

.PHONY: fuzz-programs fuzz-build fuzz test-fuzz fuzz-replay fuzz-minimize fuzz-coverage
fuzz-build:
	@tests/tools/deps
	@$(MAKE) --no-print-directory BUILD=build/fuzz $(FUZZ_BUILD) SAN=fuzzer-no-link,address,undefined fuzz-programs

fuzz: fuzz-build ## feed the parsers what a fuzzer makes up, T=60 seconds each (TARGET=h2 one of them; tests/fuzz/README.md)
	@$(FUZZ_RUN) fuzz $(TARGET) --seconds $(T)

test-fuzz: fuzz-build ## the same for a minute each, as a test
	@$(FUZZ_RUN) fuzz $(TARGET) --seconds 60

fuzz-replay: fuzz-build ## what the fuzzers have found before, once more, under sanitizers
	@PILOT_BUILD=build/fuzz $(FUZZ_RUN) replay $(TARGET)

fuzz-minimize: fuzz-build ## keep what reaches most in least in tests/fuzz/corpus/
	@$(FUZZ_RUN) minimize $(TARGET)

fuzz-coverage: ## how much of each parser its kept inputs reach
	@tests/tools/deps
	@$(MAKE) --no-print-directory BUILD=build/fuzz-coverage CC=clang-14 CXX=clang++-14 \
	    WARN="-w -fprofile-instr-generate -fcoverage-mapping" OPT=-O1 FUZZ_COVERAGE=1 fuzz-programs
	@$(FUZZ_RUN) coverage $(TARGET)
