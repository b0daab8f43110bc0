# Fuzzing. `make check` runs the kept inputs of tests/fuzz/corpus through each target; `make fuzz` looks for new ones with
# clang's libFuzzer, under ASan and UBSan, and runs what it kept on the way on the ordinary library, which has pools.
#   FUZZ_SECONDS=60    for each target             FUZZ_FLAGS=    further flags of libFuzzer, such as -seed=1
#   FUZZ_CC=clang
FUZZ_TARGETS = csv program
FUZZ_csv = fuzz_csv csv_reference
FUZZ_program = program graph derive model pass calls reductions views lives passes
FUZZ_SECONDS ?= 60
FUZZ_CC ?= clang
FUZZ_PROGRAMS = $(FUZZ_TARGETS:%=$(B)/tests/fuzz/%)
FUZZERS = $(FUZZ_TARGETS:%=$(B)/tests/fuzz/%_fuzzer)
# Findings are told by the calls, not by the inner loops: one instruction set is enough. -O1 vectorises no loop.
FUZZ_BUILD = DEBUG=1 CC="$(FUZZ_CC)" SAN=fuzzer-no-link,address,undefined BLAS=no ISAS=base \
             WARN="$(WARN) -Wno-pass-failed" B=$(B)/fuzz

define fuzz_target
$(B)/tests/fuzz/$(1): $(FUZZ_$(1):%=$(B)/tests/fuzz/%.o) $(B)/tests/fuzz/main.o $(B)/libgradus.a
	$$(CC) $$(LDFLAGS) $$^ $$(LDLIBS) -o $$@
$(B)/tests/fuzz/$(1)_fuzzer: $(FUZZ_$(1):%=$(B)/tests/fuzz/%.o) $(B)/libgradus.a
	$$(CC) $$(LDFLAGS) -fsanitize=fuzzer $$^ $$(LDLIBS) -o $$@
endef
$(foreach t,$(FUZZ_TARGETS),$(eval $(call fuzz_target,$(t))))

corpus: $(FUZZ_PROGRAMS)
	for t in $(FUZZ_TARGETS); do $(B)/tests/fuzz/$$t tests/fuzz/corpus/$$t || exit 1; done
fuzzers: $(FUZZERS)
has-libfuzzer:
	@echo 'int LLVMFuzzerTestOneInput(void); int LLVMFuzzerTestOneInput(void) { return 0; }' | \
	    $(FUZZ_CC) -fsanitize=fuzzer,address,undefined -x c - -o /dev/null 2>/dev/null || \
	    { echo "make fuzz: $(FUZZ_CC) is missing or has no libFuzzer; install them: apt-get install clang libclang-rt-dev" >&2; exit 1; }
fuzz: has-libfuzzer $(FUZZ_PROGRAMS)
	$(MAKE) $(FUZZ_BUILD) fuzzers
	tests/fuzz/run.sh $(B)/fuzz $(FUZZ_SECONDS) $(FUZZ_FLAGS)
	for t in $(FUZZ_TARGETS); do $(B)/tests/fuzz/$$t $(B)/fuzz/corpus/$$t || exit 1; done
.PHONY: corpus fuzzers has-libfuzzer fuzz
