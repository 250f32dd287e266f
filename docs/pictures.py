"""Draws docs/which-method.svg and its Chinese twin: kinds of feedback, the four signals, the families of methods.

Which signal leads to which family, and which methods a family has, is what the methods' own `needs` say.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from method_pages import FAMILIES, family

from burnish import methods

SIGNALS = ("Demonstration", "Preference", "Score", "Critique")
KINDS: tuple[tuple[str, str], ...] = (
    ("raw text", "D"),
    ("answers people wrote", "D"),
    ("corrections", "DPC"),
    ("comparisons, rankings", "P"),
    ("ratings, thumbs", "S"),
    ("clicks and other acts", "S"),
    ("checklists", "SC"),
    ("comments, suggestions", "SC"),
    ("marked parts", "C"),
)
"""What people give, and the first letters of the signals it becomes."""
COMPUTED = "a check, a program, a judge"
ORDER = ("Adversarial", "Imitation", "Preferences", "Language", "Q-learning", "Rewards", "Reinforcement")
"""From top to bottom, so that few lines cross."""
NOT_EATEN = {"constitution"}
"""Takes prompts out of any signal and learns from none."""

WORDS: Mapping[str, Mapping[str, str]] = {
    "en": {
        "title": "Which method for which feedback: kinds of feedback become four signals, families of methods learn",
        "kinds": "what people give",
        "signals": "what it becomes",
        "families": "what learns from it",
        "Demonstration": "demonstration",
        "Preference": "preference",
        "Score": "score",
        "Critique": "critique",
        "Demonstration?": "imitate this",
        "Preference?": "this rather than that",
        "Score?": "how good, how sure",
        "Critique?": "what is wrong, in words",
        "reward": "a reward",
    },
    "zh": {
        "title": "哪种反馈用哪种方法：各种反馈变成四种信号，各类方法从信号中学习",
        "kinds": "人们给出什么",
        "signals": "变成什么信号",
        "families": "哪类方法从中学习",
        "Demonstration": "示范",
        "Preference": "偏好",
        "Score": "分数",
        "Critique": "评语",
        "Demonstration?": "照这样写",
        "Preference?": "这个胜过那个",
        "Score?": "有多好，有多确定",
        "Critique?": "哪里不好，用话说出",
        "reward": "奖励",
        "raw text": "纯文本",
        "answers people wrote": "人写的回答",
        "corrections": "修改",
        "comparisons, rankings": "比较、排序",
        "ratings, thumbs": "评分、点赞",
        "clicks and other acts": "点击等行为",
        "checklists": "检查清单",
        "comments, suggestions": "评语、建议",
        "marked parts": "标注的片段",
        COMPUTED: "检验、程序或裁判",
        "Adversarial": "对抗",
        "Imitation": "模仿",
        "Preferences": "偏好优化",
        "Language": "从语言中学习",
        "Q-learning": "Q 学习",
        "Rewards": "奖励模型",
        "Reinforcement": "强化学习",
    },
}

STYLE = """
    .box { fill: #f6f3ec; stroke: #8a6d3b; stroke-width: 1.2; } .name { fill: #33270f; font-size: 14.5px; }
    .strong { font-weight: 600; } .what { fill: #6b5a36; font-size: 11.5px; } .middle { text-anchor: middle; }
    .code { font-family: ui-monospace, monospace; font-size: 11px; } .head { fill: #8a6d3b; font-size: 13px; }
    .way { fill: none; stroke-width: 1.7; opacity: 0.85; } .D { stroke: #4d7c3a; } .P { stroke: #2f6ea8; }
    .S { stroke: #b07312; } .C { stroke: #8d4a9e; } .R { stroke: #8a6d3b; } .tip { fill: #8a6d3b; }
    @media (prefers-color-scheme: dark) {
      .box { fill: #2b2418; stroke: #c8a15a; } .name { fill: #f3e8d0; } .what { fill: #cdb98f; }
      .head { fill: #c8a15a; } .D { stroke: #8fc27a; } .P { stroke: #7fb4e6; } .S { stroke: #e8b04f; }
      .C { stroke: #cf9be0; } .R { stroke: #c8a15a; } .tip { fill: #c8a15a; }
    }
"""
WIDTH, TOP, GAP = 1000, 44, 14
LEFT, MIDDLE, RIGHT = (14, 212), (374, 186), (690, 296)
"""Where each column begins, and how wide it is."""


@dataclass(frozen=True)
class Box:
    """A box with its title and the lines below it."""

    key: str
    x: float
    y: float
    width: float
    lines: tuple[str, ...] = ()
    code: bool = False

    @property
    def height(self) -> float:
        return 34 + 15 * len(self.lines)

    @property
    def centre(self) -> float:
        return self.y + self.height / 2


def which_method(language: str) -> str:
    """Return the picture as SVG, readable on light and on dark ground."""
    words = WORDS[language]
    right = _stack([(name, tuple(textwrap.wrap("  ".join(_of(name)), 44))) for name in ORDER], RIGHT, TOP, code=True)
    bottom = right[-1].y + right[-1].height
    kinds = _stack([(kind, ()) for kind, _ in KINDS], LEFT, TOP, until=right[-1].y - GAP)
    signals = _stack(
        [(signal, (words[f"{signal}?"],)) for signal in SIGNALS], MIDDLE, TOP + 30, until=right[-1].y - GAP - 20
    )
    computed = Box(COMPUTED, LEFT[0], right[-1].centre - 17, LEFT[1])
    parts = [
        *_ways(
            kinds, signals, [(i, SIGNALS.index(_named(letter))) for i, (_, to) in enumerate(KINDS) for letter in to]
        ),
        *_ways(signals, right, _learned(), by_start=True),
        *_rewards(computed, right[-2], right[-1], words["reward"]),
        *(part for box in (*kinds, computed, *signals, *right) for part in _drawn(box, words)),
        *(
            f'<text class="head middle" x="{x + width / 2:g}" y="26">{words[head]}</text>'
            for (x, width), head in ((LEFT, "kinds"), (MIDDLE, "signals"), (RIGHT, "families"))
        ),
    ]
    inside = "\n  ".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {bottom + 14:g}" width="{WIDTH}" role="img" '
        f'aria-label="{words["title"]}" font-family="system-ui, sans-serif">\n'
        f"  <!-- Drawn by docs/pictures.py: change it there, then `make docs`. -->\n  <style>{STYLE}  </style>\n"
        '  <defs><marker id="tip" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7" orient="auto">'
        f'<path class="tip" d="M0 0 L10 5 L0 10 z"/></marker></defs>\n  {inside}\n</svg>\n'
    )


def _of(name: str) -> list[str]:
    return [each for each in methods.names() if family(each) == name]


def _named(letter: str) -> str:
    return next(signal for signal in SIGNALS if signal.startswith(letter))


def _learned() -> list[tuple[int, int]]:
    """Return which signal (by number) leads to which family (by number)."""
    found = set()
    for name in set(methods.names()) - NOT_EATEN:
        module = methods.load(name)
        needs = module.needs(module.Config())
        if needs.policy and needs.partner:  # the partner learns from the signals
            partner = methods.load(needs.partner)
            needs = partner.needs(partner.Config())
        found |= {(SIGNALS.index(each.__name__), ORDER.index(family(name))) for each in needs.eats}
    return sorted(found)


def _stack(
    rows: Sequence[tuple[str, tuple[str, ...]]],
    column: tuple[float, float],
    top: float,
    *,
    until: float = 0,
    code: bool = False,
) -> list[Box]:
    """Return boxes one below the other, spread evenly down to `until` where that is given."""
    plain = [Box(key, column[0], 0, column[1], lines, code) for key, lines in rows]
    gap = (until - top - sum(box.height for box in plain)) / (len(plain) - 1) if until else GAP
    found, y = [], top
    for box in plain:
        found.append(Box(box.key, box.x, y, box.width, box.lines, code))
        y += box.height + gap
    return found


def _ways(
    starts: Sequence[Box], ends: Sequence[Box], pairs: Sequence[tuple[int, int]], by_start: bool = False
) -> Iterator[str]:
    """Yield a curve for each pair, their ends spread over the boxes' sides; its colour is the signal's."""
    for i, j in pairs:
        out = sorted(b for a, b in pairs if a == i)
        into = sorted(a for a, b in pairs if b == j)
        x, y = starts[i].x + starts[i].width, _at(starts[i], out.index(j), len(out))
        to, down = ends[j].x, _at(ends[j], into.index(i), len(into))
        signal = SIGNALS[i] if by_start else SIGNALS[j]
        bend = (to - x) / 2
        yield (
            f'<path class="way {signal[0]}" d="M{x:g} {y:.1f} C{x + bend:g} {y:.1f} {to - bend:g} {down:.1f} '
            f'{to:g} {down:.1f}"/>'
        )


def _at(box: Box, place: int, of: int) -> float:
    return box.y + box.height * (place + 1) / (of + 1)


def _rewards(computed: Box, rewards: Box, reinforcement: Box, word: str) -> Iterator[str]:
    """Yield the two ways to reinforcement: a reward that was learned, and one that is computed."""
    x, y = reinforcement.x, reinforcement.centre
    yield f'<path class="way R" marker-end="url(#tip)" d="M{computed.x + computed.width:g} {y:g} L{x:g} {y:g}"/>'
    yield f'<text class="what middle" x="{(computed.x + computed.width + x) / 2:g}" y="{y - 7:g}">{word}</text>'
    middle = rewards.x + rewards.width / 2
    below = rewards.y + rewards.height
    yield f'<path class="way R" marker-end="url(#tip)" d="M{middle:g} {below:g} L{middle:g} {reinforcement.y:g}"/>'


def _drawn(box: Box, words: Mapping[str, str]) -> Iterator[str]:
    strong = " strong" if box.lines else ""
    middle = box.x + box.width / 2
    yield (
        f'<rect class="box" x="{box.x:g}" y="{box.y:.1f}" width="{box.width:g}" height="{box.height:g}" rx="8"/>'
        f'<text class="name middle{strong}" x="{middle:g}" y="{box.y + 22:.1f}">{words.get(box.key, box.key)}</text>'
    )
    code = " code" if box.code else ""
    for number, line in enumerate(box.lines):
        y = box.y + 39 + 15 * number
        yield f'<text class="what middle{code}" xml:space="preserve" x="{middle:g}" y="{y:.1f}">{line}</text>'


assert set(ORDER) == set(FAMILIES)
