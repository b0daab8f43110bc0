"""Writes draws.txt: random numbers of bfloat16, exponential, multinomial, long permutations.  python3 draws.py > draws.txt
A permutation of 214748364 needs 2 GB."""
import zlib

import torch

torch.set_num_threads(1)
half = torch.bfloat16
SEEDS = (0, 42, 123456789012345)


def show(name, x):
    kind = "int64" if x.dtype == torch.int64 else "float64" if x.dtype == torch.float64 else "float32"
    print(name, kind, "x".join(map(str, x.shape)) or "scalar")
    digits = ".17g" if kind == "float64" else ".9g"
    values = [str(v) if kind == "int64" else format(v, digits) for v in x.reshape(-1).tolist()]
    for i in range(0, len(values), 8):
        print(" ".join(values[i:i + 8]))


def draw(name, f):
    """f() right after each seed."""
    for seed in SEEDS:
        torch.manual_seed(seed)
        show(f"seed{seed}.{name}", f())


print("# Random numbers that PyTorch", torch.__version__.split("+")[0], "draws on an x86-64 CPU right after manual_seed of the seed in the name;")
print("# made by draws.py. bfloat16 stands as float32, exactly. In the format of README.md.")
for n in (1, 5, 15, 16, 17, 33, 100):
    draw(f"rand.b16.n{n}", lambda: torch.rand(n, dtype=half))
    draw(f"randn.b16.n{n}", lambda: torch.randn(n, dtype=half))
draw("uniform_-1_2.b16.n700", lambda: torch.empty(700, dtype=half).uniform_(-1, 2))
draw("uniform_.1_.3.b16.n700", lambda: torch.empty(700, dtype=half).uniform_(.1, .3))
draw("normal_2_3.b16.n600", lambda: torch.empty(600, dtype=half).normal_(2, 3))
draw("normal_2_3.b16.t10x7", lambda: torch.empty(10, 7, dtype=half).t().normal_(2, 3))
draw("bernoulli.b16.n64", lambda: torch.bernoulli((torch.arange(64) / 64).to(half)))
draw("bernoulli_.3.b16.n33", lambda: torch.empty(33, dtype=half).bernoulli_(.3))
for name, dtype in (("b16", half), ("f32", torch.float32), ("f64", torch.float64)):
    draw(f"exponential_1.5.{name}.n40", lambda: torch.empty(40, dtype=dtype).exponential_(1.5))
    draw(f"exponential_.2.{name}.t4x5", lambda: torch.empty(4, 5, dtype=dtype).t().exponential_(.2))
for i, parameter in enumerate(("weight", "bias")):
    draw(f"linear5x3.b16.{parameter}", lambda: list(torch.nn.Linear(5, 3, dtype=half).parameters())[i].detach())

# weights[i] = (37 i % 64 + 1) / 64, which bfloat16 holds
weights = ((torch.arange(120) * 37 % 64 + 1) / 64).reshape(3, 40)
for name, dtype in (("b16", half), ("f32", torch.float32), ("f64", torch.float64)):
    w = weights.to(dtype)
    for k, again in ((1, False), (1, True), (25, True), (7, False), (40, False)):
        if dtype == half and k > 1 and not again:
            continue  # equal quotients: their order is nobody's promise
        form = f"multinomial.{name}.k{k}" + (".again" if again else "")
        draw(form, lambda: torch.multinomial(w, k, replacement=again))
        draw(form + ".row", lambda: torch.multinomial(w[1], k, replacement=again))
        draw(form + ".turned", lambda: torch.multinomial(w.t().contiguous().t(), k, replacement=again))

w = (((torch.arange(300 * 40) * 37) % 64 + 1) / 64).reshape(300, 40).to(half)
draw("multinomial.b16.k1.many", lambda: torch.multinomial(w, 1))  # of equal quotients the first

# the form of the other branch begins at this length
n = 214748364
torch.manual_seed(0)
order = torch.randperm(n)
show("randperm.long.first", order[:16])
show("randperm.long.last", order[-16:])
show("randperm.long.crc32", torch.tensor(zlib.crc32(order.numpy().data)))
show("randperm.long.next", torch.rand(3))
