# Made corners.txt: elementwise functions and their gradients for an upstream of ones, where arithmetic has corners.
# Run with PyTorch 2.15.0: python corners.py > corners.txt
import math
import torch

F = torch.nn.functional
UNARY = {
    "neg": torch.neg, "abs": torch.abs, "sign": torch.sign, "exp": torch.exp, "log": torch.log, "log1p": torch.log1p,
    "expm1": torch.expm1, "sqrt": torch.sqrt, "rsqrt": torch.rsqrt, "reciprocal": torch.reciprocal,
    "square": torch.square, "sin": torch.sin, "cos": torch.cos, "tanh": torch.tanh, "sigmoid": torch.sigmoid,
    "relu": torch.relu, "leaky_relu": F.leaky_relu, "hardtanh": F.hardtanh, "softplus": F.softplus, "gelu_erf": F.gelu,
    "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"), "erf": torch.erf,
}
BINARY = {
    "add": torch.add, "sub": torch.sub, "mul": torch.mul, "div": torch.div, "pow": torch.pow,
    "maximum": torch.maximum, "minimum": torch.minimum,
}
TERNARY = {"lerp": torch.lerp}


def numbers(dtype):
    f = torch.finfo(dtype)
    least = 5e-324 if dtype == torch.float64 else 2.0**-149
    few = [0.0, -0.0, least, -least, f.max, -f.max, math.inf, -math.inf, math.nan, 1.0, -1.0, 0.5, -2.0, 3.0]
    many = [f.tiny, -f.tiny, 20.0, -20.0, 88.5, -88.5, 800.0, -800.0, 1e-5, -1e-5, 1e30, -1e30]
    return few, few + many


def put(name, values, bits):
    print(f"{name} float{bits} {len(values)}")
    for i in range(0, len(values), 8):
        print(" ".join(("%.9g" if bits == 32 else "%.17g") % v for v in values[i : i + 8]))


def run(name, f, inputs, dtype, bits):
    """Each element by itself: PyTorch's vector and scalar code may differ."""
    columns = [[] for _ in range(1 + len(inputs[0]))]
    for row in inputs:
        x = [torch.tensor([v], dtype=dtype, requires_grad=True) for v in row]
        y = f(*x)
        y.backward(torch.ones_like(y))
        columns[0].append(y.item())
        for column, t in zip(columns[1:], x):
            column.append(t.grad.item())
    for column, what in zip(columns, ("y", "da", "db", "dc")):
        put(f"{name}.f{bits}.{what}", column, bits)


print("# Elementwise functions and gradients for an upstream of ones, PyTorch 2.15.0; made by corners.py.")
print("# unary.* and few.* are inputs; y, da, db, dc of unary functions are at unary.*, those of functions of two at all")
print("# pairs of few.* (b runs fastest), of three at a and b from every second of few.*, c from weights.*.")
weights = [0.0, 0.25, 0.5, 0.75, 1.0, 2.0, math.nan]
for dtype, bits in ((torch.float32, 32), (torch.float64, 64)):
    few, many = numbers(dtype)
    put(f"unary.f{bits}", many, bits)
    put(f"few.f{bits}", few, bits)
    put(f"weights.f{bits}", weights, bits)
    for name, f in UNARY.items():
        run(name, f, [(v,) for v in many], dtype, bits)
    for name, f in BINARY.items():
        run(name, f, [(a, b) for a in few for b in few], dtype, bits)
    for name, f in TERNARY.items():
        some = few[::2]
        run(name, f, [(a, b, c) for a in some for b in some for c in weights], dtype, bits)
