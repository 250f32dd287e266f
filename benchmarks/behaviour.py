"""Do clicks, corrected for position, say what people like, and is the stated variance honest? On simulated people.

python benchmarks/behaviour.py [ranks] [--seeds 20] [--texts 30] [--showings 100]
python benchmarks/behaviour.py intervals [--draws 2000]

Texts have an appeal drawn from 0.05 to 0.6 (who looks, acts with that probability); a text is looked at with 1, 1/2,
1/3, 1/5 at positions 1 to 4. Three ways of showing: at random; better texts lower, as a system that ranks badly would;
and better texts higher. Prints, over seeds: the rank correlation with the true appeal of the plain rate, of the
estimate with the known curve, and of the estimate with the curve estimated from the same clicks (only where texts
changed places); and how often the true value lies within 1.64 stated standard deviations (90% were all normal).
"""

from __future__ import annotations

import argparse

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

from burnish.errors import InputError
from burnish.feedback.answers import Answer, SignalConfig
from burnish.feedback.behaviour import scores
from burnish.feedback.exposure import MOST_WEIGHT, Exposure, estimated
from burnish.maths.propensity import Shown, above_others
from burnish.records import Completion, Feedback, Prompt

LOOKS = {1: 1.0, 2: 0.5, 3: 1 / 3, 4: 0.2}
PROMPT = Prompt.of("lamps?")
CONFIG = SignalConfig()
Floats = NDArray[np.float64]


def simulated(
    appeal: Floats, showings: int, way: str, rng: np.random.Generator
) -> tuple[list[Answer], list[int], NDArray[np.int64], list[bool]]:
    """Return answers, and the text, the position and the click of each."""
    order = np.argsort(np.argsort(appeal if way == "worse higher" else -appeal))
    fixed = 1 + order * len(LOOKS) // len(appeal)
    texts = np.repeat(np.arange(len(appeal)), showings)
    positions = rng.integers(1, len(LOOKS) + 1, len(texts)) if way == "at random" else fixed[texts]
    clicks = rng.random(len(texts)) < appeal[texts] * np.array([LOOKS[p] for p in positions.tolist()])
    answers = []
    for number, (text, position, click) in enumerate(
        zip(texts.tolist(), positions.tolist(), clicks.tolist(), strict=True)
    ):
        completion = Completion(PROMPT.id, f"text {text}")
        said = Feedback(
            str(number), "implicit", PROMPT.id, (completion.id,), {"click": click}, exposure={"position": position}
        )
        answers.append(Answer(PROMPT, (completion,), said))
    return answers, texts.tolist(), positions, clicks.tolist()


def measured(answers: list[Answer], appeal: Floats, exposure: Exposure) -> tuple[float, float]:
    """Return the rank correlation with the appeal, and the share of texts within 1.64 standard deviations."""
    found = {score.completion.text: score for score in scores(answers, CONFIG, exposure)}
    ordered = [found[f"text {number}"] for number in range(len(appeal))]
    value = np.array([score.value for score in ordered], dtype=np.float64)
    others = (appeal.sum() - appeal) / (len(appeal) - 1)
    right = CONFIG.width / 2 * (appeal - others)
    within = np.abs(value - right) <= 1.645 * np.sqrt([score.variance or 0.0 for score in ordered])
    return float(spearmanr(value, appeal).statistic), float(within.mean())


def curve_of(texts: list[int], positions: NDArray[np.int64], clicks: list[bool]) -> Exposure | None:
    try:
        return estimated(texts, positions, clicks)
    except InputError:  # every text was always shown at one place
        return None


def ranks(seeds: int, texts: int, showings: int) -> None:
    """Print how well each estimate ranks the texts, and how honest its variance is."""
    print(f"{'shown':<15}{'estimate':<18}{'rank correlation':>18}{'within 90%':>12}")
    for way in ("at random", "worse higher", "better higher"):
        found: dict[str, list[tuple[float, float]]] = {"plain rate": [], "known curve": [], "estimated curve": []}
        for seed in range(seeds):
            rng = np.random.default_rng(seed)
            appeal = rng.uniform(0.05, 0.6, texts)
            answers, which, positions, clicks = simulated(appeal, showings, way, rng)
            found["plain rate"].append(measured(answers, appeal, Exposure(eta=0)))
            found["known curve"].append(measured(answers, appeal, Exposure(by_position=LOOKS)))
            if curve := curve_of(which, positions, clicks):
                found["estimated curve"].append(measured(answers, appeal, curve))
        for name, pairs in found.items():
            if pairs:
                rank, within = np.mean(pairs, axis=0)
                error = np.std([pair[0] for pair in pairs]) / len(pairs) ** 0.5
                print(f"{way:<15}{name:<18}{rank:>10.3f} ± {error:.3f}{within:>11.1%}")


def held(position: int, showings: int, others: int, drawn: str, draws: int, rng: np.random.Generator) -> float:
    """Return the share of 90% intervals of one text that hold the truth."""
    looks = 1 / np.array([position, *range(1, others + 1)])
    weight = np.minimum(1 / looks, MOST_WEIGHT)
    reached = float(showings) * weight * looks
    within = 0
    for _ in range(draws):
        rate = rng.beta(0.6, 1.4, len(looks)) if drawn == "as the prior" else rng.uniform(0.05, 0.6, len(looks))
        acted = weight * rng.binomial(showings, rate * looks).astype(np.float64)
        sums = Shown(acted, reached, weight * reached, weight * looks * reached, np.zeros(len(looks)))
        found = above_others(sums, CONFIG.prior_votes)
        off = abs(found.mean_I[0] - (rate[0] - rate[1:].mean()))
        within += bool(off <= 1.645 * found.variance_I[0] ** 0.5)
    return within / draws


def intervals(draws: int) -> None:
    """Print how often stated 90% intervals hold, by position and number of showings."""
    counts, rng = (5, 20, 80, 320), np.random.default_rng(0)
    print(f"{draws:,} draws each; showings:{'':<22}{''.join(f'{count:>8}' for count in counts)}")
    for drawn in ("as the prior", "more alike"):
        for others in (1, 7):
            for position in (1, 2, 4, 8):
                shares = [held(position, count, others, drawn, draws, rng) for count in counts]
                name = f"rates {drawn}, {others} other{'s' * (others > 1)}, position {position}"
                print(f"{name:<47}{''.join(f'{share:>8.1%}' for share in shares)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", nargs="?", choices=("ranks", "intervals"), default="ranks")
    parser.add_argument("--draws", type=int, default=2_000)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--texts", type=int, default=30)
    parser.add_argument("--showings", type=int, default=100)
    args = parser.parse_args()
    if args.study == "intervals":
        intervals(args.draws)
    else:
        ranks(args.seeds, args.texts, args.showings)


if __name__ == "__main__":
    main()
