"""Lists of people's names, read as data out of the packages of the extra `names`; none of their code is run.

    names 0.3.0           first and last names of the census of the United States (MIT)
    gender-guesser 0.4.0  Jörg Michael's first names of some fifty countries (GNU FDL; the package around them is GPL)
    indian-names 0.3      Indian first and last names (BSD)
    jieba 0.42.1          Chinese words and names with how often they stand (MIT)

The words that a capital does not make a name are counted: what stood twice or more in small letters, and oftener than
with a capital within a sentence, in half of the texts of `corpora.ratings` (`english_words.txt`).
"""

from __future__ import annotations

import functools
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from burnish.errors import InputError

CENSUS = ("names/dist.female.first", "names/dist.male.first")
INDIAN = ("indian_names/first.female.names", "indian_names/first.male.names")

_PLAIN = str.maketrans({"\u2019": "'", "ł": "l", "ø": "o", "đ": "d", "\u0131": "i"})


@dataclass(frozen=True, slots=True)
class Names:
    """What is known of names in Latin letters; everything folded (`folded`)."""

    first: frozenset[str]
    last: frozenset[str]
    words: frozenset[str]
    """Ordinary words. A name that is one too (Grace, Will) needs more than its capital to count."""


@dataclass(frozen=True, slots=True, eq=False)
class Lexicon:
    """Chinese words and how often each stood in a large text, with the part of speech."""

    words: dict[str, tuple[int, str]]


def folded(name: str) -> str:
    """A name in small letters, without accents: Łucja is lucja, D’Alia is d'alia."""
    plain = unicodedata.normalize("NFKD", name.casefold().translate(_PLAIN))
    return "".join(each for each in plain if not unicodedata.combining(each))


@functools.cache
def english_names() -> Names:
    """The names of all lists together; raises InputError where a package is missing."""
    first = {line.split()[0].lower() for part in CENSUS for line in _lines("names", part)}
    first.update(folded(each) for each in _michael())
    first.update(line.strip().lower() for part in INDIAN for line in _lines("indian-names", part))
    last = {line.split()[0].lower() for line in _lines("names", "names/dist.all.last")}
    last.update(line.strip().lower() for line in _lines("indian-names", "indian_names/last.names"))
    words = Path(__file__).with_name("english_words.txt").read_text("utf-8").split()
    return Names(frozenset(first), frozenset(last), frozenset(words))


@functools.cache
def chinese_words() -> Lexicon:
    """jieba's dictionary; raises InputError where the package is missing."""
    rows = (line.split(" ") for line in _lines("jieba", "jieba/dict.txt"))
    return Lexicon({word: (int(count), tag) for word, count, tag in rows})


@functools.cache
def word_sets(file: str) -> dict[str, frozenset[str]]:
    """The words of each section of a file beside this one; a section begins with `## name: what it is`."""
    _, *sections = Path(__file__).with_name(file).read_text("utf-8").split("\n## ")
    parts = (each.split("\n", 1) for each in sections)
    return {title.split(":")[0]: frozenset(words.split()) for title, words in parts}


def _michael() -> Iterator[str]:
    """First names of `nam_dict.txt`: columns 4 to 29, a plus between the parts of a name that is written in two."""
    for line in _lines("gender-guesser", "gender_guesser/data/nam_dict.txt"):
        if line[0] not in "#=":
            yield from line[3:29].strip().split("+")


def _lines(package: str, file: str) -> list[str]:
    try:
        path = Path(str(distribution(package).locate_file(file)))
        lines = path.read_text("utf-8").splitlines()
    except (PackageNotFoundError, FileNotFoundError) as error:
        raise InputError(
            f"names: {file} of the package {package} is missing ({error}). Install it: pip install 'burnish[names]'"
        ) from None
    return [line for line in lines if line.strip()]
