"""What int8 weights save when few completions are decoded together, and how far their log-probs are from bfloat16's.

python benchmarks/quantised.py [--rows 1 2 4 8 16] [--turns 5] [--tokens 64]

SmolLM2-135M-Instruct in bfloat16 on as many threads as torch takes. For each number of rows, all products of a token in
milliseconds, packed bfloat16 and int8 in turns; then one completion's tokens a second, prompt included; then log-probs
of sampled tokens by int8 weights, and by int8 weights under the model's own output matrix, beside the model's own.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from burnish import corpora
from burnish.models.decoder.attention import PackedAttention
from burnish.models.decoder.forward import Multiply, multiply
from burnish.models.decoder.packed import PackedProducts
from burnish.models.decoder.quantised import Products, QuantisedProducts
from burnish.models.engine import Engine, Request
from burnish.models.policy import Policy
from burnish.models.sampler import EngineSampler
from burnish.records import Prompt, Sampling

THINGS = ("a fox", "the old house", "rain", "a night train", "an island", "the market", "a library", "the river")
ASKED = [Prompt.of(f"Tell me something about {thing}.") for thing in THINGS]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="*", default=[1, 2, 4, 8, 16], help="decoded together")
    parser.add_argument("--turns", type=int, default=5, help="measurements of each")
    parser.add_argument("--tokens", type=int, default=64, help="of the one completion")
    given = parser.parse_args()
    policy = Policy.load(corpora.resolve("smollm2-135m"), dtype="bfloat16")
    assert policy.decoder
    both: dict[str, Products] = {"bfloat16": PackedProducts(policy.decoder), "int8": QuantisedProducts(policy.decoder)}
    for rows in given.rows:
        in_turns(f"products, {rows} rows, ms", both, given.turns, partial(products_ms, rows=rows))
    rate = in_turns("one completion, tokens/s", both, given.turns, partial(rate_of, policy=policy, tokens=given.tokens))
    print(f"one completion: {rate['int8'] / rate['bfloat16']:.2f} times as fast")
    distances(policy, both["int8"])


def in_turns(
    what: str, both: dict[str, Products], turns: int, measure: Callable[[Products], float]
) -> dict[str, float]:
    """Print and return the median of each, measured in turns after one that does not count."""
    found: dict[str, list[float]] = {name: [] for name in both}
    for turn in range(turns + 1):
        for name, some in both.items():
            value = measure(some)
            if turn:
                found[name].append(value)
    medians = {name: statistics.median(values) for name, values in found.items()}
    told = (f"{name} {medians[name]:6.1f} ({min(values):.1f} to {max(values):.1f})" for name, values in found.items())
    print(f"{what:26s}", *told, flush=True)
    return medians


@torch.inference_mode()
def products_ms(some: Products, *, rows: int) -> float:
    """Return how long all of a token's products take for so many rows."""
    decoder = some.decoder
    layers = [product for layer in decoder.layers for product in layer.products]
    inputs = {width: torch.randn(rows, width).bfloat16() for width in {p.weight.shape[1] for p in layers}}
    states = torch.randn(rows, decoder.output.shape[1]).bfloat16()
    began = time.perf_counter()
    for product in layers:
        some(product, None, inputs[product.weight.shape[1]])
    some.logits(states)
    return 1000 * (time.perf_counter() - began)


def rate_of(some: Products, *, policy: Policy, tokens: int) -> float:
    """Return one completion's tokens a second, with reading its prompt."""
    engine = Engine(some.decoder, frozenset(), policy.decode, rows=1, packed=some)
    began = time.perf_counter()
    engine.submit(Request(tuple(policy.encode(ASKED[0])), Sampling(max_new_tokens=tokens), seed=1))
    count = sum(1 for _ in engine.run())
    return count / (time.perf_counter() - began)


@torch.inference_mode()
def distances(policy: Policy, int8: Products) -> None:
    """Print how far log-probs of the model's own samples are from its own under int8 weights."""
    rows = policy.pack(ASKED, EngineSampler(policy).sample(ASKED, Sampling(max_new_tokens=24), n=2, seed=1))
    decoder = int8.decoder

    def said(how: Multiply, read: Callable[[Tensor], Tensor]) -> Tensor:
        attend = PackedAttention(decoder.shape, rows.layout, decoder.dtype)
        states = decoder.states(rows.tokens_N, rows.layout.positions_N, attend, multiply=how)[rows.source_M]
        return torch.log_softmax(read(states).float(), dim=-1)

    own_MV = said(multiply, decoder.logits)
    for name, read in (("int8", int8.logits), ("int8, own output matrix", decoder.logits)):
        print(f"{name}: {distance(said(int8, read), own_MV, rows.token_M)}")


def distance(other_MV: Tensor, own_MV: Tensor, token_M: Tensor) -> str:
    """Return how far apart two tables of log-probs are, in words."""
    gap_M = (other_MV - own_MV).gather(1, token_M[:, None]).abs()
    kl = float((own_MV.exp() * (own_MV - other_MV)).sum(dim=-1).mean())
    same = float((own_MV.argmax(-1) == other_MV.argmax(-1)).float().mean())
    return (
        f"log-probs {gap_M.mean():.3f} nats apart ({gap_M.max():.2f} at most), KL {kl:.4f} a token, "
        f"the same likeliest token at {same:.1%} of {len(token_M)}"
    )


if __name__ == "__main__":
    main()
