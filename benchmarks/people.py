"""Are careless, contrary and one-sided people found, and is the truth found in spite of them? On simulated people.

    python benchmarks/people.py scores     orders from comparisons: plain Bradley-Terry, CrowdBT, slope and side
    python benchmarks/people.py classes    classes from labels: the majority and Dawid-Skene shrunk by skill
    python benchmarks/people.py manners    who is called what, on the comparisons above
    python benchmarks/people.py rubrics    texts from checklists by people of unlike strictness: plain and many-facet
    python benchmarks/people.py            all four
    python benchmarks/people.py scores --picture coverage.svg    how often intervals of every width hold

Comparisons: 12 items, scores ~ N(0, 1); 8 people with 60 votes each: 4 careful, 2 who guess, 1 who picks the left 90%
of the time, 1 adversary. A careful person's slope is 1, 1.5 or 2: how far apart the items seem. Labels: 600 items, each
labelled by 3 of 10 people. Checklists: 40 texts, five points of unlike hardness, six people whose strictness
spreads by 0, 1 or 2 logits, two of them for each text. 40 seeds each; intervals by bootstrap over seeds. No real data,
no model.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, ndtri
from scipy.stats import kendalltau

from burnish.feedback import checklists
from burnish.feedback.answers import Answer, People, SignalConfig
from burnish.feedback.crowd import beyond_chance
from burnish.feedback.person import Estimate, Person
from burnish.maths.annotators import fit, votes
from burnish.maths.choice import bradley_terry
from burnish.maths.crowd_bt import crowd_bt
from burnish.maths.dawid_skene import dawid_skene, majority
from burnish.maths.intervals import bootstrap_mean, paired_bootstrap
from burnish.records import Author, Completion, Feedback, Prompt

Floats: TypeAlias = NDArray[np.float64]
ITEMS, VOTES, LABELLED, EACH = 12, 60, 600, 3
WIDE = float(ndtri(0.95))  # half of a 90% interval, in standard deviations


def told(values: Sequence[float] | Floats, digits: int = 3) -> str:
    """Mean with its 95% interval over seeds."""
    found = bootstrap_mean(np.asarray(values))
    return f"{found.mean:.{digits}f} [{found.low:.{digits}f}, {found.high:.{digits}f}]"


# -------------------------------------------------------------------------------------------------------------- scores


def compared(
    seed: int, careful: float, each: int = VOTES
) -> tuple[Floats, NDArray[Any], NDArray[Any], NDArray[Any], Floats]:
    """True scores, left and right items, people, and whether the left was chosen."""
    generator = np.random.default_rng(seed)
    slopes = np.array([careful] * 4 + [0, 0, 0, -careful])
    sides = np.array([0.0] * 6 + [np.log(9), 0])
    scores = generator.normal(size=ITEMS)
    person = np.repeat(np.arange(8), each)
    left = generator.integers(ITEMS, size=len(person))
    right = (left + generator.integers(1, ITEMS, size=len(person))) % ITEMS
    level = slopes[person] * (scores[left] - scores[right]) + sides[person]
    return scores, left, right, person, (generator.random(len(person)) < expit(level)).astype(float)


def choix_scores(winner: NDArray[Any], loser: NDArray[Any]) -> Floats | None:
    """Bradley-Terry of the package choix, where it is installed."""
    try:
        import choix
    except ImportError:
        return None
    return np.asarray(choix.ilsr_pairwise(ITEMS, list(zip(winner.tolist(), loser.tolist(), strict=True)), alpha=0.1))


def scores_study(seeds: int, picture: str = "") -> None:
    errors: dict[float, list[Floats]] = {careful: [] for careful in (1.0, 1.5, 2.0)}
    for careful in errors:
        taus: dict[str, list[float]] = {name: [] for name in ("choix", "plain", "crowd_bt", "slope and side")}
        held: dict[str, list[float]] = {name: [] for name in ("scores", "differences")}
        for seed in range(seeds):
            truth, left, right, person, share = compared(seed, careful)
            winner, loser = np.where(share == 1, left, right), np.where(share == 1, right, left)
            found = fit(votes(left, right, person, share, n_items=ITEMS, n_people=8))
            plain = bradley_terry(winner, loser, n_items=ITEMS).scores_I
            crowd = crowd_bt(winner, loser, person, n_items=ITEMS, n_people=8).scores_I
            peer = choix_scores(winner, loser)
            for name, scores in zip(taus, (peer, plain, crowd, found.scores_I), strict=True):
                if scores is not None:
                    taus[name].append(float(kendalltau(scores, truth)[0]))
            right_scale = careful * (truth - truth.mean())
            errors[careful].append((found.scores_I - right_scale) / np.sqrt(found.variance_I))
            held["scores"].append(_inside(found.scores_I - right_scale, found.variance_I))
            one, two = np.triu_indices(ITEMS, 1)
            off = (found.scores_I[one] - found.scores_I[two]) - (right_scale[one] - right_scale[two])
            held["differences"].append(_inside(off, found.gap_variance(one, two)))
        print(f"\ncareful slope {careful:g}, {seeds} seeds           Kendall tau [95%]")
        for name, values in taus.items():
            print(f"  {name:16} {told(values) if values else 'not installed'}")
        gain = paired_bootstrap(taus["plain"], taus["slope and side"])
        print(f"  slope and side above plain: {gain.mean:+.3f} [{gain.low:+.3f}, {gain.high:+.3f}]")
        print(f"  90% intervals hold: scores {told(held['scores'])}, differences {told(held['differences'])}")

    if picture:
        _draw({careful: np.concatenate(given) for careful, given in errors.items()}, picture)


def _draw(errors: dict[float, Floats], path: str) -> None:
    """Share of intervals that hold against what they claim to hold, a line for each slope of a careful person."""
    from burnish.evaluation.pictures import ACCENT, FAINT, INK, MUTED, new_figure, style

    claimed = np.linspace(0.02, 0.98, 49)
    with style():
        figure, axes = new_figure(4.6, 4.2)
        axes.plot([0, 1], [0, 1], color=MUTED, linewidth=1, linestyle=(0, (4, 3)))
        for (careful, z), colour in zip(errors.items(), (FAINT, ACCENT, INK), strict=True):
            held = [(np.abs(z) < ndtri(0.5 + share / 2)).mean() for share in claimed]
            axes.plot(claimed, held, color=colour, label=f"careful slope {careful:g}")
        axes.set(xlim=(0, 1), ylim=(0, 1), aspect="equal", xlabel="intervals claim to hold", ylabel="intervals hold")
        axes.set_title("Posterior intervals of the scores")
        axes.legend(frameon=False, loc="upper left", fontsize=9)
        figure.savefig(path, metadata={"Date": None, "Creator": None})


def _inside(off: Floats, variance: Floats) -> float:
    return float((np.abs(off) < WIDE * np.sqrt(variance)).mean())


# ------------------------------------------------------------------------------------------------------------- manners

TRUE_MANNERS = ("careful",) * 4 + ("careless",) * 2 + ("one-sided", "adversarial")


def manners_study(seeds: int) -> None:
    print(f"\nwho is called what, {seeds} seeds, careful slope 1.5: share of people, by votes each")
    for each in (VOTES, 4 * VOTES):
        called: dict[str, Counter[str]] = {true: Counter() for true in TRUE_MANNERS}
        for seed in range(seeds):
            _, *vote = compared(seed, 1.5, each)
            given = votes(*vote, n_items=ITEMS, n_people=8)
            found, beyond = fit(given), beyond_chance(given)
            assert beyond is not None, "both halves link people"
            for k, true in enumerate(TRUE_MANNERS):
                person = Person(
                    Author(str(k)),
                    {"comparison": each},
                    votes=each,
                    slope=Estimate(float(found.slope_K[k]), float(np.sqrt(found.slope_variance_K[k]))),
                    side=Estimate(float(found.side_K[k]), float(np.sqrt(found.side_variance_K[k]))),
                    follows={"vote": float(beyond[k])},
                )
                called[true][person.manner.value] += 1
        for true, counts in called.items():
            told = ", ".join(f"{name} {number / counts.total():.2f}" for name, number in counts.most_common())
            print(f"  {each:4} votes, {true:12} {told}")


# ------------------------------------------------------------------------------------------------------------- classes

CROWDS: dict[str, Callable[[], list[float]]] = {
    "alike: error 0.30 each": lambda: [0.3] * 10,
    "unlike: five err 0.05, five 0.50": lambda: [0.05] * 5 + [0.5] * 5,
    "unlike: errors evenly from 0.05 to 0.50": lambda: np.linspace(0.05, 0.5, 10).tolist(),
    "one adversary (0.95), nine from 0.05 to 0.50": lambda: [*np.linspace(0.05, 0.5, 9).tolist(), 0.95],
}


def classes_study(seeds: int) -> None:
    for classes in (2, 4):
        head = "majority  Dawid-Skene  ceiling   gain in points [95%], of at most"
        print(f"\n{classes} classes, {seeds} seeds: accuracy              {head}")
        for name, errors in CROWDS.items():
            rows = np.array([_accuracies(seed, np.array(errors()), classes) for seed in range(seeds)])
            gain = paired_bootstrap(rows[:, 0], rows[:, 1])
            bare, ours, most = rows.mean(axis=0)
            points = f"{100 * gain.mean:+5.1f} [{100 * gain.low:+.1f}, {100 * gain.high:+.1f}]"
            most_points = f"{100 * (most - bare):+.1f}"
            print(f"  {name:45} {bare:.3f}     {ours:.3f}        {most:.3f}     {points}, {most_points}")


def _accuracies(seed: int, errors: Floats, classes: int) -> tuple[float, float, float]:
    """Of the majority (ties by chance), of Dawid-Skene, and of Bayes' rule with the true errors: the ceiling."""
    generator = np.random.default_rng(seed)
    truth = generator.integers(classes, size=LABELLED)
    person = np.concatenate([generator.permutation(len(errors))[:EACH] for _ in range(LABELLED)])
    item = np.repeat(np.arange(LABELLED), EACH)
    wrong = generator.random(len(item)) < errors[person]
    said = np.where(wrong, (truth[item] + generator.integers(1, classes, size=len(item))) % classes, truth[item])
    luck = 1e-6 * generator.random((LABELLED, classes))
    bare = majority(item, said, n_items=LABELLED, n_classes=classes) + luck
    found = dawid_skene(item, person, said, n_items=LABELLED, n_people=len(errors), n_classes=classes)
    known = np.zeros((LABELLED, classes))
    np.add.at(known, (item, said), (np.log(1 - errors) - np.log(errors / (classes - 1)))[person])
    one, two, three = ((each.argmax(axis=1) == truth).mean() for each in (bare, found.chance_IC, known + luck))
    return float(one), float(two), float(three)


# ------------------------------------------------------------------------------------------------------------- rubrics


def judged(seed: int, spread: float) -> tuple[Floats, list[Answer]]:
    """Quality of 40 texts, and two people's answers on five points of each."""
    draw = np.random.default_rng(seed)
    quality, hard, strict = draw.normal(size=40), np.linspace(-1, 1, 5), spread * draw.normal(size=6)
    answers = []
    for number, level in enumerate(quality.tolist()):
        text = Completion("q", f"text {number}")
        for person in draw.permutation(6)[:2].tolist():
            met = draw.random(5) < expit(2 * (level - strict[person] - hard))
            points = [{"criterion": f"point {k}", "answer": bool(there)} for k, there in enumerate(met)]
            said = Feedback(
                f"{number}-{person}", "rubric", "q", (text.id,), {"rubric": points}, Author(f"person {person}")
            )
            answers.append(Answer(Prompt.of("q"), (text,), said))
    return quality, answers


def rubrics_study(seeds: int) -> None:
    print(f"\n40 texts, 5 points, 2 of 6 people each, {seeds} seeds: Kendall tau with the texts' quality [95%]")
    for spread in (0.0, 1.0, 2.0):
        taus: dict[People, list[float]] = {"plain": [], "reliable": []}
        for seed in range(seeds):
            quality, answers = judged(seed, spread)
            for way, values in taus.items():
                found = [each for each in checklists.scores(answers, SignalConfig(people=way)) if not each.aspect]
                values.append(float(kendalltau([each.value for each in found], quality)[0]))
        gain = paired_bootstrap(taus["plain"], taus["reliable"])
        told_of = ", ".join(f"{way} {told(values)}" for way, values in taus.items())
        print(
            f"  strictness spreads by {spread:g}: {told_of}, gain {gain.mean:+.3f} [{gain.low:+.3f}, {gain.high:+.3f}]"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description="Is the truth found in spite of careless and contrary people?")
    parser.add_argument("study", nargs="?", choices=("scores", "manners", "classes", "rubrics"), help="default: all")
    parser.add_argument("--seeds", type=int, default=40, help="default: 40")
    parser.add_argument("--picture", default="", metavar="FILE", help="draw the coverage of the scores' intervals")
    args = parser.parse_args()
    studies: dict[str, Callable[..., None]] = {
        "scores": scores_study,
        "manners": manners_study,
        "classes": classes_study,
        "rubrics": rubrics_study,
    }
    for name in [args.study] if args.study else studies:
        studies[name](args.seeds, *([args.picture] if name == "scores" else []))


if __name__ == "__main__":
    main()
