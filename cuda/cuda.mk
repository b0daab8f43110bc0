# The CUDA plug-in. `make cuda` builds it with nvcc; `make emulated` builds the same sources with g++ against the emulator
# in tests/cuda, which executes every kernel without a GPU.
#   CUDA_ARCHS="90"   compute capabilities to compile for; the last one is included as PTX, too
CUDA_ARCHS ?= 80 90 100

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

# ---- without a GPU: the same sources, and the emulator, as a plug-in ----

EMULATION = $(if $(findstring address,$(SAN)),asan,$(if $(findstring thread,$(SAN)),tsan,plain))
EMULATED_PLUGIN = $(B)/emulator/$(EMULATION)/libgradus_cuda.so
EMULATED_LOOPS = $(CUDA_DTYPES:%=$(B)/emulator/$(EMULATION)/cuda/elementwise_loops_%.o)

emulated: $(EMULATED_PLUGIN)
$(EMULATED_PLUGIN): $(CUDA_SOURCES:%.cu=$(B)/emulator/$(EMULATION)/%.o) $(EMULATED_LOOPS) $(EMULATOR_$(EMULATION))
	$(CXX) -shared $(EMULATED_SAN_$(EMULATION)) $^ -lpthread -o $@
$(B)/emulator/$(EMULATION)/cuda/elementwise_loops_%.o: $(CUDA_LOOPS)
	@mkdir -p $(@D)
	$(CXX) $(EMULATED_$(EMULATION)) -O1 -DGR_TAG=$* -MMD -MP -x c++ -c $< -o $@

.PHONY: cuda emulated
