"""Writes casts.txt and dtypes.tsv: what PyTorch makes of every dtype.  python3 dtypes.py"""
import math
import warnings
import zlib

import numpy as np
import torch
import torch.nn.functional as F

torch.set_num_threads(1)
warnings.simplefilter("ignore")
DTYPES = {"float32": torch.float32, "float64": torch.float64, "bfloat16": torch.bfloat16, "int64": torch.int64,
          "int32": torch.int32, "uint8": torch.uint8, "bool": torch.bool}
HEAD = f"# Made by dtypes.py with PyTorch {torch.__version__.split('+')[0]} on x86-64."

# ---- casts ----

ROW = np.arange(65536, dtype=np.uint64)
MIXED = ROW * np.uint64(0x0001000300050007)  # modulo 2^64: all exponents, and digits below


def tensor(bits, dtype, of):
    return torch.from_numpy(np.ascontiguousarray(bits.astype(dtype))).view(of)


def inputs(name):
    if name == "bfloat16":
        return tensor(ROW, np.uint16, torch.bfloat16)
    if name == "float32":
        low = [ROW * np.uint64(65537)] + [(ROW << np.uint64(16)) | np.uint64(k) for k in (0x7fff, 0x8000, 0x8001)]
        return tensor(np.concatenate(low), np.uint32, torch.float32)
    if name == "float64":
        return torch.cat([inputs("float32").double(), tensor(MIXED, np.uint64, torch.float64)])
    if name == "int64":
        return tensor(np.concatenate([ROW - np.uint64(32768), MIXED]), np.uint64, torch.int64)
    if name == "int32":
        return tensor(np.concatenate([ROW - np.uint64(32768), ROW * np.uint64(65539)]), np.uint32, torch.int32)
    return tensor(ROW[:256], np.uint8, torch.uint8) if name == "uint8" else torch.tensor([False, True])


def checksum(x):
    if x.dtype.is_floating_point:
        x = torch.where(x.isnan(), torch.tensor(math.nan, dtype=x.dtype), x)
    return zlib.crc32(x.view(torch.uint8).numpy().tobytes())


with open("casts.txt", "w") as file:
    print(HEAD, file=file)
    print("# from to count crc32, of the results' bytes, every NaN the positive quiet one. The inputs, k = 0 to 65535:", file=file)
    print("#   bfloat16 bits k; float32 bits 65537 k, then 65536 k + 0x7fff, + 0x8000, + 0x8001; float64 those of float32,", file=file)
    print("#   then bits 0x0001000300050007 k; int64 k - 32768, then 0x0001000300050007 k; int32 k - 32768, then 65539 k;", file=file)
    print("#   uint8 0 to 255; bool false, true", file=file)
    for of in DTYPES:
        for to in DTYPES:
            x = inputs(of)
            print(of, to, x.numel(), "%08x" % checksum(x.to(DTYPES[to])), file=file)

# ---- operations ----

VALUES = {
    "float": ([.5, -1.5, 2, 3.25, -.75, 1, 7, -20], [1.5, 2, -.5, .25, 3, -1, .125, 2.5]),
    "int": ([0, 1, -1, 7, -7, 3, 100, 2000], [2, 0, -1, 3, -3, 1, 200, 2]),
    "uint8": ([0, 1, 2, 7, 200, 255, 100, 3], [2, 0, 255, 100, 3, 1, 100, 254]),
    "bool": ([1, 0, 1, 0, 1, 1, 0, 0], [1, 1, 0, 0, 1, 0, 1, 0]),
}


def operands(name, shape=(8,)):
    kind = name if name in VALUES else "int" if name.startswith("int") else "float"
    return [torch.tensor(v).to(DTYPES[name]).reshape(shape) for v in VALUES[kind]]


def text(x):
    if isinstance(x, torch.Tensor):
        name = str(x.dtype).split(".")[1]
        values = ",".join(format(v, ".17g") if isinstance(v, float) else str(int(v)) for v in x.reshape(-1).tolist())
        return f"{name}({','.join(map(str, x.shape))}):{values}"
    return repr(x)


def row(file, op, f, *args):
    shown = [text(x) for x in args]
    try:
        y = f(*[x.clone() if isinstance(x, torch.Tensor) else x for x in args])
        result = " ; ".join(text(x) for x in (y if isinstance(y, tuple) else (y,)))
    except (RuntimeError, TypeError, NotImplementedError, IndexError):
        result = "error"
    print(op, " ; ".join(shown), result, sep="\t", file=file)


UNARY = {name: getattr(torch, name) for name in
         "neg abs sign exp log log1p expm1 sqrt rsqrt reciprocal square sin cos tanh sigmoid relu erf isnan isinf "
         "isfinite sum mean prod amax amin max min argmax argmin".split()}
UNARY.update(leaky_relu=F.leaky_relu, hardtanh=F.hardtanh, softplus=F.softplus, gelu=F.gelu,
             gelu_tanh=lambda x: F.gelu(x, approximate="tanh"))
BINARY = {"add": torch.add, "sub": torch.sub, "mul": torch.mul, "div": torch.div, "pow": torch.pow}
BINARY.update({name: getattr(torch, name) for name in "eq ne lt le gt ge".split()})
PAIRS = dict(BINARY, maximum=torch.maximum, minimum=torch.minimum)
IN_PLACE = {"add_": torch.Tensor.add_, "mul_": torch.Tensor.mul_, "div_": torch.Tensor.div_, "pow_": torch.Tensor.pow_}
NUMBERS = (3, -1, 300, 1.5, .1, True)

with open("dtypes.tsv", "w") as file:
    print(HEAD, file=file)
    print("# An operation, its operands, and what it gives; error: refused. Numbers stand for themselves.", file=file)
    for name in DTYPES:
        a, b = operands(name)
        for op, f in UNARY.items():
            row(file, op, f, a)
        for op, f in PAIRS.items():
            row(file, op, f, a, b)
        for op, f in BINARY.items():
            for number in NUMBERS:
                row(file, op, f, a, number)
            if op in ("sub", "div", "pow"):
                reverse = {"sub": lambda n, x: n - x, "div": lambda n, x: n / x, "pow": torch.pow}[op]
                row(file, op, reverse, 3, a)
                row(file, op, reverse, 2.5, a)
        for op, f in IN_PLACE.items():
            row(file, op, f, a, b)
            row(file, op, f, a, 2)
            row(file, op, f, a, 1.5)
        for op in ("sqrt_", "neg_", "square_"):
            row(file, op, getattr(torch.Tensor, op), a)
        row(file, "lerp", torch.lerp, a, b, torch.full_like(b, 1))
        for lo, hi in ((1, 5), (1.5, 5), (0.1, 5), (1, 5.5)):
            row(file, "clamp", torch.clamp, a, lo, hi)
        row(file, "where", torch.where, a > 1, a, b)
        for number in NUMBERS:
            row(file, "where", torch.where, a > 1, a, number)
        row(file, "fill_", torch.Tensor.fill_, a, 3)
        row(file, "fill_", torch.Tensor.fill_, a, 2.7)
        row(file, "full_like", torch.full_like, a, 2.7)
        row(file, "dot", lambda x, y: x @ y, a, b)
        m, n = operands(name, (2, 4))
        row(file, "matmul", torch.matmul, m, n.t().contiguous())
        row(file, "linear", F.linear, m, n, n[:, 0].contiguous())
        row(file, "sum_rows", lambda x: x.sum(1), m)
        row(file, "sum_columns", lambda x: x.sum(0), m)
        row(file, "max_dim", lambda x: tuple(x.max(1)), m)
        row(file, "min_dim", lambda x: tuple(x.min(1)), m)
        row(file, "index_select", lambda x, i: x.index_select(1, i), m, torch.tensor([3, 0, 3]))
        row(file, "mse_mean", F.mse_loss, a, b)
        row(file, "mse_sum", lambda x, y: F.mse_loss(x, y, reduction="sum"), a, b)
        row(file, "mse_none", lambda x, y: F.mse_loss(x, y, reduction="none"), a, b)
        row(file, "eye", lambda x: torch.eye(2, dtype=x.dtype), a)
        row(file, "arange", lambda x: torch.arange(1, 9, 2, dtype=x.dtype), a)
