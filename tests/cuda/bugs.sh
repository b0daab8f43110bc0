#!/usr/bin/env bash
# Each bug of bugs.cu must be caught: bugs.sh FOLDER-OF-BUILDS. A line: name, build, order, what its output must hold.
# WRONG: the result is not what the correct program gives, so any test of it fails.
set -u
folder=$1
failed=0
tried=0
caught=" "
expect() {
    local name=$1 build=$2 order=$3 pattern=$4 output status
    output=$(GRADUS_EMULATOR_ORDER=$order GRADUS_EMULATOR_PROTECT=1 TSAN_OPTIONS="${TSAN_OPTIONS-} color=never" \
        ASAN_OPTIONS="${ASAN_OPTIONS-} detect_leaks=0" "$folder/$build/bugs" "$name" 2>&1)
    status=$?
    tried=$((tried + 1))
    caught="$caught$name "
    if ! grep -qE "$pattern" <<<"$output" || { [ $status -eq 0 ] && ! grep -qE "WRONG|$pattern" <<<"$output"; }; then
        echo "bug $name, build $build, order $order: not caught by: $pattern (exit status $status)"
        head -5 <<<"$output"
        failed=$((failed + 1))
    fi
}
while read -r name build order pattern; do
    case $name in '' | '#'*) continue ;; esac
    expect "$name" "$build" "$order" "$pattern"
done <<'LIST'
oob_global               plain fwd  cuda emulator: write_one_too_many wrote out of bounds: 0 bytes behind the end of a block of 1024 bytes
oob_global               asan  fwd  use-after-poison
oob_global               asan  fwd  thread \(0,0,0\): address .*: 0 bytes behind the end of a block of 1024 bytes
oob_read                 plain fwd  WRONG
oob_read                 asan  fwd  use-after-poison
oob_before               plain fwd  wrote out of bounds: 4 bytes before a block of 1024 bytes
oob_before               asan  fwd  use-after-poison
oob_static_shared        asan  fwd  out of bounds|global-buffer-overflow
oob_dynamic_shared       plain fwd  wrote behind its 1024 bytes of dynamic shared memory
oob_dynamic_shared       asan  fwd  use-after-poison
missing_barrier          plain fwd  WRONG
missing_barrier          plain rev  WRONG
missing_barrier          tsan  fwd  data race
missing_second_barrier   plain fwd  WRONG
missing_second_barrier   tsan  fwd  data race
missing_barrier_in_sum   plain fwd  WRONG
missing_barrier_in_sum   tsan  fwd  data race
missing_syncwarp         plain fwd  WRONG
missing_syncwarp         tsan  fwd  data race
race_between_blocks      tsan  fwd  data race
missing_fence            tsan  fwd  data race
depends_on_block_order   plain rev  WRONG
depends_on_block_order   plain 3    WRONG
divergent_barrier        plain fwd  thread \(16,0,0\): divergent barrier.*bugs_kernels.cu:
divergent_barrier        asan  rev  divergent barrier
divergent_barrier        tsan  7    divergent barrier
shuffle_by_few           plain fwd  deadlock
shuffle_by_few           tsan  fwd  deadlock
wrong_mask               plain fwd  thread \(16,0,0\): the mask of a warp collective lacks the calling lane
wrong_mask               asan  fwd  the mask of a warp collective lacks the calling lane
partial_warp             plain fwd  WRONG
unset_static_shared      plain fwd  WRONG
unset_static_shared      asan  fwd  WRONG
unset_dynamic_shared     plain fwd  WRONG
unset_device_memory      plain fwd  WRONG
host_pointer             plain fwd  kernel copy_one on device 0: argument 1 is no device memory
host_pointer_in_struct   plain fwd  argument 1, a struct, holds an address of host memory
host_dereference         plain fwd  host code touches device memory: .*byte 12 of a live block of 1024 bytes
host_dereference         asan  fwd  SEGV
host_dereference         tsan  fwd  SEGV
use_after_free           plain fwd  argument 1 is in no live block.*byte 0 of a freed block of 1024 bytes
use_after_free_in_struct plain fwd  argument 1, a struct, is in no live block
read_of_freed_block      plain fwd  WRONG
read_of_freed_block      asan  fwd  use-after-poison
null_dereference         plain fwd  kernel copy_one block \(0,0,0\) thread \(0,0,0\): address .*: NULL
null_dereference         asan  fwd  null pointer
null_dereference         tsan  fwd  SEGV
copy_past_end            plain fwd  WRONG
copy_past_end            plain fwd  cudaMemcpy: the destination, 1028 bytes at .*not all inside a live block
misaligned_load          asan  fwd  misaligned address
bad_launch_unchecked     plain fwd  the launch of copy_one had failed, and nobody asked
missing_wait             plain fwd  WRONG
missing_event            plain fwd  WRONG
pinned_reused_too_early  plain fwd  WRONG
race_of_host_threads     tsan  fwd  data race
LIST
for name in $("$folder/plain/bugs"); do
    case $caught in *" $name "*) ;; *) echo "bug $name: no line expects it" && failed=$((failed + 1)) ;; esac
done
echo "bugs: $tried tries, $failed not caught"
[ $failed -eq 0 ] && [ $tried -gt 50 ]
