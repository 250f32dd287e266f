"""Is a reward model better for knowing its people? Real ratings, ten simulated people, three votes a pair.

    python benchmarks/people_signals.py [--seeds 10] [--pairs 1000]

4,000 film-review snippets with the ratings real people gave them (`burnish fetch ratings minilm`). A simulated person
compares two texts by drawing one real rating for each; some always say the opposite, or toss a coin, or do neither. The
same pairs and votes become signals in four ways (`SignalConfig.people`), on which the same ridge-logistic reward model
is trained, on frozen MiniLM embeddings; it is tested on pairs of texts that trained nothing, ordered by all their real
ratings. Differences are paired by seed, intervals by bootstrap over seeds.
"""

from __future__ import annotations

import argparse
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit, log_expit

from burnish.corpora import ratings, resolve
from burnish.feedback.answers import People, SignalConfig
from burnish.feedback.signals import signals_from
from burnish.maths.intervals import bootstrap_mean, paired_bootstrap
from burnish.records import Author, Completion, Feedback, Preference, Prompt, share_of
from burnish.store import Entry

Floats: TypeAlias = NDArray[np.float64]
TEXTS, TRAIN, TEST_PAIRS, PEOPLE, EACH, RIDGE = 4_000, 2_500, 4_000, 10, 3, 300.0
WAYS: tuple[People, ...] = ("majority", "plain", "reliable", "annotators")
BAD = {"a quarter always flip": 2.5, "half answer at random": 5.0, "everybody careful": 0.0}
"""How many of ten; 2.5 is two and three in turns."""


def embeddings(texts: list[str]) -> Floats:
    """Mean-pooled states of MiniLM, each dimension standardised."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    folder = resolve("minilm")
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    model = AutoModel.from_pretrained(folder, local_files_only=True).eval()
    found, order = np.zeros((len(texts), 384)), np.argsort([len(text) for text in texts])
    with torch.no_grad():
        for start in range(0, len(texts), 64):
            part = order[start : start + 64]
            inputs = tokenizer(
                [texts[i] for i in part], padding=True, truncation=True, max_length=96, return_tensors="pt"
            )
            mask = inputs["attention_mask"][..., None]
            found[part] = ((model(**inputs).last_hidden_state * mask).sum(1) / mask.sum(1)).numpy()
    return np.asarray((found - found.mean(axis=0)) / found.std(axis=0))


def votes(
    texts: list[ratings.RatedText], kind: str, pairs: int, generator: np.random.Generator, odd: int
) -> list[Entry]:
    """Pairs of training texts with three people's votes each, sides drawn."""
    bad = set(generator.permutation(PEOPLE)[: int(BAD[kind] + 0.5 * odd)].tolist())
    entries = []
    for number in range(pairs):
        ends = generator.choice(TRAIN, 2, replace=False).tolist()
        prompt = Prompt.of(f"Which is better? {number}")
        shown = tuple(Completion(prompt.id, str(end)) for end in ends)
        records = []
        for person in generator.permutation(PEOPLE)[:EACH].tolist():
            first, second = (int(generator.choice(texts[end].ratings)) for end in ends)
            for_first = first > second if first != second else bool(generator.random() < 0.5)
            if person in bad:
                for_first = not for_first if "flip" in kind else bool(generator.random() < 0.5)
            turned = bool(generator.random() < 0.5)
            ids = tuple(each.id for each in (shown[::-1] if turned else shown))
            value = {"chosen": int(for_first == turned)}
            name = f"{number}-{person}"
            records.append(Feedback(name, "comparison", prompt.id, ids, value, Author(f"person {person}")))
        entries.append(Entry(prompt, shown, tuple(records)))
    return entries


def reward_model(features: Floats, found: list[Preference]) -> Floats:
    """Weights of the logistic reward model: soft labels, weights, ridge."""
    chosen, rejected = ([int(side(each).text) for each in found] for side in (lambda p: p.chosen, lambda p: p.rejected))
    gap = features[chosen] - features[rejected]
    share, weight = np.array([each.probability for each in found], float), np.array([each.weight for each in found])

    def loss(slopes: Floats) -> tuple[float, Floats]:
        level = gap @ slopes
        value = -(weight * (share * log_expit(level) + (1 - share) * log_expit(-level))).sum()
        return value + RIDGE / 2 * slopes @ slopes, gap.T @ (weight * (expit(level) - share)) + RIDGE * slopes

    return np.asarray(minimize(loss, np.zeros(features.shape[1]), jac=True, method="L-BFGS-B").x)


def study(texts: list[ratings.RatedText], features: Floats, kind: str, seeds: int, pairs: int) -> None:
    mean = np.array([text.mean for text in texts])
    generator = np.random.default_rng(1)
    one, two = generator.integers(TRAIN, TEXTS, size=(2, TEST_PAIRS))
    one, two = one[mean[one] != mean[two]], two[mean[one] != mean[two]]
    accuracy: dict[str, list[float]] = {way: [] for way in WAYS}
    labels: dict[str, list[float]] = {way: [] for way in WAYS}
    for seed in range(seeds):
        entries = votes(texts, kind, pairs, np.random.default_rng(seed), seed % 2)
        for way in WAYS:
            found: list[Any] = signals_from(entries, SignalConfig(people=way))
            found = [each for each in found if isinstance(each, Preference)]
            reward = features @ reward_model(features, found)
            accuracy[way].append(float(((reward[one] > reward[two]) == (mean[one] > mean[two])).mean()))
            better = [
                mean[int(each.chosen.text)] > mean[int(each.rejected.text)] for each in found if each.ranks != (0, 0)
            ]
            labels[way].append(float(np.mean(better)))
    print(f"\n{kind}: {pairs} pairs, {EACH} votes each, {seeds} seeds      pair accuracy [95%]     labels right")
    for way in WAYS:
        told = bootstrap_mean(accuracy[way])
        print(f"  {way:12} {told.mean:.3f} [{told.low:.3f}, {told.high:.3f}]     {np.mean(labels[way]):.3f}")
    for way in WAYS[:3]:
        gain = paired_bootstrap(accuracy[way], accuracy["annotators"])
        points = f"{100 * gain.mean:+.1f} points [{100 * gain.low:+.1f}, {100 * gain.high:+.1f}]"
        print(f"  annotators above {way}: {points}")


def main() -> None:
    parser = argparse.ArgumentParser(description="Is a reward model better for knowing its people?")
    parser.add_argument("--seeds", type=int, default=10, help="default: 10")
    parser.add_argument("--pairs", type=int, default=1_000, help="default: 1000")
    args = parser.parse_args()
    films = [text for text in ratings.load() if text.set == "movie"]
    texts = sorted(films, key=lambda text: share_of(text.id, "people"))[:TEXTS]
    features = embeddings([text.text for text in texts])
    for kind in BAD:
        study(texts, features, kind, args.seeds, args.pairs)


if __name__ == "__main__":
    main()
