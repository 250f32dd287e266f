"""The task reviews: what it asks for, and how people's ratings are split."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from burnish import config
from burnish.corpora import ratings
from burnish.corpora.ratings import RatedText
from burnish.evaluation.page import TaskWords
from burnish.evaluation.verdict import require_independent
from burnish.loop.recipe import Recipe
from burnish.records import Completion
from burnish.tasks import reviews

PARTS = ("fit", "calibration", "test", "gold")


def some_texts(count: int = 900) -> list[RatedText]:
    """Return texts of all four sets; three amazon texts in a row are one review's, two movie texts are equal."""
    draw, made = random.Random(4), []
    for number in range(count):
        set = ("movie", "amazon", "nyt", "tweets")[number % 4]
        group = f"{set}/{number // 12 if set == 'amazon' else number}"
        given = tuple(draw.randint(-4, 4) for _ in range(5))
        made.append(RatedText(f"{set}/{number}", set, group, f"Text {number} of {set}.", given))
    first = made[0]
    return [*made, RatedText("movie/twin", "movie", first.group, first.text, (1, 2, 3))]


@pytest.fixture
def evidence(monkeypatch):
    monkeypatch.setattr(ratings, "load", some_texts)
    monkeypatch.setattr(reviews, "TEST_TEXTS", 60)
    monkeypatch.setattr(reviews, "GOLD_TEXTS", 120)
    return reviews.evidence()


def test_the_recipe_is_the_tested_setting():
    assert config.build(Recipe, {"task": reviews.NAME, **reviews.recipe()}).task == "reviews"


def test_its_words_fit_the_report_and_say_what_people_judged():
    words = TaskWords(**reviews.REPORT)
    assert "not whether it is good" in words.people
    assert "praising everything cannot win" in words.reward


def test_every_prompt_asks_for_an_opinion_evenly():
    prompts = reviews.prompts()
    for split in ("train", "validation", "test"):
        asked = Counter(prompt.metadata["asked_words"] for prompt in prompts if prompt.split == split)
        assert set(asked) == set(reviews.OPINIONS)
        assert len(set(asked.values())) == 1
    for prompt in prompts:
        assert prompt.metadata["thing"] in prompt.text
        assert prompt.text.endswith(f"You think it is {prompt.metadata['asked_words']}.")
        assert reviews.OPINIONS[prompt.metadata["asked_words"]] == prompt.metadata["asked"]


def test_a_thing_is_in_one_split_only():
    splits: dict[str, set[str]] = {}
    for prompt in reviews.prompts():
        splits.setdefault(prompt.metadata["thing"], set()).add(prompt.split)
    assert len(splits) >= 300
    assert all(len(where) == 1 for where in splits.values())


def test_opinions_are_symmetric_about_zero():
    asked = list(reviews.OPINIONS.values())
    assert asked == sorted(asked)
    assert [-value for value in reversed(asked)] == asked


def test_every_text_is_in_one_part_and_every_group_too(evidence):
    groups = [{score.prompt.metadata["group"] for score in getattr(evidence, part)} for part in PARTS]
    assert len(set().union(*groups)) == sum(map(len, groups))
    texts = [score for part in PARTS for score in getattr(evidence, part)]
    used = [text for text in some_texts() if text.set in ("movie", "amazon")]
    # equal texts of one set are one completion with both sets of ratings
    assert len(texts) == len({(text.set, text.text) for text in used})
    assert evidence.records == sum(len(text.ratings) for text in used)


def test_the_parts_are_as_large_as_they_should_be(evidence):
    assert 60 <= len(evidence.test) < 60 + 12
    assert 180 <= len(evidence.test) + len(evidence.gold) < 180 + 12
    assert 0.03 < len(evidence.calibration) / (len(evidence.fit) + len(evidence.calibration)) < 0.2
    require_independent(evidence.gold_sources, evidence.sources)


def test_other_domains_are_never_trained_on(evidence):
    assert set(evidence.other_domains) == {"nyt", "tweets"}
    for part in PARTS:
        assert {score.prompt.metadata["set"] for score in getattr(evidence, part)} <= {"movie", "amazon"}


def test_the_split_is_by_hash_alone(evidence, monkeypatch):
    monkeypatch.setattr(ratings, "load", lambda: some_texts()[::-1])
    turned = reviews.evidence()
    for part in PARTS:
        mine, theirs = ({score.completion.text for score in getattr(each, part)} for each in (evidence, turned))
        assert mine == theirs


def test_ratings_are_kept_one_by_one(evidence):
    by_text = {text.text: text for text in some_texts()[1:-1]}
    score = next(score for score in evidence.fit if score.completion.text in by_text)
    given = by_text[score.completion.text].ratings
    assert sorted(rating for rating, count in score.counts for _ in range(count)) == sorted(given)
    assert len(set(score.feedback_ids)) == len(given)
    assert evidence.people is None


def test_the_rule_author_rates_by_the_lexicon(monkeypatch):
    monkeypatch.setattr(ratings, "lexicon", lambda: {"good": 1.9, "awful": -2.0})
    prompt = reviews.prompts()[0]
    texts = ["A good lamp.", "An awful lamp.", "A lamp.", "good good good good good good"]
    found = reviews.scripted_feedback([prompt] * 4, [Completion(prompt.id, text) for text in texts], 1.5)
    assert [score.value for score in found] == [pytest.approx(2.85), -3.0, 0.0, 4.0]
    assert {score.variance for score in found} == {reviews.RULE_VARIANCE}


@pytest.mark.real_model
def test_the_real_ratings_fill_every_part():
    found = reviews.evidence()
    assert 2_000 <= len(found.test) <= 2_020
    assert 4_000 <= len(found.gold) <= 4_020
    assert found.records > 250_000
    assert all(len(scores) >= 390 for scores in found.other_domains.values())


@pytest.mark.real_model
def test_what_it_says_of_its_ratings_is_so():
    found = reviews.evidence()
    texts = sum(len(getattr(found, part)) for part in PARTS)
    assert f"{found.records:,} ratings of {texts:,} texts" in reviews.SUMMARY
    assert (len(found.test), len(found.gold)) == (2_000, 4_000)
