"""How far the worst shift of a text's embeddings raises its loss, by its size (`walk.adversarial`); a random one too.

python benchmarks/worst_case.py        SmolLM2-135M-Instruct on four reviews of films, untrained, under a minute
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from torch import Tensor

from burnish import corpora
from burnish.corpora import ratings
from burnish.examples import Example, Row
from burnish.maths.worst_case import worst_shift
from burnish.methods import sft
from burnish.models.headed import HeadedPolicy
from burnish.models.policy import Policy
from burnish.models.tuning import TuningConfig
from burnish.records import Completion, Prompt
from burnish.training.window import window

SIZES = (0.1, 0.3, 1.0, 2.0, 3.0, 5.0, 10.0)


def main() -> int:
    """Print the table."""
    policy = Policy.load(Path(corpora.resolve("smollm2-135m")))
    policy.adapt(TuningConfig(rank=4), seed=1)
    network, prompt = HeadedPolicy(policy, max_tokens=96), Prompt.of("Write a short film review.")
    texts = [each.text for each in ratings.load() if each.set == "movie" and 60 < len(each.text) < 200][:4]
    examples = [Example((Row(prompt, Completion(prompt.id, text)),)) for text in texts]
    config = sft.Config()
    batch, slices = window(
        network, examples, sft.needs(config), rows_per_slice=8, max_new_tokens=96, seed=0, apart=True
    )
    batch, inputs = sft.targets(batch, config), slices[0].inputs

    def loss_at(shift: Tensor) -> Tensor:
        return sft.loss(batch, network.outputs(inputs, shift=shift), config)[0].sum()

    shift, text, unit = network.undisturbed(inputs)
    plain = loss_at(shift)
    plain.backward()
    noise = torch.randn(shift.shape, generator=torch.Generator().manual_seed(0))
    print(f"loss {float(plain.detach()):.3f} nats a token as it is; the unit of size is {unit:.3f}\n")
    print("size   worst   random")
    with torch.no_grad():
        for size in SIZES:
            worst, random = (float(loss_at(worst_shift(each, text, size * unit))) for each in (shift.grad, noise))
            print(f"{size:4g}  {worst:6.3f}  {random:7.3f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
