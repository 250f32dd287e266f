"""How well comments are read: by rule and by a learned scorer, beside vaderSentiment, against people's ratings.

pip install vaderSentiment==3.3.2 && python benchmarks/words.py [--model FOLDER]
python benchmarks/words.py --choose

On the real rated texts of `burnish fetch ratings` (film reviews, Amazon, tweets, NYT), read as comments. Split by the
hash of the text's group: what the rules' few numbers were chosen on (`share_of(group, "words")` of 1/2 and above) is
never measured on. The learned scorer is fitted twice: to that half, measured on the other, and to three quarters,
measured on the last. Prints one table a question; the intervals are paired bootstraps over texts.

`--choose` prints instead, on the half that chooses, what the rules' few fitted numbers come from: the share that a word
counts which only VADER lists, the strength halfway along the scale, and the variances.
"""

from __future__ import annotations

import argparse
import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

from burnish.corpora import ratings
from burnish.feedback.words import asked, grades, learned, lexicon
from burnish.feedback.words.reading import HALF_WAY, LEAST, MIXED, VARIANCES, parse, read, strength
from burnish.maths.intervals import paired_bootstrap
from burnish.records import share_of

Floats = NDArray[np.float64]
SETS = tuple(ratings.SETS)
NEGATED = re.compile(
    r"\b(no|not|never|none|nobody|nothing|nor|neither|nowhere|without|hardly|rarely|seldom|cannot|but)\b|n['’]t\b",
    re.IGNORECASE,
)
DATA = Path(__file__).parents[1] / "tests" / "feedback" / "words" / "data"
RESAMPLES = 1000
HAND, SHIPPED, WHOLE = "rules, our words", "rules as shipped", "rules, VADER whole"
LEXICONS: dict[str, Callable[[], lexicon.Lexicon]] = {
    HAND: lexicon.by_hand,
    WHOLE: lambda: lexicon.by_hand().with_words(lexicon.vader()),
    SHIPPED: lexicon.own,
}
"""Our words alone, VADER's beside them as they stand, and what ships: those that only VADER lists count in part."""
FITTED_TO = ("movie", "amazon", "tweets")
"""The sets that the scale and the variances are fitted to; a newspaper's sentences are no comments."""


def rank_correlation(scores: Floats, means: Floats) -> float:
    return float(spearmanr(scores, means)[0])


def gain_in_rank_correlation(first: Floats, second: Floats, means: Floats) -> tuple[float, float]:
    """The 95% interval of Spearman(second) - Spearman(first), texts drawn again together."""
    draw, found = np.random.default_rng(0), []
    for _ in range(RESAMPLES):
        rows = draw.integers(len(means), size=len(means))
        found.append(rank_correlation(second[rows], means[rows]) - rank_correlation(first[rows], means[rows]))
    low, high = np.quantile(found, (0.025, 0.975))
    return float(low), float(high)


def vader() -> Callable[[str], float] | None:
    try:
        from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer
    except ImportError:
        print("vaderSentiment is not installed: pip install vaderSentiment==3.3.2")
        return None
    analyser = SentimentIntensityAnalyzer()
    return lambda text: float(analyser.polarity_scores(text)["compound"])


def by_rule(texts: Sequence[ratings.RatedText], scores: dict[str, Floats]) -> None:
    """Rank correlation with people's mean on the half that chose nothing."""
    share = np.array([share_of(text.group, "words") for text in texts])
    means = np.array([text.mean for text in texts])
    of = np.array([text.set for text in texts])
    print("\nSpearman with people's mean, texts of the half that chose nothing")
    print(f"{'':22}" + "".join(f"{name:>9}" for name in SETS))
    rows = {name: (of == name) & (share < 0.5) for name in SETS}
    print(f"{'texts':22}" + "".join(f"{rows[name].sum():9,}" for name in SETS))
    for label, found in scores.items():
        print(f"{label:22}" + "".join(f"{rank_correlation(found[rows[s]], means[rows[s]]):9.3f}" for s in SETS))
    if "vaderSentiment" in scores:
        for label in LEXICONS:
            gains = [gain_in_rank_correlation(scores["vaderSentiment"][rows[s]], scores[label][rows[s]], means[rows[s]])
                     for s in SETS]  # fmt: skip
            told = ", ".join(f"{s} [{low:+.3f}, {high:+.3f}]" for s, (low, high) in zip(SETS, gains, strict=True))
            print(f"gain of {label}: {told}")


def by_sign(texts: Sequence[ratings.RatedText], scores: dict[str, Floats]) -> None:
    """Sign agreement on texts with a negator or 'but'."""
    means = np.array([text.mean for text in texts])
    share = np.array([share_of(text.group, "words") for text in texts])
    hard = np.array([bool(NEGATED.search(text.text)) for text in texts]) & (np.abs(means) >= 0.5)
    print("\nSign agreement with people's mean, texts with a negator or 'but', |mean| >= 0.5")
    for part, rows in (("all", hard), ("the half that chose nothing", hard & (share < 0.5))):
        right = {label: (np.sign(found[rows]) == np.sign(means[rows])).astype(float) for label, found in scores.items()}
        print(f"{part}: {rows.sum():,} texts; " + ", ".join(f"{label} {r.mean():.3f}" for label, r in right.items()))
        if "vaderSentiment" in right:
            groups = [text.group for text, kept in zip(texts, rows, strict=True) if kept]
            for label in LEXICONS:
                gain = paired_bootstrap(right["vaderSentiment"], right[label], groups, n=2000)
                print(f"  {label} less vaderSentiment: {gain.mean:+.3f} [{gain.low:+.3f}, {gain.high:+.3f}]")


def stated_ranges(texts: Sequence[ratings.RatedText]) -> None:
    """How often people's mean lies in the range that a reading states."""
    print("\nStated ranges of the rules as shipped (the half that chose nothing)")
    for name in SETS:
        apart = [text for text in texts if text.set == name and share_of(text.group, "words") < 0.5]
        found = [(read(text.text).whole, text.mean) for text in apart]
        known = [(whole, mean) for whole, mean in found if whole]
        held = {z: np.mean([abs(w.value - m) <= z * w.variance**0.5 for w, m in known]) for z in (0.6745, 1.645)}
        share = len(known) / len(found)
        print(
            f"{name:8} 50% ranges hold {held[0.6745]:.0%}, 90% ranges {held[1.645]:.0%}; {share:.0%} of texts are read"
        )


def by_grades(texts: Sequence[ratings.RatedText]) -> None:
    """What a few grades beside the comments teach: one rater's grade of each text, predicted for texts not graded.

    The grades are single ratings, so most of the error left is that between people.
    """
    print("\nAfter n grades beside comments: mean absolute error of the next person's grade, and 90% ranges that hold")
    for name in SETS:
        apart = sorted((t for t in texts if t.set == name), key=lambda t: share_of(t.id, "graded"))
        grades_N = [text.ratings[int(share_of(text.id, "who") * len(text.ratings))] for text in apart]
        readings = [read(text.text) for text in apart[:2500]]
        told = []
        for n in (0, 10, 100, 1000):
            fitted = grades.fit(readings[:n], grades_N[:n], [""] * n)
            pairs = [
                (fitted.predict(r), g) for r, g in zip(readings[1000:], grades_N[1000:2500], strict=True) if r.whole
            ]
            errors = np.array([abs(p.value - grade) for p, grade in pairs if p])
            wide = np.sqrt([p.variance for p, _ in pairs if p])
            told.append(f"{n}: {errors.mean():.2f} ({np.mean(errors <= 1.645 * wide):.0%})")
        print(f"{name:8} {', '.join(told)}")


def by_learning(texts: Sequence[ratings.RatedText]) -> None:
    """The learned scorer on texts it did not see."""
    print("\nLearned scorer: Spearman with people's mean on texts it did not see")
    for below in (0.5, 0.25):
        fitted = [text for text in texts if share_of(text.group, "words") >= below]
        began = time.perf_counter()
        scorer = learned.fit([t.text for t in fitted], [t.mean for t in fitted])
        took = time.perf_counter() - began
        told = []
        for name in SETS:
            apart = [text for text in texts if text.set == name and share_of(text.group, "words") < below]
            found = scorer.predict([text.text for text in apart])
            means = np.array([text.mean for text in apart])
            values = np.array([each.value for each in found])
            wide = np.sqrt([each.variance for each in found])
            held = np.mean(np.abs(values - means) <= 1.645 * wide)
            told.append(f"{name} {rank_correlation(values, means):.3f} (n {len(apart):,}, 90% ranges hold {held:.0%})")
        print(f"fitted to {len(fitted):,} texts in {took:.0f} s: {'; '.join(told)}")


def own_sets() -> None:
    """Our own negation and contrast sets."""
    print("\nOur own sets, read rightly (negation: sign of the whole; contrast: also the sign of every aspect named)")
    for name in ("negation", "contrast"):
        lines = (DATA / f"{name}.tsv").read_text(encoding="utf-8").splitlines()
        rows = [line.split("\t") for line in lines if not line.startswith("#")]
        right = np.array([_is_right(row) for row in rows])
        unseen = np.array([share_of(row[-1], "words") < 0.5 for row in rows])
        chinese = np.array([row[0] == "zh" for row in rows])
        parts = (("all", right), ("English", right[~chinese]), ("Chinese", right[chinese]),
                 ("not looked at while building", right[unseen]))  # fmt: skip
        print(
            f"{name}: " + ", ".join(f"{label} {part.sum()} of {len(part)} ({part.mean():.1%})" for label, part in parts)
        )


def _is_right(row: Sequence[str]) -> bool:
    _, sign, *expected, text = row
    found = read(text)
    wanted = {part[:-1]: part[-1] for part in expected[0].split() if part != "."} if expected else {}
    signs = {aspect: _sign(each.value) for aspect, each in found.aspects.items()}
    whole = _sign(found.whole.value) if found.whole else "0"
    return sign in (".", whole) and all(signs.get(aspect) == each for aspect, each in wanted.items())


def _sign(value: float) -> str:
    return "0" if abs(value) < LEAST else "+" if value > 0 else "-"


def by_model(folder: Path, texts: Sequence[ratings.RatedText], form: asked.Form, n: int = 120) -> None:
    """A model in the rules' place, on a few texts of each set."""
    from burnish.models.policy import Policy
    from burnish.models.sampler import EngineSampler

    few = sorted((t for t in texts if share_of(t.group, "words") < 0.5), key=lambda t: share_of(t.id, "few"))[:n]
    words = [text.text for text in few]
    replies = asked.ask(EngineSampler(Policy.load(folder)), words, [""] * len(words), form=form)
    failed = sum(reply is None for reply in replies)
    print(f"\nA model reads {n} of the texts in the form {form!r}: {failed} replies of no use")
    if n - failed >= 2:
        found = asked.compare([read(text) for text in words], replies, [text.mean for text in few])
        print(f"mean error: rules {found.rules:.2f}, model {found.model:.2f}; gain {found.gain.mean:+.2f} "
              f"[{found.gain.low:+.2f}, {found.gain.high:+.2f}]")  # fmt: skip


def choose(texts: Sequence[ratings.RatedText]) -> None:
    """What the rules' fitted numbers come from, on the half that nothing is measured on."""
    chosen_by = [text for text in texts if share_of(text.group, "words") >= 0.5]
    print(f"Spearman with people's mean, the half that chooses ({len(chosen_by):,} texts), by what a word counts that")
    print(f"only VADER lists; in use: {lexicon.OUT_OF_CONTEXT}")
    print("     " + "".join(f"{name:>9}" for name in (*SETS, "mean")))
    for share in (0.0, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0):
        words = lexicon.by_hand().with_words(lexicon.vader(), share)
        found = []
        for name in SETS:
            part = [text for text in chosen_by if text.set == name]
            scores = np.array([strength(text.text, words) for text in part])
            found.append(rank_correlation(scores, np.array([text.mean for text in part])))
        print(f"{share:5.1f}" + "".join(f"{value:9.4f}" for value in (*found, np.mean(found))))
    fit_scale([text for text in chosen_by if text.set in FITTED_TO])


def fit_scale(texts: Sequence[ratings.RatedText]) -> None:
    """The strength halfway along the scale, by least squares, and the variances left; every set counts the same."""
    readings = [(text, parsed) for text in texts if any((parsed := parse(text.text)).weighed)]
    of = np.array([text.set for text, _ in readings])
    weight_N = sum((of == name) / (of == name).sum() for name in FITTED_TO)
    mean_N = np.array([text.mean for text, _ in readings])
    strength_N = np.array([parsed.strength for _, parsed in readings])
    grid = np.arange(2.0, 10.0, 0.1)
    squares = [np.average((4 * strength_N / (abs(strength_N) + half) - mean_N) ** 2, weights=weight_N) for half in grid]
    half = grid[int(np.argmin(squares))]
    error_N = 4 * strength_N / (abs(strength_N) + half) - mean_N
    said = [[valence for found in parsed.weighed for valence in found] for _, parsed in readings]
    mixed_N = np.array([min(valences) < -LEAST and max(valences) > LEAST for valences in said])
    many_N = np.array([min(3, len(valences)) for valences in said])
    parts = {name: ~mixed_N & (many_N == n) for n, name in enumerate(("one opinion", "two", "more"), 1)}
    parts["good and bad"] = mixed_N
    told = (f"{name} {np.average(error_N[rows] ** 2, weights=weight_N[rows]):.2f}" for name, rows in parts.items())
    print(f"\nThe scale, fitted to {', '.join(FITTED_TO)}: HALF_WAY {half:.1f} (in use: {HALF_WAY})")
    print(f"variances: {', '.join(told)} (in use: {VARIANCES}, {MIXED})")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description="How well comments are read.")
    parser.add_argument("--model", type=Path, help="also ask the model in this folder to read some")
    parser.add_argument("--choose", action="store_true", help="print what the rules' fitted numbers come from")
    args = parser.parse_args()
    texts = ratings.load()
    if args.choose:
        choose(texts)
        return
    compound = vader()
    scores: dict[str, Floats] = {} if compound is None else {
        "vaderSentiment": np.array([compound(text.text) for text in texts])
    }  # fmt: skip
    for label, words in LEXICONS.items():
        known, began = words(), time.perf_counter()
        scores[label] = np.array([strength(text.text, known) for text in texts])
        print(f"{label}: {len(texts) / (time.perf_counter() - began):,.0f} texts a second")
    by_rule(texts, scores)
    by_sign(texts, scores)
    own_sets()
    stated_ranges(texts)
    by_grades(texts)
    by_learning(texts)
    if args.model:
        by_model(args.model, texts, "number")
        by_model(args.model, texts, "full", n=40)


if __name__ == "__main__":
    main()
