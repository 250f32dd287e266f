"""Short texts rated by many people each, from -4 (extremely negative) to 4 (extremely positive).

Out of the source distribution of `vaderSentiment`: 23,703 texts with 536,520 individual ratings in four sets. The
raters are anonymous and differ from text to text: the place of a rating in a text's list is not an identity.
The texts belong to third parties (review sites, a newspaper, tweets): they are fetched, never shipped.

What we found in the files and did, checked again whenever they are read:
- In 199 of the 4,200 tweets (the contrived ones, numbers 2 ... 3866) the mean published beside the text is not the mean
  of the ratings published under the same number; it stems from another round of rating. We keep the ratings.
- 237 texts hold the HTML entities `&amp;`, `&lt;`, `&gt;` (8 of them `&amp;amp;`): decoded. 12 have blanks at an end:
  stripped. Doubled quotes (`''`) and doubled blanks inside are the authors' files' own and stay.
- 84 texts occur more than once (72 in nyt, 10 in amazon, 2 in movie), rated anew each time: all stay; outside amazon
  they share a group, so that a split by group never has one text on both sides.
- The id before `_` in amazon is a review (300 of them), not a product.
"""

from __future__ import annotations

import functools
import io
import json
import math
import tarfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
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
FORMAT = 3  # of what we write; another number makes caches build anew
SETS = {"movie": 10_605, "amazon": 3_708, "nyt": 5_190, "tweets": 4_200}
"""Set -> number of texts in it."""
N_TEXTS = 23_703
N_RATINGS = 536_520
N_OTHER_MEANS = {"movie": 0, "amazon": 0, "nyt": 0, "tweets": 199}
"""Set -> texts whose published mean is not the mean of their ratings."""
LOWEST, HIGHEST = -4, 4


@dataclass(frozen=True, slots=True)
class RatedText:
    """One text and what people said of it."""

    id: str
    """`set/number`, unique over all sets."""
    set: str
    """movie, amazon, nyt or tweets."""
    group: str
    """What belongs together when splitting: for amazon the review, elsewhere the first text with the same words."""
    text: str
    ratings: tuple[int, ...]
    """One for each rater, in [-4, 4]; anonymous."""

    @property
    def mean(self) -> float:
        return sum(self.ratings) / len(self.ratings)


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
    loaded = []
    with (fetch(cache or caches.folder()) / "texts.jsonl").open(encoding="utf-8", newline="\n") as lines:
        for line in lines:
            row = json.loads(line)
            loaded.append(RatedText(row["id"], row["set"], row["group"], row["text"], tuple(row["ratings"])))
    return loaded


# ------------------------------------------------------------------------------------------------------------ lexicon

NEGATIONS = frozenset(
    {"no", "not", "never", "none", "nobody", "nothing", "nor", "neither", "nowhere", "without", "hardly", "rarely"}
    | {"seldom", "cannot", "aint", "cant", "dont", "didnt", "doesnt", "isnt", "wasnt", "werent", "wont", "wouldnt"}
    | {"shouldnt", "couldnt", "hasnt", "havent", "hadnt"}
)
_NEGATED = -0.74  # VADER's own factor, estimated from raters (Hutto and Gilbert 2014)
_NEGATION_REACH = 3  # words before


def lexicon(cache: Path | None = None) -> dict[str, float]:
    """Return word or emoticon -> mean valence of ten raters, in [-4, 4]: the lexicon of VADER (7,506 entries)."""
    return dict(_lexicon(fetch(cache or caches.folder()) / "lexicon.tsv"))


def lexicon_score(text: str, words: dict[str, float] | None = None) -> float:
    """Return how positive a text is by its words alone; 0 when the lexicon knows none of them.

    score = sum v_i / sqrt(n) over the n words known, v_i turned round (times -0.74) by a negation among the three
    words before. The root keeps long texts from winning by length alone, as a sum would, and single words from
    counting as much as ten, as a mean would. A baseline, not VADER: no boosters, capitals, punctuation or "but".
    """
    known = lexicon() if words is None else words
    tokens = [_token(each, known) for each in text.split()]
    found = []
    for place, token in enumerate(tokens):
        if token in known:
            before = tokens[max(0, place - _NEGATION_REACH) : place]
            found.append(known[token] * (_NEGATED if any(map(_negates, before)) else 1.0))
    return sum(found) / math.sqrt(len(found)) if found else 0.0


@functools.cache
def _lexicon(path: Path) -> dict[str, float]:
    rows = [line.split("\t") for line in path.read_text(encoding="utf-8").split("\n") if line]
    return {row[0]: float(row[1]) for row in rows}


def _token(word: str, known: dict[str, float]) -> str:
    for candidate in (word, word.lower()):
        if candidate in known:  # an emoticon, or a word without punctuation
            return candidate
    return word.lower().strip(".,;:!?\"'()[]{}*_-")


def _negates(token: str) -> bool:
    return token in NEGATIONS or token.endswith("n't")


# ------------------------------------------------------------------------------------------------- reading the package


def _build(folder: Path, cache: Path) -> None:
    sdist = index.fetch(RELEASE, cache)
    root = f"vaderSentiment-{RELEASE.version}"
    with tarfile.open(sdist) as outer:
        inner = _member(outer, f"{root}/additional_resources/hutto_ICWSM_2014.tar.gz", 4_000_000)
        words = _member(outer, f"{root}/vaderSentiment/vader_lexicon.txt", 1_000_000)
    with tarfile.open(fileobj=io.BytesIO(inner)) as archive:
        texts = [each for set in SETS for each in _read_set(archive, set)]
    if len(texts) != N_TEXTS or sum(len(each.ratings) for each in texts) != N_RATINGS:
        raise DamagedFileError(f"{sdist}: {len(texts):,} texts, not {N_TEXTS:,} with {N_RATINGS:,} ratings.")
    with (folder / "texts.jsonl").open("w", encoding="utf-8", newline="\n") as out:
        out.writelines(json.dumps(asdict(each), ensure_ascii=False) + "\n" for each in texts)
    rows = [line.split("\t")[:2] for line in words.decode("utf-8").splitlines() if line]
    (folder / "lexicon.tsv").write_text("".join(f"{word}\t{valence}\n" for word, valence in rows), encoding="utf-8")
    note = f"{SUMMARY}\n\nLicence: {LICENCE}\nCite: {CITATION}\nFrom: {RELEASE.filename}\n"
    (folder / "LICENCE.txt").write_text(note, encoding="utf-8")


def _member(archive: tarfile.TarFile, name: str, limit: int) -> bytes:
    """Return one member's bytes, read as a stream: nothing is ever extracted to a path that an archive names."""
    source = archive.extractfile(name)
    if source is None:
        raise DamagedFileError(f"{name} is not a file in its archive.")
    content = source.read(limit + 1)
    if len(content) > limit:
        raise DamagedFileError(f"{name} is longer than {limit:,} bytes.")
    return content


def _read_set(archive: tarfile.TarFile, set: str) -> Iterator[RatedText]:
    """Yield a set's texts in their published order; raises `DamagedFileError` when it is not what we know it to be."""
    stem = f"hutto_ICWSM_2014/{_FILES[set]}"
    ratings = {}
    for line in _lines(archive, f"{stem}_anonDataRatings.txt"):
        number, mean, _, values = line.split("\t")
        ratings[number] = tuple(int(value) for value in json.loads(values))
        if not _is_mean(float(mean), ratings[number]) or not all(
            LOWEST <= value <= HIGHEST for value in ratings[number]
        ):
            raise DamagedFileError(
                f"{set}/{number}: its ratings do not have the mean or the range published with them."
            )
    rows = [line.split("\t", 2) for line in _lines(archive, f"{stem}_GroundTruth.txt")]
    if {number for number, _, _ in rows} != ratings.keys():
        raise DamagedFileError(f"{set}: the texts and the ratings do not have the same numbers.")
    other_means = sum(not _is_mean(float(mean), ratings[number]) for number, mean, _ in rows)
    if (len(rows), len(ratings), other_means) != (SETS[set], SETS[set], N_OTHER_MEANS[set]):
        raise DamagedFileError(f"{set}: {len(rows)} texts, {len(ratings)} numbers, {other_means} other means.")
    first: dict[str, str] = {}
    for number, _, text in rows:
        own, text = f"{set}/{number}", _decoded(text).strip()
        group = f"{set}/{number.split('_')[0]}" if set == "amazon" else first.setdefault(text, own)
        yield RatedText(own, set, group, text, ratings[number])


def _decoded(text: str) -> str:
    """Return a text without the three entities it was stored with: no others, since `&copy` may be somebody's words."""
    while "&amp;" in text:
        text = text.replace("&amp;", "&")
    return text.replace("&lt;", "<").replace("&gt;", ">")


def _is_mean(published: float, ratings: tuple[int, ...]) -> bool:
    return abs(published - sum(ratings) / len(ratings)) < 1e-6  # the files round to nine digits


def _lines(archive: tarfile.TarFile, name: str) -> list[str]:
    return [line for line in _member(archive, name, 4_000_000).decode("utf-8-sig").split("\r\n") if line]
