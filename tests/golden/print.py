"""Writes print.txt: tensors and the text that PyTorch prints for them.  python3 print.py > print.txt"""
import itertools
import math

import torch

NAMES = {torch.float32: "float32", torch.float64: "float64", torch.int64: "int64", torch.int32: "int32",
         torch.uint8: "uint8", torch.bool: "bool", torch.bfloat16: "bfloat16"}
inf, nan = math.inf, math.nan
draw = torch.Generator().manual_seed(0)


def number(value, dtype):
    if dtype == torch.bool or not dtype.is_floating_point:
        return str(int(value))
    return format(value, ".17g" if dtype == torch.float64 else ".9g")


def write(x, view, values):
    t = x
    if view == "transposed":
        t = x.transpose(0, 1)
    if view in ("leaf", "mul"):
        t = x.clone().requires_grad_()
    if view == "mul":
        t = t * 1
    text = str(t).split("\n")
    print("case", NAMES[x.dtype], "x".join(map(str, x.shape)) or "scalar", view)
    for line in values:
        print(line)
    print("text", len(text))
    print("\n".join(text))


def case(values, shape=None, dtype=torch.float32, view="plain"):
    x = torch.tensor(values, dtype=dtype)
    x = x if shape is None else x.reshape(shape)
    flat = [number(v, dtype) for v in x.reshape(-1).tolist()]
    write(x, view, [" ".join(flat[i:i + 8]) for i in range(0, len(flat), 8)])


def ramp(start, step, shape, dtype=torch.float32, view="plain"):
    """Element i is start + i * step, computed in float64."""
    count = math.prod(shape)
    x = (start + torch.arange(count, dtype=torch.float64) * step).to(dtype).reshape(shape)
    write(x, view, [f"ramp {start} {step}"])


print("# Tensors, and what PyTorch", torch.__version__.split("+")[0], "prints for them. Made by print.py; a case is:")
print("#   case DTYPE SIZES VIEW     SIZES: 2x3, scalar; VIEW: plain, transposed (0 with 1), leaf (requires grad), mul (leaf * 1)")
print("#   the elements, row-major, 8 to a line; or: ramp START STEP")
print("#   text LINES                and the lines")

# numbers alone
for v in (0.0, -0.0, 1.0, -1.0, 3.14159265, 0.1, 1e-4, 9.9e-5, 1e-5, 1e8, 100000008.0, 1e9, 12345678.0, 0.5, 99999.5,
          123456.789, nan, inf, -inf, 1e-45, 3.4e38, -2.5e-7):
    case(v)
for v in (1 / 3, 1e-300, 1.7e308, 5e-324, -nan, 1e16, 0.00010000000000000001):
    case(v, dtype=torch.float64)
case(-7, dtype=torch.int64)
case(2**63 - 1, dtype=torch.int64)
case(-2**63, dtype=torch.int64)
case(255, dtype=torch.uint8)
case(True, dtype=torch.bool)
case(2.5, view="leaf")
case(2.5, view="mul")
case(2.5, dtype=torch.float64, view="mul")

# rows that decide style and width
for v in ([1, 2, 3], [1.5, -2.25, 1000], [1e-5, 1], [1, 2000], [1, 1000], [1, 1001], [0.5, nan, -inf], [2.5, 0],
          [1, inf, 0], [0, 0], [0, nan], [inf, -inf], [nan, nan, nan], [-0.0, 0.0], [1e8, 1e8], [1e8, 1.5e8],
          [1e-4, 2e-4], [9.9e-5, 1e-4], [-1, 10, -100], [-1.5, 10, -100], [0.1, 0.2, 0.3], [99.99999, 1.5],
          [999.99999, 1.5], [1e30, -1e-30], [1e10, 2e10], [-1e10, nan], [1e-10, inf, 0], [123456, 0.5e3], [1e38, 3e38],
          [0.00049999, 0.1], [0.00005, 0.00004], [1e-45, 1e-40], [5], [-5.5], [1, nan], [-1e5, 1e5], [0.99999, 0.5],
          [0.99995, 9.99995], [16777216, 16777215]):
    case(v)
for v in ([1, 2], [0.1, 0.2], [1e-5, 1], [1e200, 1e-200], [1e100, 1e100], [nan, 1.5], [1 / 3, 2 / 3, 1e3], [-inf, 1e9]):
    case(v, dtype=torch.float64)
for dtype in (torch.int64, torch.int32):
    case([1, -2, 3], dtype=dtype)
    case([1000000, -1], dtype=dtype)
    case([[1, 2], [3, -4]], dtype=dtype)
    case([2**31 - 1, -2**31], dtype=dtype)
case([2**63 - 1, -2**63, 0], dtype=torch.int64)
case([9007199254740993, 1], dtype=torch.int64)
case([0, 255, 7], dtype=torch.uint8)
case([True, False], dtype=torch.bool)
case([True, True], dtype=torch.bool)
case([[True, False, True], [False, False, False]], dtype=torch.bool)

# empty
for shape in ((0,), (2, 0), (0, 3), (1, 0, 4), (0, 0), (1, 1, 1, 0), (2, 0, 1, 3)):
    for dtype in (torch.float32, torch.int64, torch.float64, torch.bool):
        case([], shape, dtype)
case([], (0,), torch.uint8)
case([], (2, 0), torch.int32)
case([], (0,), view="leaf")
case([], (3, 0), torch.float64, view="leaf")
case([], (0, 2), view="transposed")

# lines full and over, and suffixes that no longer fit
for n in (7, 8, 9, 10, 11, 12, 13, 24, 25, 37, 100):
    ramp(0, 1, (n,))
    ramp(0.5, 0.25, (n,))
for n in range(16, 26):
    ramp(0, 1, (n,), torch.int32)
    ramp(0, 1, (n,), view="leaf")
for n in range(5, 9):
    ramp(0.5, 1, (n,), view="mul")
    ramp(0.5, 1, (n,), torch.float64, view="leaf")
    ramp(0.25, 1, (2, n), torch.float64, view="mul")
ramp(1e-9, 1e-3, (30,))
ramp(-2**62, 2**56, (20,), torch.int64)
ramp(0, 1e15, (12,), torch.float64)

# more dimensions
for shape in ((1, 1), (2, 3), (3, 2), (2, 1, 2), (2, 2, 2), (1, 1, 1), (2, 2, 1, 2), (1, 3, 1, 1), (2, 1, 2, 1, 2),
              (1, 1, 1, 1, 1, 1), (1, 2, 1, 2, 1, 1, 1, 2), (5, 20), (2, 2, 30), (2, 3, 2, 13)):
    ramp(-2, 0.75, shape)
    ramp(-3, 1, shape, torch.int64)
case([[1, 1], [1, 1]], dtype=torch.float64, view="leaf")
case([[[0.1, 0.1]], [[0.1, 0.1]]])

# above 1000 elements
for shape in ((1000,), (1001,), (10, 100), (11, 100), (7, 143), (6, 200), (5, 201), (200, 6), (200, 7), (501, 2), (1001, 1),
              (1, 1001), (10, 11, 12), (6, 6, 30), (7, 7, 7, 7), (3, 5, 7, 11), (2, 2, 300), (1, 6, 1, 200)):
    ramp(0, 1, shape)
ramp(0, 0.125, (40, 40))
ramp(-500, 1, (1100,), torch.int64)
ramp(-500.5, 1, (30, 40), torch.float64, view="leaf")
ramp(1e-8, 1, (2000,))
ramp(0, 1, (33, 34), view="mul")
ramp(0, 0, (1200,), torch.bool)

# views
for shape in ((2, 3), (3, 1), (2, 3, 2), (4, 1, 2, 2), (3, 20), (20, 3)):
    ramp(0.5, 0.5, shape, view="transposed")
    ramp(0, 1, shape, torch.int32, view="transposed")
ramp(0, 1, (34, 31), view="transposed")
ramp(0, 1, (3, 400), view="transposed")
ramp(0, 1, (12, 10, 11), torch.float64, view="transposed")

# random
for dtype, scale in itertools.product((torch.float32, torch.float64), (1, 30, 1e4, 1e-3)):
    x = torch.randn(3, 4, generator=draw, dtype=dtype) * scale
    case(x.tolist(), dtype=dtype)

# bfloat16; its ramps are exact
half = torch.bfloat16
for v in (0.0, -0.0, 1.0, 3.14159265, 0.1, 1e-4, 1e8, 3.3895313892515355e38, 1e-45, nan, inf, -inf, 255.5):
    case(v, dtype=half)
for v in ([1, 2, 3], [1.5, -2.25, 1000], [1e-5, 1], [0.1, 0.2, 0.3], [0.5, nan, -inf], [1e38, -1e-38], [99.5, 1.5],
          [-0.0, 0.0], [1 / 3, 2 / 3, 1e3], [1e10, 2e10]):
    case(v, dtype=half)
    case(v, dtype=half, view="leaf")
for shape in ((0,), (2, 0)):
    case([], shape, half)
for n in range(1, 16):
    ramp(0, 1, (n,), half)
    ramp(0.5, 0.25, (n,), half, view="mul")
for shape in ((2, 3), (2, 1, 2), (5, 20), (2, 2, 30)):
    ramp(-2, 0.5, shape, half)
    ramp(-3, 1, shape, half, view="transposed")
ramp(1.5, 0, (30, 40), half)
x = torch.randn(3, 4, generator=draw)
case(x.tolist(), dtype=half)
