"""peers.py - PyTorch, eager, on CUDA in the cases of gpu.c: a line per case, its name, unit and figure.
Usage: peers.py [part of a case's name]; BENCH_QUICK=1 and BENCH_TINY=1 as for gpu.c; a tiny run may be on the CPU."""
import os
import sys
import time

import torch

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import peers  # noqa: E402

TINY = os.environ.get("BENCH_TINY", "0") not in ("", "0")
ON_GPU = torch.cuda.is_available()
BURST, BURSTS = 200, 3 if TINY else 101


def wait():
    if ON_GPU:
        torch.cuda.synchronize()


def waited(run):
    def both(count):
        run(count)
        wait()

    return both


def case(name, unit, make, scale):
    peers.case(name, unit, lambda: waited(make()), scale)


def models():
    shrink = 16 if TINY else 1
    case("W1: tutorial epoch", "us", peers.tutorial, 1e3)
    case("W2: MLP 784-128-10, batch 64", "us", lambda: peers.perceptron(64, 784 // shrink, 128 // shrink, 10), 1e3)
    case("W3: MLP 784-1024-1024-10, batch 128", "us",
         lambda: peers.perceptron(128, 784 // shrink, 1024 // shrink, 1024 // shrink, 10), 1e3)


def without_grad(f, *given):
    def step():
        with torch.no_grad():
            f(*given)

    return peers.repeated(step)


def memory():
    rows, columns = (64, 64) if TINY else (65536, 1024)
    elements = rows * columns
    for name, inputs, is_bool, lo, hi in peers.rows():
        f = peers.SPECIAL.get(name, getattr(torch, name, None))
        if f is None:
            continue
        try:
            case(f"{name}, 256 MB", "GB/s", peers.elementwise(f, elements, inputs, is_bool, lo, hi),
                 elements * (4 * inputs + (1 if is_bool else 4)))
        except (RuntimeError, TypeError, NotImplementedError) as error:
            print(f"peers.py: {name}: {str(error).splitlines()[0]}", file=sys.stderr)
    for name, f in (("sum of rows", lambda x: x.sum(1)), ("mean of rows", lambda x: x.mean(1)),
                    ("amax of rows", lambda x: x.amax(1)), ("sum of columns", lambda x: x.sum(0)),
                    ("sum of all", torch.sum)):
        case(f"{name}, 256 MB", "GB/s", lambda f=f: without_grad(f, torch.rand(rows, columns)), 4 * elements)


def product(dtype, precision):
    n = 32 if TINY else 4096

    def make():
        torch.set_float32_matmul_precision(precision)
        return without_grad(torch.matmul, *((torch.rand(n, n) * 2 - 1).to(dtype) for _ in range(2)))

    return make


def call(name, f, n, recorded, operands=2):
    if peers.FILTER not in name:
        return
    given = (torch.ones(n, n, requires_grad=True), torch.ones(n, n))[:operands]
    figures = []
    for _ in range(BURSTS + 1):
        with torch.set_grad_enabled(recorded):
            start = time.perf_counter_ns()
            kept = [f(*given) for _ in range(BURST)]
            figures.append((time.perf_counter_ns() - start) / BURST)
        wait()
        del kept
    print(f"{name}\tns/op\t{sorted(figures[1:])[BURSTS // 2]:.4g}", flush=True)


def main():
    if not ON_GPU and not TINY:
        sys.exit("peers.py: PyTorch sees no CUDA device")
    torch.set_default_device("cuda" if ON_GPU else "cpu")
    print(f"# PyTorch {torch.__version__}", flush=True)
    models()
    memory()
    for name, dtype, precision in (("float32", torch.float32, "highest"), ("TF32", torch.float32, "high"),
                                   ("bfloat16", torch.bfloat16, "highest")):
        case(f"matmul 4096x4096x4096, {name}", "ms", product(dtype, precision), 1e6)
    call("host: add 1x1, recorded", torch.add, 1, True)
    call("host: add 1x1, no_grad", torch.add, 1, False)
    call("host: sum of 1x1, no_grad", torch.sum, 1, False, operands=1)
    call("host: matmul 64x64, no_grad", torch.matmul, 64, False)


main()
