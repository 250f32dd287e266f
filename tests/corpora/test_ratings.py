from __future__ import annotations

import hashlib
import io
import tarfile
from collections import Counter
from pathlib import Path

import pytest

from burnish.corpora import index, ratings
from burnish.errors import DamagedFileError, UnreachableError

SETS = {"movie": 2, "amazon": 3, "nyt": 2, "tweets": 2}
TEXTS = {
    "movieReviewSnippets": ["1\t3\tA ''fine'' film &amp; more.", "2\t-1.5\tAfter all, no."],
    "amazonReviewSnippets": ["1_1\t1\tgreat player. ", "1_2\t0\tokay", "2_1\t2\tgreat player."],
    "nytEditorialSnippets": ["1_1\t0\tIt is so.", "9_1\t1\tIt is so."],
    "tweets": ["1\t0.5\tI &lt;3 naïve birds &amp;amp; &copy", "2\t4\tyes"],
}
RATINGS = {
    "movieReviewSnippets": ["2\t-1.5\t0.5\t[-1, -2]", "1\t3\t1\t[2, 4, 3]"],
    "amazonReviewSnippets": ["1_1\t1\t0\t[1, 1]", "1_2\t0\t4\t[-4, 4]", "2_1\t2\t0\t[2]"],
    "nytEditorialSnippets": ["1_1\t0\t0\t[0]", "9_1\t1\t0\t[1]"],
    "tweets": ["1\t0.5\t0.5\t[0, 1]", "2\t3\t1\t[2, 4]"],
}


def tar_gz(members: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return out.getvalue()


def sdist(texts: dict[str, list[str]], rated: dict[str, list[str]]) -> bytes:
    """A package of the same form as the real one, with made-up texts."""
    inner = {}
    for stem, lines in texts.items():
        inner[f"hutto_ICWSM_2014/{stem}_GroundTruth.txt"] = "".join(f"{line}\r\n" for line in lines).encode()
    for stem, lines in rated.items():
        content = "\ufeff" + "".join(f"{line}\r\n" for line in lines)  # some of the real files begin so
        inner[f"hutto_ICWSM_2014/{stem}_anonDataRatings.txt"] = content.encode()
    root = "vaderSentiment-3.3.2"
    words = "good\t1.9\t0.9\t[2, 2]\nbad\t-2.5\t0.6\t[-2, -3]\n:)\t2.0\t1.1\t[2]\nXD\t3.0\t1.0\t[3]\n"
    return tar_gz(
        {
            f"{root}/additional_resources/hutto_ICWSM_2014.tar.gz": tar_gz(inner),
            f"{root}/vaderSentiment/vader_lexicon.txt": words.encode(),
        }
    )


@pytest.fixture
def made_up(package_index, cache, monkeypatch: pytest.MonkeyPatch):
    """Serve a made-up package in place of the real one; returns a function of (texts, ratings) that does it."""

    def serve(texts: dict[str, list[str]] = TEXTS, rated: dict[str, list[str]] = RATINGS) -> None:
        content = sdist(texts, rated)
        release = index.Release(
            "vaderSentiment", "3.3.2", "vaderSentiment-3.3.2.tar.gz", len(content), hashlib.sha256(content).hexdigest()
        )
        package_index.files = {release.filename: content}
        monkeypatch.setattr(ratings, "RELEASE", release)
        monkeypatch.setattr(ratings, "SETS", SETS)
        monkeypatch.setattr(ratings, "N_TEXTS", 9)
        monkeypatch.setattr(ratings, "N_RATINGS", 16)
        monkeypatch.setattr(ratings, "N_OTHER_MEANS", {"movie": 0, "amazon": 0, "nyt": 0, "tweets": 1})

    return serve


def test_texts_come_with_their_own_ratings_decoded_and_stripped(made_up) -> None:
    made_up()
    loaded = {each.id: each for each in ratings.load()}
    numbers = {"movie": "1 2", "amazon": "1_1 1_2 2_1", "nyt": "1_1 9_1", "tweets": "1 2"}
    assert list(loaded) == [f"{name}/{number}" for name, own in numbers.items() for number in own.split()]
    first = loaded["movie/1"]
    assert first == ratings.RatedText("movie/1", "movie", "movie/1", "A ''fine'' film & more.", (2, 4, 3))
    assert first.mean == 3
    assert loaded["amazon/1_1"].text == "great player."
    assert loaded["tweets/1"].text == "I <3 naïve birds & &copy"
    assert loaded["tweets/2"].ratings == (2, 4)  # published mean 4: the ratings are kept


def test_what_belongs_together_shares_a_group(made_up) -> None:
    made_up()
    groups = {each.id: each.group for each in ratings.load()}
    assert groups["amazon/1_1"] == groups["amazon/1_2"] == "amazon/1"
    assert groups["amazon/2_1"] == "amazon/2"
    assert groups["nyt/9_1"] == groups["nyt/1_1"] == "nyt/1_1"  # the same words
    assert groups["movie/2"] == "movie/2"


@pytest.mark.parametrize(
    ("stem", "line", "said"),
    [
        ("tweets", "2\t3\t1\t[2, 3]", "tweets/2: its ratings do not have the mean"),
        ("tweets", "2\t3\t1\t[1, 5]", "tweets/2: its ratings do not have the mean or the range"),
        ("tweets", "2\t4\t0\t[4, 4]", "tweets: 2 texts, 2 numbers, 0 other means"),
        ("tweets", "1\t3\t1\t[2, 4]", "tweets: the texts and the ratings do not have the same numbers"),
    ],
)
def test_a_package_that_is_not_as_we_know_it_is_refused(made_up, stem: str, line: str, said: str) -> None:
    made_up(TEXTS, {**RATINGS, stem: [RATINGS[stem][0], line]})
    with pytest.raises(DamagedFileError, match=said):
        ratings.load()


def test_a_member_that_grows_without_end_is_cut_off() -> None:
    with tarfile.open(fileobj=io.BytesIO(tar_gz({"big": bytes(5_000_001)}))) as archive:
        with pytest.raises(DamagedFileError, match="big is longer than 5,000,000 bytes"):
            ratings._member(archive, "big", 5_000_000)
        assert len(ratings._member(archive, "big", 5_000_001)) == 5_000_001


def test_licence_and_citation_lie_beside_the_texts(made_up, cache: Path) -> None:
    made_up()
    note = (ratings.fetch(cache) / "LICENCE.txt").read_text()
    assert ratings.LICENCE in note
    assert "ICWSM-14" in note


# -------------------------------------------------------------------------------------------------------- lexicon

WORDS = {"good": 1.9, "bad": -2.5, ":)": 2.0, "XD": 3.0, "can't stand": -2.0}


@pytest.mark.parametrize(
    ("text", "score"),
    [
        ("", 0.0),
        ("a chair", 0.0),
        ("good", 1.9),
        ("Good, GOOD!", 3.8 / 2**0.5),
        ('"good" bad', -0.6 / 2**0.5),
        ("not good", -0.74 * 1.9),
        ("this isn't a good one", -0.74 * 1.9),
        ("not one of the good", 1.9),  # four words away
        ("nothing bad", 0.74 * 2.5),
        ("good :) XD", (1.9 + 2.0 + 3.0) / 3**0.5),
    ],
)
def test_the_lexicon_scores_as_worked_by_hand(text: str, score: float) -> None:
    assert ratings.lexicon_score(text, WORDS) == pytest.approx(score)


def test_the_lexicon_comes_out_of_the_package(made_up) -> None:
    made_up()
    assert ratings.lexicon() == {"good": 1.9, "bad": -2.5, ":)": 2.0, "XD": 3.0}
    assert ratings.lexicon_score("not bad") == pytest.approx(0.74 * 2.5)


# ------------------------------------------------------------------------------------------------------- the real one


@pytest.fixture(scope="module")
def real() -> list[ratings.RatedText]:
    try:
        return ratings.load()
    except UnreachableError as error:
        pytest.skip(str(error))


@pytest.mark.real_model
def test_the_real_ratings_are_all_there(real: list[ratings.RatedText]) -> None:
    """Golden: counts of hutto_ICWSM_2014.tar.gz in vaderSentiment 3.3.2; the paper's section 3 names the same sizes."""
    assert Counter(each.set for each in real) == {"movie": 10_605, "amazon": 3_708, "nyt": 5_190, "tweets": 4_200}
    assert Counter(each.set for each in real for _ in each.ratings) == {
        "movie": 198_810,
        "amazon": 74_160,
        "nyt": 103_800,
        "tweets": 159_750,
    }
    assert len({each.id for each in real}) == 23_703
    assert all(-4 <= rating <= 4 for each in real for rating in each.ratings)
    assert {name: len({each.group for each in real if each.set == name}) for name in ratings.SETS} == {
        "movie": 10_603,
        "amazon": 300,
        "nyt": 5_118,
        "tweets": 4_200,
    }
    assert not any("&amp;" in each.text or each.text != each.text.strip() or not each.text for each in real)


@pytest.mark.real_model
def test_a_real_text_reads_as_in_the_file(real: list[ratings.RatedText]) -> None:
    third = next(each for each in real if each.id == "movie/3")
    assert third.text == "Effective but too tepid biopic"
    assert third.ratings == (-1, 0, -1, 0, -1, -1, -1, -1, 0, -2, 1, 1, -1, -1, -1)


@pytest.mark.real_model
def test_the_real_lexicon_orders_pairs_better_than_chance(real: list[ratings.RatedText]) -> None:
    words = ratings.lexicon()
    assert len(words) == 7_506
    assert words["good"] == 1.9
    texts = [each for each in real if each.set == "amazon"][:1000]
    scores = [ratings.lexicon_score(each.text, words) for each in texts]
    apart = [
        (scores[i] - scores[i + 500]) * (texts[i].mean - texts[i + 500].mean)
        for i in range(500)
        if scores[i] != scores[i + 500] and texts[i].mean != texts[i + 500].mean
    ]
    assert sum(each > 0 for each in apart) / len(apart) > 0.65  # 0.71 on all amazon pairs, ties counted half
