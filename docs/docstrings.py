"""A method's docstring in its parts: what it does, the formula, the idea, its sources, how it fails, which papers."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass

from burnish import methods


@dataclass(frozen=True)
class Told:
    """A method's docstring in its parts."""

    what: str
    formula: str
    idea: tuple[str, ...]
    sources: str
    fails: str


def told(name: str) -> Told:
    """Return the parts of a method's docstring. Raises ValueError for one without sources, or without how it fails."""
    text = inspect.cleandoc(methods.load(name).__doc__ or "")
    blocks = re.split(r"\n\n(?=\S)|\n\n(?=    )", text)
    formula = "\n\n".join(block for block in blocks if block.startswith("    "))
    prose = [" ".join(block.split()) for block in blocks if not block.startswith("    ")]
    sources = _paragraph(prose, r"Sources?: ", name)
    use = _paragraph(prose, r".* It fails ", name)
    before, fails = use.split(" It fails ", 1)
    idea = tuple(before if each == use else each for each in prose[1:] if each != sources)
    return Told(prose[0], inspect.cleandoc(formula), idea, sources, f"It fails {fails}")


def _paragraph(prose: list[str], begins: str, name: str) -> str:
    found = [each for each in prose if re.match(begins, each)]
    if len(found) != 1:
        raise ValueError(f"methods/{name}.py: {len(found)} paragraphs of the docstring match {begins!r}, not one.")
    return found[0]


def markdown(text: str) -> str:
    """Return plain text as Markdown that shows it as it stands, papers linked."""
    parts = re.split(r"(`[^`]*`)", text)
    plain = [part if part.startswith("`") else re.sub(r"([*<|\\\[\]])", r"\\\1", part) for part in parts]
    plain = [part if part.startswith("`") else re.sub(r"(?<!\w)_|_(?!\w)", r"\\_", part) for part in plain]
    return re.sub(r"arXiv (\d{4}\.\d{4,5})", r"[arXiv \1](https://arxiv.org/abs/\1)", "".join(plain))


AUTHORS = r"[A-Z][\w'-]+(?:, [A-Z][\w'-]+)*(?: et al\.| and [A-Z][\w'-]+)? (?:19|20)\d\d.*"


def papers(name: str) -> Iterator[tuple[str, str]]:
    """Yield the key (its number at arXiv, else its title) and title of each paper that a method's sources name."""
    said = told(name).sources.partition(": ")[2]
    for clause in re.split(r"; |(?<!Dr)(?<!al)\. (?=[A-Z])", said):
        pieces = re.split(r"arXiv (\d{4}\.\d{4,5})", clause.rstrip("."))
        for text, number in zip(pieces[0::2], pieces[1::2], strict=False):
            yield number, _title(text)
        if len(pieces) == 1 and (re.search(r"\b(?:19|20)\d\d\b", clause) or re.search(r'"[A-Z][^"]+"', clause)):
            yield _title(clause), _title(clause)


def _title(text: str) -> str:
    """Return the name of a paper out of the words that stand before its number."""
    text = re.sub(r"^[ ,]*(?:and )?(?:for text )?", "", text).strip(" ,.")
    lead, colon, rest = text.partition('"')[0].rpartition(": ")
    if colon:
        last, rest = lead.split()[-1], text.removeprefix(lead + colon)
        text = f"{last}, {rest}" if last.isupper() and ", " in lead else rest
    text = re.sub(r", section [\d.]+$", "", text)
    if (len(text) > 60 or " - " in text) and (authors := re.search(AUTHORS, text)):
        text = authors[0]
    return text.strip(" ,.")
