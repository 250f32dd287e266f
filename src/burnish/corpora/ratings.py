"""Short texts rated by many people each, from -4 (extremely negative) to 4 (extremely positive).

Out of the source distribution of `vaderSentiment`: 23,703 texts with 536,520 individual ratings in four sets. The
raters are anonymous and differ from text to text: the place of a rating in a text's list is not an identity.
The texts belong to third parties (review sites, a newspaper, the style of tweets): they are fetched, never shipped.
"""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from burnish.corpora import cache as caches
from burnish.corpora import index
from burnish.errors import DamagedFileError

NAME = "ratings"
KIND = "texts"
SUMMARY = (
    "23,703 short texts (film reviews, Amazon reviews, NYT editorials, tweets), 536,520 ratings by people, -4 .. 4"
)
LICENCE = "MIT (package); the rated texts belong to their authors and publishers"
CITATION = (
    "Hutto, C.J. and Gilbert, E.E. (2014). VADER: A Parsimonious Rule-based Model for Sentiment Analysis of Social "
    "Media Text. Eighth International Conference on Weblogs and Social Media (ICWSM-14). Ann Arbor, MI, June 2014."
)
RELEASE = index.Release(
    project="vaderSentiment",
    version="3.3.2",
    filename="vaderSentiment-3.3.2.tar.gz",
    size=2_466_783,
    sha256="5d7c06e027fc8b99238edb0d53d970cf97066ef97654009890b83703849632f9",
)
FORMAT = 1
SETS = {"movie": 10_605, "amazon": 3_708, "nyt": 5_190, "tweets": 4_200}
"""Set -> number of texts in it."""
N_TEXTS = 23_703
N_RATINGS = 536_520
LOWEST, HIGHEST = -4, 4


@dataclass(frozen=True, slots=True)
class RatedText:
    """One text and what people said of it."""

    id: str
    """`set/number`, unique over all sets."""
    set: str
    """movie, amazon, nyt or tweets."""
    group: str
    """What belongs together when splitting: for amazon the id before `_`, elsewhere the text's own id."""
    text: str
    ratings: tuple[int, ...]
    """One for each rater, in [-4, 4]; anonymous."""


_FILES = {
    "movie": "movieReviewSnippets",
    "amazon": "amazonReviewSnippets",
    "nyt": "nytEditorialSnippets",
    "tweets": "tweets",
}


def fetch(cache: Path, *, check_content: bool = False) -> Path:
    """Return the folder with `texts.jsonl`, `lexicon.tsv` and `LICENCE.txt`, built in the cache on first use."""
    return caches.entry(
        cache, f"{NAME}-{FORMAT}", lambda folder: _build(folder, cache), needs=20_000_000, check_content=check_content
    )


def load(cache: Path | None = None) -> list[RatedText]:
    """Return all rated texts, set by set in the order of `SETS`, each in its published order."""
    path = fetch(cache or caches.folder()) / "texts.jsonl"
    loaded = []
    for line in path.read_text(encoding="utf-8").splitlines():
        id, set, group, text, ratings = json.loads(line)
        loaded.append(RatedText(id, set, group, text, tuple(ratings)))
    return loaded


def _build(folder: Path, cache: Path) -> None:
    sdist = index.fetch(RELEASE, cache)
    root = "vaderSentiment-3.3.2"
    with tarfile.open(sdist) as outer:
        inner = _member(outer, f"{root}/additional_resources/hutto_ICWSM_2014.tar.gz", 4_000_000)
    with tarfile.open(fileobj=io.BytesIO(inner)) as archive:
        texts = [each for set in SETS for each in _read_set(archive, set)]
    with (folder / "texts.jsonl").open("w", encoding="utf-8") as out:
        for each in texts:
            row = [each.id, each.set, each.group, each.text, each.ratings]
            out.write(json.dumps(row, ensure_ascii=False) + "\n")


def _member(archive: tarfile.TarFile, name: str, limit: int) -> bytes:
    """Return one member's bytes, read as a stream: nothing is ever extracted to a path that an archive names."""
    source = archive.extractfile(name)
    if source is None:
        raise DamagedFileError(f"{archive.name}: {name} is not a file.")
    content = source.read(limit + 1)
    if len(content) > limit:
        raise DamagedFileError(f"{archive.name}: {name} is longer than {limit:,} bytes.")
    return content


def _read_set(archive: tarfile.TarFile, set: str) -> Iterator[RatedText]:
    stem = f"hutto_ICWSM_2014/{_FILES[set]}"
    ratings = {}
    for line in _lines(archive, f"{stem}_anonDataRatings.txt"):
        number, _, _, values = line.split("\t")
        ratings[number] = tuple(json.loads(values))
    for line in _lines(archive, f"{stem}_GroundTruth.txt"):
        number, _, text = line.split("\t", 2)
        own = f"{set}/{number}"
        group = f"{set}/{number.split('_')[0]}" if set == "amazon" else own
        yield RatedText(own, set, group, text, ratings[number])


def _lines(archive: tarfile.TarFile, name: str) -> list[str]:
    return [line for line in _member(archive, name, 4_000_000).decode("utf-8-sig").split("\r\n") if line]
