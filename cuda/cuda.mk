# The CUDA plug-in. `make cuda` builds it with nvcc; `make emulated` builds the same sources with g++ against the emulator
# in tests/cuda, which executes every kernel without a GPU.
#   CUDA_ARCHS="90"   compute capabilities to compile for; the last one is included as PTX, too
CUDA_HOME ?= $(firstword $(wildcard /usr/local/cuda))
NVCC ?= $(shell command -v nvcc 2>/dev/null || ls $(CUDA_HOME)/bin/nvcc 2>/dev/null)
CUDA_ARCHS ?= 80 90 100
CXX ?= g++

CUDA_DTYPES = f32 f64 bf16 i64 i32 u8 b8
CUDA_LOOPS = cuda/elementwise_loops.cu
CUDA_SOURCES = $(filter-out $(CUDA_LOOPS),$(wildcard cuda/*.cu))
CUDA_HEADERS = $(wildcard cuda/*.h core/base.h core/kernels.h core/layout.h core/plugin.h core/scalar.h core/*.def)
# Rounding as on the CPU: no product and sum become one; divisions and roots are exact; denormals stay.
CUDA_MATH = --fmad=false --prec-div=true --prec-sqrt=true --ftz=false
CUDA_GENCODE = $(foreach a,$(CUDA_ARCHS),-gencode arch=compute_$(a),code=sm_$(a)) \
               -gencode arch=compute_$(lastword $(CUDA_ARCHS)),code=compute_$(lastword $(CUDA_ARCHS))
NVCC_FLAGS = -std=c++17 -O3 $(CUDA_MATH) $(CUDA_GENCODE) -I. --Werror all-warnings \
             -Xcompiler -fPIC,-fvisibility=hidden,-Wall,-Wextra
CUDA_OBJECTS = $(CUDA_SOURCES:%.cu=$(B)/%.o) $(CUDA_DTYPES:%=$(B)/cuda/elementwise_loops_%.o)

cuda: $(B)/libgradus_cuda.so
$(B)/libgradus_cuda.so: $(CUDA_OBJECTS)
	$(NVCC) -shared -cudart static $^ -o $@
$(B)/cuda/elementwise_loops_%.o: $(CUDA_LOOPS) $(CUDA_HEADERS)
	@mkdir -p $(@D)
	$(NVCC) $(NVCC_FLAGS) -DGR_TAG=$* -c $< -o $@
$(B)/cuda/%.o: cuda/%.cu $(CUDA_HEADERS)
	@mkdir -p $(@D)
	$(NVCC) $(NVCC_FLAGS) -c $< -o $@

# ---- without a GPU ----

EMULATED = $(B)/emulated
EMULATOR_SOURCES = $(filter-out tests/cuda/test_%.cpp,$(wildcard tests/cuda/*.cpp))
EMULATOR_HEADERS = $(wildcard tests/cuda/*.h)
EMULATED_OBJECTS = $(CUDA_SOURCES:%.cu=$(EMULATED)/%.o) $(CUDA_DTYPES:%=$(EMULATED)/cuda/elementwise_loops_%.o) \
                   $(EMULATOR_SOURCES:%.cpp=$(EMULATED)/%.o)
EMULATED_FLAGS = -std=c++17 -g -O1 -ffp-contract=off -I. -fPIC -fvisibility=hidden -Wall -Wextra $(WERROR)

emulated: $(EMULATED)/libgradus_cuda.so
$(EMULATED)/libgradus_cuda.so: $(EMULATED_OBJECTS)
	$(CXX) -shared $(SANFLAGS) $^ -o $@ -lpthread
$(EMULATED)/cuda/elementwise_loops_%.o: $(CUDA_LOOPS) $(CUDA_HEADERS) $(EMULATOR_HEADERS)
	@mkdir -p $(@D)
	$(CXX) $(EMULATED_FLAGS) $(EMULATOR_SAN) $(SANFLAGS) -DGR_TAG=$* -x c++ -c $< -o $@
$(EMULATED)/cuda/%.o: cuda/%.cu $(CUDA_HEADERS) $(EMULATOR_HEADERS)
	@mkdir -p $(@D)
	$(CXX) $(EMULATED_FLAGS) $(EMULATOR_SAN) $(SANFLAGS) -x c++ -c $< -o $@
# The emulator itself switches stacks; no sanitizer may watch that.
$(EMULATED)/tests/cuda/%.o: tests/cuda/%.cpp $(EMULATOR_HEADERS)
	@mkdir -p $(@D)
	$(CXX) $(EMULATED_FLAGS) $(EMULATOR_SAN) -c $< -o $@

.PHONY: cuda emulated
