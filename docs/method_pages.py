"""A page for each method, docs/methods/NAME.md, out of the method's own file; their index is docs/method_index.py's.

What a page says is the method's docstring, `Config`, `needs` and `METRICS`; what it reached on the world whose optimum
is known comes out of docs/toys.json, which `python benchmarks/toys.py --json docs/toys.json` writes.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import code_links
from docstrings import markdown, told

from burnish import config, methods
from burnish.errors import InputError
from burnish.records import Critique, Demonstration, Preference, Prompt, Score

DOCS = Path(__file__).resolve().parent
NOTICE = "<!-- Written by docs/generate.py from the code: change it there, then `make docs`. -->"
TOYS = DOCS / "toys.json"
BESIDE = DOCS / "beside"
"""What a method was measured beside: a JSON file and perhaps a picture, each written by a script of benchmarks/."""
MEASURE = "python benchmarks/toys.py --json docs/toys.json"

COMPUTES = ("loss", "targets", "act", "behaviour", "pay")
"""Functions whose statements stand beside the formula."""
DOES = ("prepare", "ask", "sampling", "choose")
"""Functions that move texts rather than compute."""

FAMILIES = {
    "Imitation": "Learn to say what was shown.",
    "Rewards": "Learn what people like, to score completions with; the language model itself stays as it is.",
    "Reinforcement": "Draw completions, have them scored, make the better ones likelier.",
    "Q-learning": "Learn what each token is worth, and let that choose.",
    "Preferences": "Learn from better and worse completions, without a reward in between.",
    "Language": "Learn from what people say in words.",
    "Adversarial": "Learn to be taken for real.",
}

GIVEN = {
    Demonstration: ("shown.jsonl", "demonstrations (what was shown, corrected or written by people)", "completion"),
    Preference: ("pairs.jsonl", "preferences (comparisons, rankings, corrections)", "pair"),
    Score: ("rated.jsonl", "scores (ratings, thumbs, rubrics)", "rating"),
    Critique: ("comments.jsonl", "critiques (comments, suggestions, marked parts)", "comment"),
}
ROWS = {
    "completion": '{"prompt": "Name a fruit.", "completion": "A pear."}',
    "pair": '{"prompt": "Name a fruit.", "chosen": "A pear.", "rejected": "Fruit."}',
    "rating": '{"prompt": "Name a fruit.", "completion": "A pear.", "rating": 4, "scale": [1, 5]}',
    "comment": '{"prompt": "Name a fruit.", "completion": "A pear, a pear.", "comment": "You said it twice."}',
    "spans": '{"prompt": "1 + 1 = ?", "completion": "It is 3.", "spans": [{"start": 6, "end": 7, "label": "wrong"}]}',
    "ranking": '{"prompt": "Name a fruit.", "completions": ["Fruit.", "A pear.", "Pear"], "ranking": [2, 0, 1]}',
    "text": "any text, in paragraphs",
}
UNLIKE = {
    "pretrain": ("corpus.txt", "text"),
    "process_reward": ("marked.jsonl", "spans"),
    "span_reward": ("marked.jsonl", "spans"),
    "ranking_reward": ("ranked.jsonl", "ranking"),
}
"""Methods that take their signals in another form than most of the kind."""

ASKED = ("asked.txt", "Name a fruit.")
ASKED_UNLIKE = {"star": ("asked.jsonl", '{"prompt": "1 + 1 = ?", "reference": "2"}')}
"""Prompts, and the methods that want more of them than the question."""

OF_DRAWN = {
    "reward": "Mean reward of what was drawn in this step: rises, with noise.",
    "length": "Mean tokens of what was drawn: a steady climb or fall is often the reward being pleased by length.",
    "zero_spread": "Share of prompts whose completions all got the same reward, which compare nothing: below 0.5.",
    "left_out": "Of what was drawn, how much was not learned from; why is told at the end and in `report.json`.",
    "unscored": "Completions that the reward could not score; they are left out: 0, or rare.",
}
"""Told of every method that draws completions, by the loop rather than the method."""

VIEWS = {
    "reference": "the untouched model's log-probs beside the policy's (with an adapter: the same weights without it)",
    "old": "the policy's own log-probs as they were before the first step on a window",
    "slow": "a slowly moving copy of its own heads",
    "teacher": "the policy's log-probs when it has read the feedback as well",
}
COMPARED = {"group": "prompt (`course.group`)", "window": "window"}
HEADS = {
    "reward": "a reward after every completion",
    "value": "what is to be expected after every token",
    "q": "what each next token is worth",
}


def family(name: str) -> str:
    """Return the family of a method, as its needs tell it."""
    module = methods.load(name)
    needs = module.needs(module.Config())
    if not needs.policy:
        return "Rewards"
    if "q" in needs.heads:
        return "Q-learning"
    if needs.partner:
        return "Adversarial"
    if Critique in needs.eats or hasattr(module, "ask"):
        return "Language"
    if needs.fresh:
        return "Reinforcement"
    return "Preferences" if Preference in needs.eats else "Imitation"


# ------------------------------------------------------------------------------------------------------ one page


def method_page(name: str, results: Mapping[str, Any] | None = None) -> str:
    """Return docs/methods/NAME.md; without a result of the method it has no section of what was measured."""
    module, text = methods.load(name), told(name)
    measured = (results_of_toys() if results is None else results).get(name)
    sections = [
        f"# `{name}`",
        NOTICE,
        f"[All methods](../methods.md) · {family(name)} · [the code](../../{code_links.place(module)}) · "
        f"[its tests](../../tests/methods/test_{name}.py)",
        f"**{markdown(text.what)}**",
        "## Idea",
        *map(markdown, text.idea),
        "## The formula, and the code that computes it",
        f"```text\n{text.formula}\n```",
        *_code(name),
        "## What it needs",
        *_needs(name),
        "## Run it",
        *_command(name),
        "## Settings",
        _settings(module.Config),
        *_of_partner_settings(module),
        "## What the logged numbers mean, and what is healthy",
        _metrics(module),
        *([] if measured is None else ["## Measured where the optimum is known", *_measured(name, measured)]),
        *_beside(name),
        "## How it fails",
        markdown(text.fails),
        "## Sources",
        markdown(text.sources.partition(": ")[2]),
    ]
    return "\n\n".join(sections) + "\n"


def results_of_toys() -> dict[str, Any]:
    """Return what each method reached in the small world, by name; nothing where it was never measured."""
    found: dict[str, Any] = json.loads(TOYS.read_text(encoding="utf-8")) if TOYS.exists() else {}
    return found


def _settings(cls: type[Any]) -> str:
    rows = [
        f"| `{key.name}` | `{cell(key.default)}` | {key.expects} | {cell(key.doc)} |" for key in config.describe(cls)
    ]
    return "| setting | default | takes | meaning |\n|---|---|---|---|\n" + "\n".join(rows)


def _of_partner_settings(module: Any) -> Iterator[str]:
    if partner := module.needs(module.Config()).partner:
        yield f"Those of its partner, [`{partner}`]({partner}.md#settings), are set as `--set partner.NAME=VALUE`."


def _metrics(module: Any) -> str:
    needs = module.needs(module.Config())
    every = {**module.METRICS, **(OF_DRAWN if needs.fresh and needs.policy else {})}
    if not hasattr(module, "choose"):
        every.pop("left_out", None)
    rows = [f"| `{name}` | {cell(meaning)} |" for name, meaning in every.items()]
    return "| in `metrics.jsonl` | meaning; what is healthy |\n|---|---|\n" + "\n".join(rows)


def cell(text: object) -> str:
    """Return text that a table's cell can hold; `|` would end it."""
    return str(text).replace("\n", " ").replace("|", "\\|")


def _code(name: str) -> Iterator[str]:
    """Yield the statements the loss is made of, each with its line, and the formulas that they call."""
    module = methods.load(name)
    path, found = code_links.place(module), code_links.parts(module, COMPUTES)
    rows = []
    for part in found:
        at = code_links.place(getattr(module, part.function))
        rows.append(f"| [`{part.function}`](../../{at}) | | |")
        for line in part.lines:
            ends = "" if line.last == line.first else f"-L{line.last}"
            where = f"`{cell(line.where)}`" if line.where else ""
            rows.append(f"| [{line.first}](../../{path}#L{line.first}{ends}) | `{cell(line.code)}` | {where} |")
    yield "| line | code | where |\n|---|---|---|\n" + "\n".join(rows)
    if elsewhere := [_elsewhere(each) for each in code_links.formulas(module, found)]:
        yield "Computed elsewhere:\n\n" + "\n".join(elsewhere)
    if does := [_does(getattr(module, each)) for each in DOES if hasattr(module, each)]:
        yield "Before and after the loss:\n\n" + "\n".join(does)


def _elsewhere(function: Any) -> str:
    room, _, name = function.__module__.removeprefix("burnish.").rpartition(".")
    page = f", [its page]({name}.md)" if room == "methods" else ""
    return f"* [`{name}.{function.__name__}`](../../{code_links.place(function)}){page}: {_first(function)}"


def _does(function: Any) -> str:
    return f"* [`{function.__name__}`](../../{code_links.place(function)}): {_first(function)}"


def _first(function: Any) -> str:
    """Return the first paragraph of a function's docstring."""
    paragraph = inspect.cleandoc(function.__doc__ or "").split("\n\n")[0]
    return markdown(" ".join(paragraph.split()))


def _needs(name: str) -> Iterator[str]:
    module = methods.load(name)
    plain = _wants(module.needs(module.Config()))
    yield "\n".join(f"* {each}" for each in plain)
    lines = []
    for key in config.describe(module.Config):
        choices = [part.strip(' "') for part in key.expects.removeprefix("one of").split(",")]
        for choice in choices if key.expects.startswith("one of") else []:
            try:
                other = _wants(module.needs(config.build(module.Config, {key.name: choice})))
            except InputError:  # a choice that needs another setting as well
                continue
            more = [each for each in other if each not in plain]
            less = [each for each in plain if each not in other]
            if more or less:
                said = [*(f"also {each}" for each in more), *(f"not {each}" for each in less)]
                lines.append(f'* with `{key.name} = "{choice}"`: {"; ".join(said)}')
    if lines:
        yield "Settings change that:\n\n" + "\n".join(lines)


def _wants(needs: methods.Needs) -> list[str]:
    """Return what a method asks for, one phrase each."""
    group = f", {needs.group} for each" if needs.group else ""
    return [
        *(f"**signals**: {GIVEN[each][1]}" for each in needs.eats),
        *([f"**prompts**, for which the policy draws completions{group}"] if needs.fresh else []),
        *([f"**at least two completions** a {COMPARED[needs.compares]}, to compare"] if needs.compares else []),
        *(["**one step a window** (`walk.passes` and `walk.parts` 1): it has no ratio"] if needs.once else []),
        *(["**a reward** that scores what is drawn"] if needs.scored and not needs.partner else []),
        *([f"**a partner**: [`{needs.partner}`]({needs.partner}.md), trained in turn"] if needs.partner else []),
        *(f"**a view**, `{view}`: {VIEWS[view]}" for view in needs.views),
        *(f"**a head**, `{head}`{_times(count)}: {HEADS[head]}" for head, count in needs.heads.items()),
        *([f"**control tokens**: `{' '.join(needs.tokens)}`"] if needs.tokens else []),
        *([f"**memory** of the last {needs.replay} windows, drawn again beside the fresh one"] if needs.replay else []),
        *([] if needs.policy else ["nothing of the language model: what is trained is the head (and an adapter)"]),
        *(["**a model** that speaks, or an [encoder](../concepts/small-models.md)"] if methods.reads(needs) else []),
    ]


def _times(count: int) -> str:
    return f", {count} of them" if count > 1 else ""


def _command(name: str) -> Iterator[str]:
    module = methods.load(name)
    needs = module.needs(module.Config())
    eats = needs.eats or _of_partner(needs)
    words, held = [f"burnish train {name}"], []
    if eats:
        file, form = UNLIKE.get(name, (GIVEN[eats[0]][0], GIVEN[eats[0]][2]))
        words.append(f"--data {file}")
        held.append((file, ROWS[form]))
    if needs.fresh:
        file, row = ASKED_UNLIKE.get(name, ASKED)
        words.append(f"--prompts {file}")
        held.append((file, row))
    if needs.scored and not needs.partner:
        words.append("--reward runs/reward-0/checkpoints/k_...")
    yield f"```bash\n{' '.join(words)}\n```"
    for number, (file, row) in enumerate(held):
        yield f"{'and' if number else 'where'} `{file}` holds, line by line,"
        yield f"```text\n{row}\n```"
    if needs.scored and not needs.partner:
        yield (
            "and the reward is a checkpoint of [`reward`](reward.md) or another of its family, "
            "or a name such as `chrf`."
        )
    source = inspect.getsource(module)
    if "tools.judge" in source:
        yield "With `--judge MODEL` and `--set preference=judge` a judge says which of two is better."
    if "tools.sampler" in source and not needs.fresh:
        yield "With `--refiner MODEL` another model than the one that learns does the writing."
    if hasattr(module, "ask"):
        wish = module.ask(Prompt.of("{asked}"), module.Config()).text
        yield (
            "What is trained answers well only when it is asked as it learned to be asked. Its checkpoint says how, in "
            "`burnish.json`, and everything in burnish asks it so; another server has to be told to put the prompt's "
            "last message, `{asked}`, into this:"
        )
        yield f"```text\n{wish}\n```"
    if hasattr(module, "act"):
        yield from _spoken(name)
    yield (
        f"`burnish train {name} --help-config` lists every setting, `--set NAME=VALUE` changes one; "
        "[what is trained](../concepts/what-is-trained.md) tells which weights move, "
        "[which method for which feedback](../which-method.md) whether this is the one to take."
    )


CHANGED = {"ilql": ("how far values tilt is chosen as it speaks", "tilt=2.0")}
"""Settings that are the speaker's to choose, where a method has one."""


def _spoken(name: str) -> Iterator[str]:
    """Yield how a checkpoint speaks that does not speak by its logits; tests/loop/test_speaking.py runs the block."""
    why, change = CHANGED.get(name, ("", ""))
    yield (
        "What is trained speaks by `act`, not by the language model's own logits. Its checkpoint says so in "
        f'`burnish.json` (`"decoded": "{name}"`, its settings beside it) and holds its heads; the studio decodes it '
        "so, and Python does. What cannot refuses it: a model's weights alone, into which it would be merged to be "
        "trained further, know nothing of heads."
    )
    code = [
        "from burnish.loop.speaking import sampler_in",
        "from burnish.records import Prompt, Sampling",
        "",
        f'sampler = sampler_in("runs/{name}-0"{", " + change if change else ""})' + (f"  # {why}" if why else ""),
        '(group,) = sampler.sample([Prompt.of("Name a fruit.")], Sampling(max_new_tokens=20), n=2)',
        "print([completion.text for completion in group])",
    ]
    yield "```python after training\n" + "\n".join(code) + "\n```"


def _of_partner(needs: methods.Needs) -> tuple[type, ...]:
    """Return the signals that a method's partner learns from, where it is the partner that needs them."""
    if not needs.partner:
        return ()
    partner = methods.load(needs.partner)
    eats: tuple[type, ...] = partner.needs(partner.Config()).eats
    return eats


def _measured(name: str, found: Mapping[str, Any]) -> Iterator[str]:
    of = "share of pairs that it puts in the true order" if found["measure"] == "order" else "mean reward of the policy"
    yield (
        "In a world so small that every completion can be listed, the best that this method can do is known exactly: "
        f"{markdown(found['optimum_is'])}. Measured is the {of}, no estimate but a sum over all completions."
    )
    cells = {
        "before": f"{found['before']:.3f}",
        "reached": f"{found['reached']:.3f}",
        "95% interval": f"{found['low']:.3f} to {found['high']:.3f}",
        "optimum": f"{found['optimum']:.3f}",
        "share": f"{found['share']:.1%}",
        "seeds": str(found["seeds"]),
        "completions a seed": f"{found['completions']:,}",
    }
    if found["measure"] == "reward":
        cells["KL, nats"] = f"{found['kl_nats']:.2f}"
    yield f"| {' | '.join(cells)} |\n{'|---' * len(cells)}|\n| {' | '.join(cells.values())} |"
    yield f"Means over the seeds, printed by `{MEASURE} {name}`."


def _beside(name: str) -> Iterator[str]:
    """Yield what a method was measured beside, where a script has written docs/beside/NAME.json."""
    file = BESIDE / f"{name}.json"
    if not file.exists():
        return
    found = json.loads(file.read_text(encoding="utf-8"))
    yield f"## {found['title']}"
    yield found["intro"]
    lines = [f"| {' | '.join(found['heads'])} |", "|" + "---|" * len(found["heads"])]
    yield "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in found["rows"])])
    yield f"**{found['verdict']}** Printed by `{found['command']}`."
    if file.with_suffix(".svg").exists():
        yield f"![{found['title']}](../beside/{name}.svg)"
