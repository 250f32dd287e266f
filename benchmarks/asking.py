"""What is it worth to choose which pairs people are asked about?

python benchmarks/asking.py [--seeds 20] [--answers 240]
python benchmarks/asking.py --texts style|minilm [--seeds 20] [--answers 240]

A simulated world: 40 prompts with 6 texts each, a text's quality is linear in 8 features with some noise of its own,
and people answer by Bradley-Terry. Each strategy of `burnish.feedback.next` asks in rounds of 40 pairs, a fifth of them
at random as always, from the posterior of all answers so far. Then, against asking at random with as many answers,
paired by seed, with 95% intervals:

    order    Kendall's tau of the texts within prompts, posterior mean against truth (a ranking is wanted)
    best     quality lost by taking each prompt's best text by posterior mean, in standard deviations (lower is better)
    clean    share of answers that name the text that is really better
    learned  pair accuracy on 200 other pairs of a linear reward fitted to the answers (training is wanted)

`d_optimal` is asked without features and (`d_optimal*`) with them. With --texts the 240 texts are film-review snippets,
their quality what real people's ratings make of them, and the features what `burnish feedback next --features` takes:
how the texts look, or MiniLM's embeddings (`burnish fetch ratings minilm`); only these two strategies are asked.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from scipy.stats import kendalltau

from burnish.cli import feedback_next
from burnish.feedback import next as strategies
from burnish.feedback.agenda import Pair, agenda
from burnish.feedback.next import Candidates
from burnish.maths import choice
from burnish.maths.intervals import bootstrap_mean
from burnish.records import Completion, Prompt, share_of

Floats = NDArray[np.float64]
PROMPTS, TEXTS, FEATURES, ROUND, DRAWS = 40, 6, 8, 40, 100
SPREAD, OWN = 1.5, 0.5
MEASURES = ("order", "best", "clean", "learned")


class World:
    """True qualities, features, and people who answer by them."""

    def __init__(self, seed: int) -> None:
        self.draw = np.random.default_rng(seed)
        weights = self.draw.normal(size=FEATURES)
        weights *= SPREAD / np.linalg.norm(weights)
        self.features = self.draw.normal(size=(PROMPTS * TEXTS, FEATURES))
        self.quality = self.features @ weights + OWN * self.draw.normal(size=PROMPTS * TEXTS)
        fresh = np.random.default_rng(1).normal(size=(200, 2, FEATURES))
        self.fresh_gap = fresh[:, 0] - fresh[:, 1]
        self.fresh_better = self.fresh_gap @ weights
        ends = [(TEXTS * p + i, TEXTS * p + j, p) for p in range(PROMPTS) for i in range(TEXTS) for j in range(i)]
        self.first, self.second, self.group = np.array(ends).T

    def answer(self, pair: int) -> tuple[int, int]:
        """Return (winner, loser) as one person says."""
        one, two = int(self.first[pair]), int(self.second[pair])
        return (one, two) if self.draw.random() < expit(self.quality[one] - self.quality[two]) else (two, one)


class RealWorld(World):
    """Real texts: quality is their people's mean rating, of spread 1.5; fresh pairs are of other texts."""

    def __init__(self, seed: int, features: Floats, mean: Floats) -> None:
        super().__init__(seed)
        which = self.draw.permutation(len(mean))
        own, one, two = np.split(which[: PROMPTS * TEXTS + 400], [PROMPTS * TEXTS, PROMPTS * TEXTS + 200])
        spread = mean.std() / SPREAD
        self.features, self.quality = features[own], mean[own] / spread
        self.fresh_gap, self.fresh_better = features[one] - features[two], mean[one] - mean[two]


def real_texts(name: str) -> tuple[Floats, Floats]:
    """Return the features of 1,000 film-review snippets, each of spread 1, and their mean ratings."""
    from burnish.corpora import ratings

    films = sorted((each for each in ratings.load() if each.set == "movie"), key=lambda each: share_of(each.id, "ask"))
    texts = [each.text for each in films[:1_000]]
    features = feedback_next.features_named(name)(texts)
    features = features[:, features.std(axis=0) > 0]
    return (features - features.mean(axis=0)) / features.std(axis=0), np.array([each.mean for each in films[:1_000]])


def believed(votes: Sequence[tuple[int, int]], draw: np.random.Generator) -> tuple[Floats, Floats]:
    """Return the posterior mean of every text and draws from it, prompt by prompt."""
    mean, draws = np.zeros(PROMPTS * TEXTS), np.empty((DRAWS, PROMPTS * TEXTS))
    for prompt in range(PROMPTS):
        here = slice(TEXTS * prompt, TEXTS * (prompt + 1))
        own = [(w - here.start, lost - here.start) for w, lost in votes if here.start <= w < here.stop]
        winners, losers = zip(*own, strict=True) if own else ((), ())
        fit = choice.bradley_terry(winners, losers, n_items=TEXTS, ridge=1 / SPREAD**2)
        mean[here] = fit.scores_I
        draws[:, here] = draw.multivariate_normal(fit.scores_I, fit.covariance_II, size=DRAWS, method="cholesky")
    return mean, draws


def learned(world: World, votes: Sequence[tuple[int, int]]) -> float:
    """Return the pair accuracy on other prompts of a ridge logistic regression on differences of features."""
    winners, losers = np.array(votes).T
    x = world.features[winners] - world.features[losers]
    weights, ridge = np.zeros(x.shape[1]), max(1.0, x.shape[1] / FEATURES)
    for _ in range(30):
        chance = expit(-x @ weights)
        curve = (x * (chance * (1 - chance))[:, None]).T @ x + ridge * np.eye(x.shape[1])
        weights += np.linalg.solve(curve, x.T @ chance - ridge * weights)
    return float(np.mean((world.fresh_gap @ weights > 0) == (world.fresh_better > 0)))


def study(strategy: str, world: World, seed: int, answers: int) -> dict[str, float]:
    """Return the measures after so many answers; a star behind the strategy gives it the features."""
    prompts = [Prompt.of(str(p)) for p in range(PROMPTS)]
    texts = [Completion(prompts[i // TEXTS].id, str(i)) for i in range(PROMPTS * TEXTS)]
    ends = zip(world.first.tolist(), world.second.tolist(), world.group.tolist(), strict=True)
    pairs = [Pair(prompts[p], (texts[i], texts[j])) for i, j, p in ends]
    number = {id(pair): place for place, pair in enumerate(pairs)}
    votes: list[tuple[int, int]] = []
    answered = np.zeros(len(pairs), dtype=np.int64)
    for turn in range(answers // ROUND):
        _, draws = believed(votes, world.draw)
        features = world.features if strategy.endswith("*") else None
        candidates = Candidates(world.first, world.second, world.group, draws, features, answered.copy())
        asks = agenda(pairs, candidates, ROUND, strategy=strategy.rstrip("*"), seed=1000 * seed + turn)
        for ask in asks:
            answered[number[id(ask.pair)]] += 1
            votes.append(world.answer(number[id(ask.pair)]))
    mean, _ = believed(votes, world.draw)
    by_prompt, true = mean.reshape(PROMPTS, TEXTS), world.quality.reshape(PROMPTS, TEXTS)
    taus = [kendalltau(one, two).statistic for one, two in zip(by_prompt, true, strict=True)]
    lost = true.max(axis=1) - np.take_along_axis(true, by_prompt.argmax(axis=1)[:, None], axis=1)[:, 0]
    winners, losers = np.array(votes).T
    return {
        "order": float(np.nanmean(taus)),
        "best": float(lost.mean() / world.quality.std()),
        "clean": float(np.mean(world.quality[winners] > world.quality[losers])),
        "learned": learned(world, votes),
    }


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="What is it worth to choose which pairs people are asked about?")
    parser.add_argument("--seeds", type=int, default=20, help="worlds (default 20)")
    parser.add_argument("--answers", type=int, default=240, help="answers in all (default 240)")
    parser.add_argument("--texts", choices=("style", "minilm"), help="real texts with these features")
    args = parser.parse_args()
    began = time.monotonic()
    others = (each for each in strategies.names() if each not in ("random", "d_optimal"))
    asked = ("random", "d_optimal", "d_optimal*", *(() if args.texts else others))
    real = real_texts(args.texts) if args.texts else None
    found = {
        name: [
            study(name, RealWorld(seed, *real) if real else World(seed), seed, args.answers)
            for seed in range(args.seeds)
        ]
        for name in asked
    }
    print(f"{args.answers} answers, {args.seeds} worlds; difference from asking at random")
    plain = "  ".join(f"{m} {np.mean([each[m] for each in found['random']]):.3f}" for m in MEASURES)
    print(f"{'random':17} {plain}")
    for name, rows in found.items():
        if name == "random":
            continue
        cells = []
        for measure in MEASURES:
            gap = [one[measure] - base[measure] for one, base in zip(rows, found["random"], strict=True)]
            each = bootstrap_mean(gap)
            cells.append(f"{measure} {each.mean:+.3f} [{each.low:+.3f}, {each.high:+.3f}]")
        print(f"{name:17} {'  '.join(cells)}")
    print(f"{time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
