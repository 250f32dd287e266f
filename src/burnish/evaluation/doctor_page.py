"""The page of `burnish feedback doctor --out`: what may be wrong with the labels, for a person to look at.

One HTML file without a program or a request in it; texts and names pass through the template's escaping.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, Any

from burnish.evaluation import formats
from burnish.evaluation.pictures import ACCENT, COLOURS, FAINT, INK, new_figure, style
from burnish.evaluation.side_by_side import visible
from burnish.evaluation.svg import Picture, picture
from burnish.feedback.label_doctor import Examination, Twins

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SHOWN_AUTHORS = 25
_LEAST_LABELS = 10  # of an author who stands in the picture


@dataclass(frozen=True, slots=True)
class Section:
    """One part of the page: words, pictures and a table, any of them absent."""

    name: str
    title: str
    words: tuple[str, ...] = ()
    pictures: tuple[str, ...] = ()
    heads: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    caption: str = ""


def page(found: Examination, most: int) -> str:
    """Return the page with at most so many records of each finding."""
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    files = resources.files("burnish.evaluation")
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["visible"] = visible
    template = environment.from_string((files / "sections.html.jinja").read_text(encoding="utf-8"))
    drawn = {each.name: each for each in _pictures(found)}
    return template.render(
        kicker="burnish feedback doctor",
        title="What may be wrong with the labels",
        style=Markup((files / "report.css").read_text(encoding="utf-8")),
        pictures={name: (Markup(each.inline), each.width) for name, each in drawn.items()},
        sections=[
            _wrong(found, most, tuple(drawn)),
            _against_themselves(found, most),
            *_twins(found, most),
            _length(found),
        ],
    )


def _wrong(found: Examination, most: int, drawn: tuple[str, ...]) -> Section:
    words = (
        f"{found.labels:,} labels were examined. About {found.expected_wrong:,.0f} of them are expected to be wrong; "
        f"{len(found.suspects):,} are more likely wrong than not.",
        "Two witnesses judged each label, neither of which heard it: the other people who answered the same, and an "
        "ensemble of small models that learned from other texts. Look at the first of the list, not at the number: "
        "people may rightly differ.",
    )
    heads = ("record", "by", "wrong", "words of the texts", "others agree", "said")
    rows = tuple(
        (
            each.feedback_id,
            each.author or "anonymous",
            formats.percent(each.chance_wrong, 0),
            f"{formats.number(each.margin, 1, signed=True)} ± {formats.number(each.margin_spread, 1)}",
            formats.percent(each.others, 0),
            each.said[:120],
        )
        for each in found.suspects[:most]
    )
    return Section("wrong", "Most likely wrong", words, drawn, heads, rows, "The most suspicious records first")


def _against_themselves(found: Examination, most: int) -> Section:
    kinds = Counter(each.what for each in found.contradictions)
    told = "; ".join(f"{number:,} {what}" for what, number in kinds.items())
    words = f"{len(found.contradictions):,} times somebody said what cannot all be meant{f': {told}' if told else ''}."
    rows = tuple((each.author, each.what, ", ".join(each.feedback_ids)) for each in found.contradictions[:most])
    return Section("against", "Against themselves", (words,), (), ("who", "what", "records"), rows, "Contradictions")


def _twins(found: Examination, most: int) -> Iterator[Section]:
    same = [each for each in found.twins if not each.leaks]
    leaks = (
        f"{len(found.leaks):,} pairs of texts that are the same but for a few letters stand on both sides of a split: "
        "what is tested was learned by heart."
    )
    yield _pairs("leaks", "In training and in test", leaks, list(found.leaks)[:most])
    words = f"{len(same):,} more pairs of near-equal texts; each counts twice in whatever is learned."
    yield _pairs("twins", "Nearly the same", words, same[:most])


def _pairs(name: str, title: str, words: str, pairs: list[Twins]) -> Section:
    heads = ("what", "alike", "splits", "ids", "begins")
    rows = tuple(
        (each.what, formats.percent(each.similarity, 0), " / ".join(each.splits), " ".join(each.ids), each.text)
        for each in pairs
    )
    return Section(name, title, (words,), (), heads, rows, title)


def _length(found: Examination) -> Section:
    words = []
    if wins := found.length.longer_wins:
        bounds = f"{formats.percent(wins.low, 0)} to {formats.percent(wins.high, 0)}"
        words.append(f"The longer text won {formats.percent(wins.mean, 0)} ({bounds}) of {wins.n:,} comparisons.")
    if rank := found.length.rating_correlation:
        bounds = f"{formats.number(rank.low, 2, signed=True)} to {formats.number(rank.high, 2, signed=True)}"
        mean = formats.number(rank.mean, 2, signed=True)
        words.append(f"Rank correlation of length and mean rating: {mean} ({bounds}) over {rank.n:,} texts.")
    words.append("A reward model learns length where length pays; that people like it may still be right.")
    return Section("length", "Length", tuple(words))


# ------------------------------------------------------------------------------------------------------------ pictures


def _pictures(found: Examination) -> Iterator[Picture]:
    if not found.labels:
        return
    with style():
        yield picture("spread", _spread(found.spread), "How many labels are wrong with which probability", COLOURS)
        authors = [
            (name or "anonymous", wrong / labels)
            for name, (labels, wrong) in found.by_author.items()
            if labels >= _LEAST_LABELS
        ][:SHOWN_AUTHORS]
        if authors:
            yield picture("authors", _authors(authors), "Expected share of wrong labels of each author", COLOURS)


def _spread(counts: tuple[int, ...]) -> Figure:
    """How many labels lie at each tenth of probability, on a scale of powers of ten."""
    figure, axes = new_figure(5.0, 3.2)
    for place, count in enumerate(counts):
        if count:
            axes.bar(place + 0.5, count, width=0.86, color=ACCENT if place >= 5 else FAINT, linewidth=0)
            how: dict[str, Any] = {"ha": "center", "va": "bottom", "fontsize": 8.5, "color": INK}
            axes.text(place + 0.5, count, f"{count:,}", **how)
    axes.set_yscale("log")
    axes.set_ylim(0.5, 4 * max(counts))
    axes.set_yticks([])
    axes.minorticks_off()
    axes.set_xticks([0, 5, 10], ["0", "0.5", "1"])
    axes.spines["left"].set_visible(False)
    axes.set(xlabel="probability that the label is wrong")
    axes.set_title("Labels by how likely they are wrong")
    return figure


def _authors(rows: list[tuple[str, float]]) -> Figure:
    """Expected share of wrong labels, the largest first."""
    figure, axes = new_figure(5.0, 1.0 + 0.26 * len(rows))
    for place, (_, share) in enumerate(rows):
        axes.barh(place, share, height=0.62, color=ACCENT if share > 0.2 else FAINT, linewidth=0)
        axes.text(share + 0.005, place, formats.percent(share, 0), va="center", fontsize=8.5, color=INK)
    axes.set_yticks(range(len(rows)), [visible(name)[:24] for name, _ in rows])
    axes.tick_params(axis="y", length=0, labelcolor=INK, labelsize=8.5)
    axes.invert_yaxis()
    axes.set_xlim(0, max(0.3, 1.15 * rows[0][1]))
    axes.set_xticks([])
    axes.spines["left"].set_visible(False)
    axes.spines["bottom"].set_visible(False)
    axes.set_title("Expected share of wrong labels, by author")
    return figure
