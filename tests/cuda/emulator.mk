# The emulator that runs CUDA sources on a CPU, and its own tests. Included by the Makefile.
#   $(EMULATOR_plain) $(EMULATOR_asan) $(EMULATOR_tsan)   its objects, to be linked with objects of .cu files
#   $(EMULATED_plain) ...                                 flags for those .cu files; link with $(EMULATED_SAN_plain) ...
# An emulated program is never stripped: the emulator reads its symbols.
CXX ?= g++
NVCC ?= $(firstword $(wildcard /usr/local/cuda/bin/nvcc) $(shell command -v nvcc 2>/dev/null))
EMULATED = -std=c++17 -g -I. -fPIC -fvisibility=hidden -fno-gnu-unique -fno-strict-aliasing $(MATH) -Wall -Wextra \
           -Wno-unknown-pragmas $(WERROR)
EMULATOR_MODES = plain asan tsan
EMULATED_MODE_plain = -O2
EMULATED_MODE_asan = -O1 -fno-omit-frame-pointer -DGR_EMULATOR_ASAN
EMULATED_MODE_tsan = -O1 -fno-omit-frame-pointer -DGR_EMULATOR_TSAN
EMULATED_SAN_plain =
EMULATED_SAN_asan = -fsanitize=address,undefined -fno-sanitize-recover=undefined
EMULATED_SAN_tsan = -fsanitize=thread
EMULATOR_SOURCES = $(wildcard tests/cuda/*.cpp)
EMULATOR_TESTS = $(patsubst tests/cuda/%.cu,%,$(wildcard tests/cuda/test_*.cu))

# $(1): mode. The emulator itself is not instrumented: it switches stacks, and fills and reads what kernels may not.
define emulator_mode
EMULATED_$(1) = $$(EMULATED) $$(EMULATED_MODE_$(1)) $$(EMULATED_SAN_$(1))
EMULATOR_$(1) = $$(EMULATOR_SOURCES:%.cpp=$(B)/emulator/$(1)/%.o)
$(B)/emulator/$(1)/%.o: %.cpp
	@mkdir -p $$(@D)
	$$(CXX) $$(EMULATED) $$(EMULATED_MODE_$(1)) -MMD -MP -c $$< -o $$@
$(B)/emulator/$(1)/%.o: %.cu
	@mkdir -p $$(@D)
	$$(CXX) $$(EMULATED_$(1)) -MMD -MP -x c++ -c $$< -o $$@
$(B)/emulator/$(1)/%: $(B)/emulator/$(1)/tests/cuda/%.o $$(EMULATOR_$(1))
	$$(CXX) $$(EMULATED_SAN_$(1)) $$^ -lpthread -o $$@
$(B)/emulator/$(1)/bugs: $(B)/emulator/$(1)/tests/cuda/bugs_kernels.o
endef
$(foreach mode,$(EMULATOR_MODES),$(eval $(call emulator_mode,$(mode))))

cuda-emulator: $(foreach mode,$(EMULATOR_MODES),$(EMULATOR_TESTS:%=$(B)/emulator/$(mode)/%) $(B)/emulator/$(mode)/bugs) \
               $(B)/emulator/plain/tests/cuda/values.o
cuda-emulator-test: cuda-emulator
	tests/cuda/run.sh $(B)/emulator "$(EMULATOR_TESTS)" "$(NVCC)"
# The plug-in with the threads of each kernel in another order; under ASan and UBSan; and with bugs, each of which a suite must see.
device-orders: $(B)/tests/run $(B)/emulator/plain/libgradus_cuda.so
	GRADUS_EMULATOR_ORDER=rev tests/device.sh $(B) $(B)/emulator/plain/libgradus_cuda.so $(ORDER_SUITES)
ORDER_SUITES ?= device reduce sums matmul
device-asan:
	$(MAKE) DEBUG=1 B=$(B)/debug emulated demos $(B)/debug/tests/run $(B)/debug/tests/gpu/kernels
	tests/device.sh $(B)/debug $(B)/debug/emulator/asan/libgradus_cuda.so
device-planted: $(B)/tests/run $(B)/emulator/plain/libgradus_cuda.so
	CC="$(CC)" CXX="$(CXX)" tests/cuda/planted.sh $(B)
.SECONDARY:
.PHONY: cuda-emulator cuda-emulator-test device-orders device-asan device-planted
