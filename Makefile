# Gradus. `make` builds the library, `make demo` runs the tutorial, `make test` the tests (it installs what they need).
#   CC=clang            another compiler            BLAS=no   without OpenBLAS, even where it is installed
#   DEBUG=1             an allocation for each tensor, exact and poisoned, headers never used again, assertions, under
#                       ASan and UBSan (SAN=thread or memory for others, SAN= for none); slow; in build/debug
#   B=build             where everything goes
VERSION = 0.1.0
SONAME = libgradus.so.0
ifdef DEBUG
B ?= build/debug
SAN ?= address,undefined
OPT ?= -O1
LOOPS_OPT ?= -O1
CPPFLAGS += -DGR_DEBUG
endif
B ?= build
PREFIX ?= /usr/local
AR ?= ar
AWK ?= awk

WARN = -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Wdouble-promotion
# None of these changes a value; without them loops of unknown length or with selects are not vectorised.
MATH = -ffp-contract=off -fno-trapping-math -fno-math-errno
OPT ?= -O2
LOOPS_OPT ?= -O3 -g1 # lines without variables, which would take a quarter of the time
CPPFLAGS += -I. -I$(B) -D_POSIX_C_SOURCE=200809L
CFLAGS += -std=c11 -g $(OPT) $(MATH) $(WARN) $(WERROR) -fPIC -fvisibility=hidden -Wno-psabi
LDLIBS = -lm -lpthread -ldl

ifneq ($(SAN),)
SANFLAGS = -fsanitize=$(SAN) -fno-omit-frame-pointer -fno-sanitize-recover=all
CFLAGS += $(SANFLAGS)
LDFLAGS += $(SANFLAGS)
endif

BLAS ?= $(shell pkg-config --exists openblas 2>/dev/null && echo openblas || echo no)
ifneq ($(BLAS),no)
CPPFLAGS += -DGR_HAVE_CBLAS $(shell pkg-config --cflags $(BLAS))
LDLIBS += $(shell pkg-config --libs $(BLAS))
endif

# ---- the library ----

LOOPS = $(wildcard core/cpu/*_loops.c)
SOURCES = $(filter-out $(LOOPS),$(wildcard core/*.c core/cpu/*.c autograd/*.c nn/*.c optim/*.c))
HEADERS = $(wildcard gradus.h core/*.h core/cpu/*.h autograd/*.h nn/*.h optim/*.h)
PUBLIC = gradus.h core/base.h core/core.h core/csv.h core/random.h core/tensor.h autograd/anomaly.h autograd/autograd.h \
         autograd/function.h autograd/op.h autograd/show.h autograd/view.h nn/nn.h nn/module.h optim/optim.h
ifneq ($(filter x86_64 amd64,$(shell uname -m)),)
ISAS ?= base avx2 avx512
endif
ISAS ?= base
ifeq ($(ISAS),base)
CPPFLAGS += -DGR_ONLY_BASE
endif
OBJECTS = $(SOURCES:%.c=$(B)/%.o) $(foreach isa,$(ISAS),$(LOOPS:%.c=$(B)/%_$(isa).o))
FLAGS_base =
FLAGS_avx2 = -mavx2 -mfma
FLAGS_avx512 = -mavx2 -mfma -mavx512f -mavx512vl -mavx512dq -mavx512bw -mprefer-vector-width=512

all: $(B)/libgradus.a $(B)/$(SONAME) $(B)/gradus.pc

$(B)/elementwise_api.h: core/elementwise.def core/elementwise_api.awk
	@mkdir -p $(B)
	$(AWK) -f core/elementwise_api.awk core/elementwise.def > $@

# Kernels are compiled with -O3 (a debug build: -O1), once for each instruction set.
define per_isa
$(B)/%_loops_$(1).o: %_loops.c $(B)/elementwise_api.h
	@mkdir -p $$(@D)
	$$(CC) $$(CPPFLAGS) $$(CFLAGS) $$(LOOPS_OPT) -fwrapv $$(FLAGS_$(1)) -DGR_ISA=$(1) -MMD -MP -c $$< -o $$@
endef
$(foreach isa,$(ISAS),$(eval $(call per_isa,$(isa))))
$(B)/core/cpu/%.o: core/cpu/%.c $(B)/elementwise_api.h
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) $(LOOPS_OPT) -MMD -MP -c $< -o $@
$(B)/%.o: %.c $(B)/elementwise_api.h
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c $< -o $@

$(B)/libgradus.a: $(OBJECTS)
	rm -f $@
	$(AR) rcs $@ $^
$(B)/$(SONAME): $(OBJECTS)
	$(CC) $(LDFLAGS) -shared -Wl,-soname,$(SONAME) $^ $(LDLIBS) -o $@
	ln -sf $(SONAME) $(B)/libgradus.so
$(B)/gradus.pc: Makefile
	@mkdir -p $(B)
	printf 'prefix=%s\nName: gradus\nDescription: tensors, autograd, layers and optimizers in C\nVersion: %s\nCflags: -I$${prefix}/include/gradus\nLibs: -L$${prefix}/lib -lgradus\nLibs.private: %s\n' \
	    '$(PREFIX)' '$(VERSION)' '$(LDLIBS)' > $@

install: all
	for h in $(PUBLIC); do install -D -m 644 $$h $(DESTDIR)$(PREFIX)/include/gradus/$$h || exit 1; done
	install -m 644 $(B)/elementwise_api.h $(DESTDIR)$(PREFIX)/include/gradus/elementwise_api.h
	install -D -m 644 $(B)/libgradus.a $(DESTDIR)$(PREFIX)/lib/libgradus.a
	install -m 755 $(B)/$(SONAME) $(DESTDIR)$(PREFIX)/lib/$(SONAME)
	ln -sf $(SONAME) $(DESTDIR)$(PREFIX)/lib/libgradus.so
	if [ -f $(B)/libgradus_cuda.so ]; then install -m 755 $(B)/libgradus_cuda.so $(DESTDIR)$(PREFIX)/lib/; fi
	install -d $(DESTDIR)$(PREFIX)/lib/pkgconfig
	sed 's|^prefix=.*|prefix=$(PREFIX)|' $(B)/gradus.pc > $(DESTDIR)$(PREFIX)/lib/pkgconfig/gradus.pc

include tests/fuzz/fuzz.mk
include tests/cuda/emulator.mk
include cuda/cuda.mk

# ---- programs ----

DEMOS = $(patsubst demos/%.c,$(B)/demos/%,$(wildcard demos/*.c))
$(DEMOS): $(B)/demos/%: demos/%.c $(B)/libgradus.a
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) $< $(B)/libgradus.a $(LDLIBS) -MMD -MP -o $@
demos: $(DEMOS)
demo: $(B)/demos/linear_regression
	$(B)/demos/linear_regression

TESTS = $(filter-out tests/bench_%,$(wildcard tests/*.c))
TEST_OBJECTS = $(TESTS:%.c=$(B)/%.o)
# CHECK_DIR=folder: where packages of Check and subunit were unpacked (dpkg -x), for machines where nothing may be installed.
ifdef CHECK_DIR
CPPFLAGS += -isystem $(CHECK_DIR)/usr/include
CHECK_LIBS = -L$(firstword $(wildcard $(CHECK_DIR)/usr/lib/*-linux-gnu*) $(CHECK_DIR)/usr/lib) -lcheck_pic -l:libsubunit.a -lrt -lm -lpthread
else
CHECK_LIBS = $(shell pkg-config --libs check 2>/dev/null || echo -lcheck -lsubunit -lrt)
endif
# The tests count allocations, and let them and other calls of the system fail.
WRAP = -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=aligned_alloc,--wrap=posix_memalign,--wrap=free,--wrap=gr_allocate,--wrap=gr_deallocate,--wrap=pthread_create,--wrap=pthread_setspecific,--wrap=pread
$(B)/tests/run: $(TEST_OBJECTS) $(B)/libgradus.a
	$(CC) $(LDFLAGS) $(WRAP) $^ $(CHECK_LIBS) $(LDLIBS) -o $@

test:
	tests/install.sh
	$(MAKE) check
check: all $(B)/tests/run $(B)/tests/gpu/kernels demos $(EMULATED_PLUGIN) corpus
	rm -f $(B)/tests/sites.*
	GRADUS_SITES=$(B)/tests/sites tests/suites.sh $(B) $(B)/tests/logs
	tests/allocation_sites.sh $(B)
	tests/isa.sh $(B)
	tests/device.sh $(B) $(EMULATED_PLUGIN)
	tests/plugin.sh $(B) "$(CC)" "$(CPPFLAGS)" "$(LDLIBS)" $(EMULATED_PLUGIN)
	tests/demos.sh $(B)
	tests/header.sh $(B) "$(CC)" "$(CPPFLAGS)"
	tests/symbols.sh $(B)
	tests/refused.sh $(B) "$(CC)" "$(CPPFLAGS)"
	tests/covered.sh $(B)
	tests/snippets.sh $(B) "$(CC)" "$(CPPFLAGS)" "$(LDLIBS)"
	tests/one_row.sh
	tests/planted/run --check

suite: $(B)/tests/run
	tests/suites.sh $(B) $(B)/tests/logs $(CK_RUN_SUITE)
# Debug builds: the suite under ASan and UBSan; that of the threads under TSan.
sanitize:
	tests/install.sh
	$(MAKE) DEBUG=1 B=$(B)/debug suite corpus
	TSAN_OPTIONS=die_after_fork=0 CK_FORK=no CK_RUN_SUITE=threads $(MAKE) DEBUG=1 SAN=thread BLAS=no B=$(B)/tsan suite

# clang's MemorySanitizer: the whole suite, without OpenBLAS, which is not compiled by it.
msan:
	tests/install.sh clang
	$(MAKE) DEBUG=1 SAN=memory BLAS=no CC=clang B=$(B)/msan suite
# Valgrind, which knows no AVX-512, on a part: what it adds to the sanitizers is the C library and OpenBLAS.
VALGRIND_SUITES = csv csv_refused tutorial nn optim view show graph print
valgrind:
	tests/install.sh valgrind
	$(MAKE) DEBUG=1 SAN= B=$(B)/valgrind $(B)/valgrind/tests/run
	for s in $(VALGRIND_SUITES); do CK_FORK=no CK_RUN_SUITE=$$s valgrind -q --error-exitcode=9 --leak-check=full \
	    --errors-for-leak-kinds=definite $(B)/valgrind/tests/run || exit 1; done
# gcc -fanalyzer and cppcheck.
analyze: $(B)/elementwise_api.h
	tests/install.sh cppcheck
	tests/analyze.sh $(B) "$(CPPFLAGS)"

# Lines of the library that no test reaches, against tests/unreached.txt, where each has a reason.
coverage:
	tests/install.sh
	$(MAKE) DEBUG= B=$(B)/coverage OPT="-O0 --coverage -fprofile-update=atomic" LOOPS_OPT=-O0 LDFLAGS=--coverage covered
covered: $(B)/tests/run demos $(EMULATED_PLUGIN)
	find $(B) -name '*.gcda' -delete
	tests/suites.sh $(B) $(B)/tests/logs
	tests/device.sh $(B) $(EMULATED_PLUGIN) device emulated emulated_failures nn optim csv csv_refused
	tests/plugin.sh $(B) "$(CC)" "$(CPPFLAGS)" "$(LDFLAGS) $(LDLIBS)" $(EMULATED_PLUGIN)
	tests/isa.sh $(B)
	tests/demos.sh $(B)
	tests/coverage.sh $(B)

BENCH = $(patsubst bench/%.c,$(B)/bench/%,$(wildcard bench/*.c))
$(BENCH): $(B)/bench/%: bench/%.c $(B)/libgradus.a
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -O3 -march=native $(LDFLAGS) $< $(B)/libgradus.a $(LDLIBS) -MMD -MP -o $@
bench: $(BENCH)
	bench/run.sh $(B)

check-all: test sanitize msan valgrind analyze coverage cuda-emulator-test device-orders device-cut device-asan device-planted
	GRADUS_LONG_TESTS=1 CK_RUN_CASE=longest $(B)/tests/run
	$(MAKE) B=$(B)/clang CC=clang WERROR=-Werror all $(B)/clang/tests/run
	$(MAKE) B=$(B)/plain BLAS=no check
	$(MAKE) fuzz
	B=$(B) CC="$(CC)" tests/planted/run

format:
	clang-format -i $(HEADERS) $(SOURCES) $(LOOPS) $(wildcard tests/*.c tests/*.h tests/fuzz/*.[ch] demos/*.c bench/*.c)

clean:
	rm -rf $(B)

-include $(shell find $(B) -name '*.d' 2>/dev/null)
.PHONY: all install demos demo test check suite sanitize msan valgrind analyze coverage covered bench check-all format clean
.DELETE_ON_ERROR:
