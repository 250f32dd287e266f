"""What SmolLM2-135M makes of comments: how many of its refinements ILF can use, at several temperatures, and why not.

python benchmarks/refinements.py            a minute on one core; fetches the model if it is not there
"""

from __future__ import annotations

import torch

from burnish import corpora
from burnish.errors import InputError
from burnish.examples import Tools, given
from burnish.feedback.words.still import claims
from burnish.methods import ilf
from burnish.models.headed import HeadedPolicy
from burnish.models.policy import Policy
from burnish.records import Critique, Prompt, Sampling

TEMPERATURES = (1.0, 0.7, 0.3)
REFINEMENTS, MAX_NEW_TOKENS = 4, 60
REASONS = ("empty refinement", "refinement cut off", "refinement unchanged", "comment still true")
COMMENTED = (
    (
        "Describe an umbrella in one sentence.",
        "An umbrella is a thing. It is a thing that people have. It is a thing with a handle, and people hold it.",
        "It does not mention rain.",
    ),
    ("What is a good name for a grey cat?", "Grey Cat.", "Too short, I would like a reason as well."),
    ("Why is the sky blue?", "Because it is.", "Too short, it explains nothing."),
    (
        "Tell me about bread.",
        "Bread is baked of flour and water, and it is eaten in many countries all over the world, in the morning and "
        "in the evening, with butter, with cheese, with jam, and sometimes with nothing at all.",
        "Too long. Keep it under 15 words.",
    ),
    ("What does a dog like?", "Dogs like walks, food, walks, food, walks and food.", "Very repetitive."),
    ("Say something about the sea.", "The sea is big. The sea is wet. The sea is big and wet.", "Mention the colour."),
)


def main() -> None:
    """Print a line for each temperature."""
    torch.set_num_threads(1)
    policy = Policy.load(corpora.resolve("smollm2-135m"), name="smollm2-135m", dtype="float32")
    sampler = HeadedPolicy(policy, heads={}, temperature=1.0, max_tokens=512, speaks=True, seed=0).sampler()
    critiques = [
        Critique(prompt, given(prompt, answer), comment)
        for prompt, answer, comment in ((Prompt.of(asked), answer, comment) for asked, answer, comment in COMMENTED)
    ]
    of_all = f"of {REFINEMENTS * len(critiques)} refinements usable"
    print(f"| temperature | {of_all} | {' | '.join(REASONS)} | comments heeded |")
    print("|---|---|" + "---|" * len(REASONS) + "---|")
    for temperature in TEMPERATURES:
        sampling = Sampling(max_new_tokens=MAX_NEW_TOKENS)
        tools = Tools(sampler=sampler, sampling=sampling, seed=1, claims=claims)
        try:
            heeded = len(ilf.prepare(critiques, ilf.Config(REFINEMENTS, temperature), tools))
        except InputError:  # none at all: that is a result too
            heeded = 0
        counts = [tools.left_out[reason] for reason in REASONS]
        usable = REFINEMENTS * len(critiques) - sum(counts)
        print(f"| {temperature} | {usable} | {' | '.join(map(str, counts))} | {heeded} of {len(critiques)} |")


if __name__ == "__main__":
    main()
