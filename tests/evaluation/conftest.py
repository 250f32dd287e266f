"""Made-up comparisons whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest

from burnish.evaluation.samples import Sample

LEVELS = ((-3.0, "very bad"), (-1.5, "bad"), (0.0, "so-so"), (1.5, "good"), (3.0, "very good"))
WORDS = ("the", "lamp", "is", "bright", "and", "warm", "yet", "it", "hums", "at", "night", "so", "we", "sent", "thanks")


def sample(prompt: int, index: int, **changes) -> Sample:
    asked, words = LEVELS[prompt % len(LEVELS)]
    values = {
        "prompt_id": f"p{prompt}",
        "prompt": f"Say that lamp {prompt} is {words}.",
        "thing": f"lamp {prompt}",
        "asked": asked,
        "asked_words": words,
        "index": index,
        "text": "a plain text about the lamp",
        "tokens": 8,
        "truncated": False,
        "gold": -1.0,
        "proxy": -0.9,
        "proxy_spread": 0.2,
        "rated_gold": asked / 2,
        "rated_proxy": asked / 2,
        "on_topic": True,
        "reference_nll": 24.0,
        "kl_nats": 0.0,
    }
    return Sample(**{**values, **changes})


def side(seed: int, *, prompts: int = 30, samples: int = 4, gain: float = 0.0, kl: float = 0.0) -> list[Sample]:
    """Samples whose gold depends on the prompt (the same on both sides), on `gain` and on chance."""
    generator, of_prompt = np.random.default_rng(seed), np.random.default_rng(99)
    found = []
    for prompt in range(prompts):
        level = of_prompt.normal(-1.0, 0.4)
        for index in range(samples):
            gold = float(level + gain + generator.normal(0, 0.3))
            asked = LEVELS[prompt % len(LEVELS)][0]
            text = " ".join(generator.choice(WORDS, size=int(generator.integers(6, 30))))
            found.append(
                sample(
                    prompt,
                    index,
                    text=text,
                    tokens=len(text.split()) + 2,
                    truncated=bool(generator.random() < 0.1),
                    gold=gold,
                    proxy=gold + 0.1,
                    rated_gold=asked * (0.5 + gain / 2) + float(generator.normal(0, 0.8)),
                    on_topic=bool(generator.random() < 0.9),
                    reference_nll=float(len(text.split()) * generator.uniform(2.5, 3.5)),
                    kl_nats=kl + float(generator.uniform(0, 0.5)) if kl else 0.0,
                )
            )
    return found


@pytest.fixture(scope="session")
def make_sample():
    return sample


@pytest.fixture(scope="session")
def make_side():
    return side
