# The CUDA plug-in. `make cuda` builds it with nvcc; `make emulated` builds the same sources with g++ against the emulator
# in tests/cuda, which executes every kernel without a GPU.
#   CUDA_ARCHS="90"   compute capabilities to compile for; the last one is included as PTX, too
CUDA_ARCHS ?= 80 90 100

CUDA_DTYPES = f32 f64 bf16 i64 i32 u8 b8
CUDA_LOOPS = cuda/elementwise_loops.cu
CUDA_SOURCES = $(filter-out $(CUDA_LOOPS),$(wildcard cuda/*.cu))
# Rounding as on the CPU: no product and sum become one; divisions and roots are exact; denormals stay.
CUDA_MATH = --fmad=false --prec-div=true --prec-sqrt=true --ftz=false
CUDA_GENCODE = $(foreach a,$(CUDA_ARCHS),-gencode arch=compute_$(a),code=sm_$(a)) \
               -gencode arch=compute_$(lastword $(CUDA_ARCHS)),code=compute_$(lastword $(CUDA_ARCHS))
NVCC_FLAGS = -std=c++17 -O3 $(CUDA_MATH) $(CUDA_GENCODE) -I. --Werror all-warnings -Xptxas -v \
             -Xcompiler -fPIC,-fvisibility=hidden,-Wall,-Wextra
CUDA_OBJECTS = $(CUDA_SOURCES:%.cu=$(B)/%.o) $(CUDA_DTYPES:%=$(B)/cuda/elementwise_loops_%.o)

have-nvcc:
	@[ -n "$(NVCC)" ] || { echo "nvcc is missing; it comes with the CUDA toolkit, and must be on the path or named by NVCC=" >&2; false; }
cuda: $(B)/libgradus_cuda.so
$(B)/libgradus_cuda.so: $(CUDA_OBJECTS)
	$(NVCC) -shared -Xlinker --no-undefined -cudart static $^ -o $@
# What the assembler says of each kernel is kept beside the object, for gpu-report.
$(CUDA_DTYPES:%=$(B)/cuda/elementwise_loops_%.o): $(B)/cuda/elementwise_loops_%.o: $(CUDA_LOOPS) | have-nvcc
	@mkdir -p $(@D)
	$(NVCC) $(NVCC_FLAGS) -DGR_TAG=$* -MMD -MP -c $< -o $@ 2>$@.log || { cat $@.log >&2; false; }
$(B)/cuda/%.o: cuda/%.cu | have-nvcc
	@mkdir -p $(@D)
	$(NVCC) $(NVCC_FLAGS) -MMD -MP -c $< -o $@ 2>$@.log || { cat $@.log >&2; false; }

# ---- without a GPU: the same sources, and the emulator, as a plug-in ----

EMULATION = $(if $(findstring address,$(SAN)),asan,$(if $(findstring thread,$(SAN)),tsan,plain))
EMULATED_PLUGIN = $(B)/emulator/$(EMULATION)/libgradus_cuda.so
EMULATED_LOOPS = $(CUDA_DTYPES:%=$(B)/emulator/$(EMULATION)/cuda/elementwise_loops_%.o)

emulated: $(EMULATED_PLUGIN)
$(EMULATED_PLUGIN): $(CUDA_SOURCES:%.cu=$(B)/emulator/$(EMULATION)/%.o) $(EMULATED_LOOPS) $(EMULATOR_$(EMULATION))
	$(CXX) -shared $(EMULATED_SAN_$(EMULATION)) $^ -lpthread -o $@
$(EMULATED_LOOPS): $(B)/emulator/$(EMULATION)/cuda/elementwise_loops_%.o: $(CUDA_LOOPS)
	@mkdir -p $(@D)
	$(CXX) $(EMULATED_$(EMULATION)) -O1 -fwrapv -DGR_TAG=$* -MMD -MP -x c++ -c $< -o $@

# The suites with a plug-in whose launches take few elements, so that tensors of the tests are cut as huge ones are.
CUT = -DGR_AT_ONCE=100L -DGR_SEGMENT=4096L -DGR_PRODUCT_SIDE=5 -DGR_PRODUCT_BATCH=3
device-cut: $(B)/tests/run
	$(MAKE) B=$(B)/cut EMULATED_MODE_plain="-O2 $(CUT)" emulated
	tests/device.sh $(B) $(B)/cut/emulator/plain/libgradus_cuda.so device kernels reduce gradients

# ---- on a GPU, and what leads there ----

CUOBJDUMP ?= $(firstword $(wildcard $(dir $(NVCC))cuobjdump) cuobjdump)
GPU_BENCH = $(B)/bench/gpu/gpu
EMULATED_GPU_BENCH = $(B)/emulator/plain/bench/gpu/gpu

$(B)/tests/gpu/kernels: $(B)/tests/gpu/kernels.o $(B)/libgradus.a
	$(CC) $(LDFLAGS) $^ $(LDLIBS) -o $@
$(B)/bench/gpu/floor.o: bench/gpu/floor.cu | have-nvcc
	@mkdir -p $(@D)
	$(NVCC) $(NVCC_FLAGS) -MMD -MP -c $< -o $@ 2>$@.log || { cat $@.log >&2; false; }
$(GPU_BENCH): $(B)/bench/gpu/gpu.o $(B)/bench/gpu/floor.o $(B)/libgradus.a
	$(NVCC) -cudart static $^ -lcublasLt $(LDLIBS) -o $@
$(EMULATED_GPU_BENCH): $(B)/bench/gpu/gpu.o $(B)/emulator/plain/bench/gpu/floor.o $(EMULATOR_plain) $(B)/libgradus.a
	$(CXX) $(LDFLAGS) $^ $(LDLIBS) -o $@

# Registers of each kernel; fails when one spills, or when products and sums were joined.
gpu-report: cuda
	tests/gpu/kernels.sh $(B) "$(CUOBJDUMP)" "$(CC)"
# Everything, on a machine with a GPU; writes docs/gpu/report.md.
gpu-check:
	CC="$(CC)" NVCC="$(NVCC)" CHECK_DIR="$(CHECK_DIR)" tests/gpu/check.sh $(B)
# The programs of gpu-check under the emulator: that they work, and that every kernel is launched.
gpu-emulated: $(B)/tests/gpu/kernels $(EMULATED_GPU_BENCH) $(B)/emulator/plain/libgradus_cuda.so
	GRADUS_CUDA_PLUGIN=$(B)/emulator/plain/libgradus_cuda.so $(B)/tests/gpu/kernels
	GRADUS_CUDA_PLUGIN=$(B)/emulator/plain/libgradus_cuda.so BENCH_QUICK=1 BENCH_TINY=1 $(EMULATED_GPU_BENCH)

.PHONY: have-nvcc gpu-report gpu-check gpu-emulated cuda emulated device-cut

