"""The index of all methods, docs/methods.md: by family, by what each reached, by the papers that they follow."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import code_links
from docstrings import markdown, papers
from method_pages import FAMILIES, MEASURE, NOTICE, TOYS, cell, family, results_of_toys

from burnish import methods
from burnish.cli.train import listing


def index_page(results: Mapping[str, Any] | None = None) -> str:
    """Return docs/methods.md: every method by family, and every paper with the methods that follow it."""
    found = results_of_toys() if results is None else results
    rows = {row["name"]: row for row in json.loads(listing(as_json=True))}
    parts = [
        "# Methods",
        NOTICE,
        "A method is one file of `src/burnish/methods/`. Each has its page: the idea, the formula beside the code that "
        "computes it, settings, what the logged numbers mean, what it reached where the best is known, how it fails. "
        "[Which method for which feedback](which-method.md) helps to choose; "
        "[adding a method](adding-a-method.md) shows one being written.",
        "```bash\nburnish train --list\n```",
    ]
    for title, what in FAMILIES.items():
        of_family = [row for row in rows.values() if family(row["name"]) == title]
        parts += [f"## {title}", what, _table(of_family, found)]
    if found:
        parts += ["## Measured where the optimum is known", *_reached(found)]
    return "\n\n".join([*parts, "## Paper index", _papers_table()]) + "\n"


def _reached(found: Mapping[str, Any]) -> Iterator[str]:
    yield (
        "What each method reached in a world whose every completion can be listed, means over seeds with the interval "
        "of a bootstrap over them, and what the best is that it could reach there (its page says why). A reward's "
        "measure is the share of pairs that it puts in the true order, a policy's its mean true reward. Completions "
        f"are those drawn, for whatever end, or given. The command: `{MEASURE}`."
    )
    heads = ["method", "before", "reached", "95% interval", "optimum", "share", "seeds", "completions"]
    lines = [f"| {' | '.join(heads)} |", "|" + "---|" * len(heads)]
    for name, row in sorted(found.items()):
        cells = [
            f"[`{name}`](methods/{name}.md)",
            *(f"{row['before']:.3f}", f"{row['reached']:.3f}", f"{row['low']:.3f} to {row['high']:.3f}"),
            *(f"{row['optimum']:.3f}", f"{row['share']:.1%}", str(row["seeds"]), f"{row['completions']:,}"),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    yield "\n".join(lines)
    if TOYS.with_suffix(".svg").exists():
        yield "![Reward against KL of all policies, each after equally many completions](toys.svg)"


def _table(rows: list[dict[str, str]], found: Mapping[str, Any]) -> str:
    heads = ["method", "what it does", "learns from", "needs", *(["reached, of its optimum"] if found else [])]
    lines = [f"| {' | '.join(heads)} |", "|" + "---|" * len(heads)]
    for row in rows:
        name = row["name"]
        cells = [f"[`{name}`](methods/{name}.md)", markdown(row["what"]), row["learns_from"], row["needs"]]
        if found:
            cells.append(f"{found[name]['share']:.1%}" if name in found else "")
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _papers_table() -> str:
    found: dict[str, tuple[str, list[str]]] = {}
    for name in methods.names():
        for key, title in papers(name):
            known, cited = found.get(key, (title, []))
            found[key] = (min(known, title, key=len), [*cited, name] if name not in cited else cited)
    lines = ["| paper | methods | files |", "|---|---|---|"]
    for key, (title, cited) in sorted(found.items(), key=lambda item: item[1][0].lower()):
        link = f", [arXiv {key}](https://arxiv.org/abs/{key})" if re.fullmatch(r"\d{4}\.\d{4,5}", key) else ""
        pages = ", ".join(f"[`{name}`](methods/{name}.md)" for name in cited)
        files = ", ".join(f"[{name}.py](../{code_links.place(methods.load(name))})" for name in cited)
        lines.append(f"| {cell(markdown(title))}{link} | {pages} | {files} |")
    return "\n".join(lines)
