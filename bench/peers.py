"""peers.py - PyTorch in the cases of the programs here: a line per case, its name, unit and figure.
Usage: peers.py [part of a case's name]; BENCH_QUICK=1 measures shorter blocks."""
import os
import re
import sys
import time

import torch
from torch import nn

QUICK = os.environ.get("BENCH_QUICK", "0") not in ("", "0")
FILTER = sys.argv[1] if len(sys.argv) > 1 else ""
BLOCKS = 15 if QUICK else 21
TABLE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "core", "elementwise.def")


def block(run, count, warm_ns=0):
    start = time.perf_counter_ns()
    run(1)
    while time.perf_counter_ns() - start < warm_ns:
        run(1)
    start = time.perf_counter_ns()
    run(count)
    return time.perf_counter_ns() - start


def measure(run, warm_ns=0):
    """Nanoseconds per repetition: the median of blocks."""
    enough = 1e6 if QUICK else 5e6
    count, ns = 1, block(run, 1, warm_ns)
    while ns < enough / 2:
        count *= 2
        ns = block(run, count, warm_ns)
    count = max(1, int(count * enough / ns))
    return sorted(block(run, count, warm_ns) / count for _ in range(BLOCKS))[BLOCKS // 2]


def case(name, unit, make, scale, threads=1):
    """make() prepares and returns run(count); scale turns ns into the unit, or bytes into GB/s."""
    if FILTER not in name:
        return
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    ns = measure(make(), 8e7 if threads > 1 else 0)
    print(f"{name}\t{unit}\t{scale / ns if unit == 'GB/s' else ns / scale:.4g}", flush=True)


def repeated(step):
    def run(count):
        for _ in range(count):
            step()

    return run


def training(model, x, y):
    loss_of = nn.MSELoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)

    def step():
        loss = loss_of(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return repeated(step)


def tutorial():
    x = torch.randn(100, 1)
    return training(nn.Linear(1, 1), x, 3 * x + 1 + 0.2 * torch.randn(100, 1))


def perceptron(rows, *size):
    layers = []
    for before, after in zip(size, size[1:]):
        layers += [nn.Linear(before, after), nn.ReLU()]
    target = nn.functional.one_hot(torch.arange(rows) % size[-1], size[-1]).float()
    return training(nn.Sequential(*layers[:-1]), torch.randn(rows, size[0]), target)


def add(recorded):
    a, b = torch.ones(1, 1, requires_grad=True), torch.ones(1, 1)

    def scope():
        with torch.set_grad_enabled(recorded):
            kept = [torch.add(a, b) for _ in range(1000)]
        del kept

    return repeated(scope)


def after_spike(recorded):
    spike = [torch.ones(1, 1) for _ in range(100000)]
    del spike
    return add(recorded)


def chain(elements):
    x = torch.ones(elements, requires_grad=True)
    a, b, ones = torch.full((elements,), 1e-3), torch.full((elements,), 0.999), torch.ones(elements)

    def step():
        y = x
        for _ in range(500):
            y = (y + a) * b
        x.grad = None
        y.backward(ones)

    return repeated(step)


def flat(part):
    """The first or last 10,000 of 90,000 results that all stay alive."""
    if FILTER not in part:
        return
    figures = []
    for _ in range(5):
        a, b, kept = torch.ones(1, 1, requires_grad=True), torch.ones(1, 1), []
        for tenth in range(9):
            start = time.perf_counter_ns()
            for _ in range(10000):
                kept.append(torch.add(a, b))
            if tenth == (0 if part.startswith("no scopes: first") else 8):
                figures.append((time.perf_counter_ns() - start) / 10000)
        del kept
    print(f"{part}\tns/op\t{sorted(figures)[2]:.4g}", flush=True)


# ---- elementwise rows ----

SPECIAL = {
    "leaky_relu": lambda x, out: torch.ops.aten.leaky_relu.out(x, 0.01, out=out),
    "hardtanh": lambda x, out: torch.ops.aten.hardtanh.out(x, out=out),
    "softplus": lambda x, out: torch.ops.aten.softplus.out(x, out=out),
    "relu": lambda x, out: torch.clamp(x, min=0, out=out),
    "gelu_erf": lambda x, out: torch.ops.aten.gelu.out(x, out=out),
    "gelu_tanh": lambda x, out: torch.ops.aten.gelu.out(x, approximate="tanh", out=out),
    "isnan": lambda x, out: torch.isnan(x),
    "isinf": lambda x, out: torch.isinf(x),
    "isfinite": lambda x, out: torch.isfinite(x),
}
INPUTS = {"UNARY": 1, "PREDICATE": 1, "BINARY": 2, "COMPARE": 2, "TERNARY": 3}
NUMBERS = re.compile(r"(-?[.\d]+), (-?[.\d]+), (?:NO_EDGE|EDGE\([^)]*\))\)\s*$")


def rows():
    with open(TABLE, encoding="utf-8") as table:
        for line in table:
            head = re.match(r"(UNARY|PREDICATE|BINARY|COMPARE|TERNARY)\((\w+),", line)
            if head:
                lo, hi = map(float, NUMBERS.search(line).groups())
                yield head[2], INPUTS[head[1]], head[1] in ("PREDICATE", "COMPARE"), lo, hi


def elementwise(f, elements, inputs, is_bool, lo, hi):
    def make():
        given = [torch.empty(elements).uniform_(lo, hi) for _ in range(inputs)]
        out = torch.empty(elements, dtype=torch.bool if is_bool else torch.float32)

        def step():
            with torch.no_grad():
                f(*given, out=out)

        step()
        return repeated(step)

    return make


def bench_rows():
    for name, inputs, is_bool, lo, hi in rows():
        f = SPECIAL.get(name, getattr(torch, name, None))
        if f is None:
            continue
        for place, elements, threads in (("4 KB", 1 << 10, 1), ("64 MB, 1 thread", 1 << 24, 1),
                                         ("64 MB, 2 threads", 1 << 24, 2)):
            moved = elements * (4 * inputs + (1 if is_bool else 4))
            try:
                make = elementwise(f, elements, inputs, is_bool, lo, hi)
                case(f"{name}, {place}", "GB/s", make, moved, threads)
            except (RuntimeError, TypeError, NotImplementedError) as error:
                print(f"peers.py: {name}: {str(error).splitlines()[0]}", file=sys.stderr)
                break


def main():
    print(f"# PyTorch {torch.__version__}")
    case("W1: tutorial epoch", "ns", tutorial, 1)
    for threads in (1, 2):
        plural = "" if threads == 1 else "s"
        case(f"W2: MLP 784-128-10, batch 64, {threads} thread{plural}", "ms",
             lambda: perceptron(64, 784, 128, 10), 1e6, threads)
        case(f"W3: MLP 784-1024-1024-10, batch 128, {threads} thread{plural}", "ms",
             lambda: perceptron(128, 784, 1024, 1024, 10), 1e6, threads)
    for name, recorded in (("recorded", True), ("no_grad", False)):
        case(f"add 1x1, {name}", "ns/op", lambda: add(recorded), 1000)
    for name, recorded in (("recorded", True), ("no_grad", False)):
        case(f"add 1x1, {name}, after a spike", "ns/op", lambda: after_spike(recorded), 1000)
    for elements in (1, 100, 1000):
        case(f"chain of 1000, {elements} elements", "ns/op", lambda: chain(elements), 1000)
    flat("no scopes: first 10,000 of 90,000")
    flat("no scopes: last 10,000 of 90,000")
    bench_rows()


if __name__ == "__main__":
    main()
