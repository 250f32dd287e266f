"""The task smoke: its grammar, its simulated raters and what they leave behind."""

from __future__ import annotations

import random
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest

from burnish import config
from burnish.evaluation.page import TaskWords
from burnish.evaluation.verdict import require_independent
from burnish.loop.recipe import Recipe
from burnish.plain import snapshot_hash
from burnish.records import Completion
from burnish.tasks import smoke


@pytest.fixture(scope="module")
def evidence():
    return smoke.evidence()


def test_the_recipe_is_one():
    recipe = config.build(Recipe, {"task": smoke.NAME, **smoke.recipe()})
    assert (recipe.model, recipe.gold.encoder, recipe.threads) == ("tiny", "", 1)


def test_its_words_fit_the_report():
    assert "No people" in TaskWords(**smoke.REPORT).people


def test_every_thing_is_asked_for_in_five_ways_and_is_in_one_split():
    prompts = smoke.prompts()
    assert len({prompt.id for prompt in prompts}) == len(prompts) == 5 * len(smoke.MAKERS) * len(smoke.NOUNS)
    splits: dict[str, set[str]] = {}
    for prompt in prompts:
        splits.setdefault(prompt.metadata["thing"], set()).add(prompt.split)
        assert prompt.metadata["thing"] in prompt.text
        assert smoke.OPINIONS[prompt.metadata["asked_words"]] == prompt.metadata["asked"]
    assert all(len(where) == 1 for where in splits.values())
    sizes = Counter(prompt.split for prompt in prompts)
    assert sizes["train"] > sizes["test"] >= 40
    assert sizes["validation"] >= 25


def test_values_follow_from_the_words_of_opinion():
    assert smoke.value_of("The lamp is awful.") == smoke.WORDS["awful"]
    assert smoke.value_of("A good tent, I love it.") == (smoke.WORDS["good"] + smoke.ENDINGS["I love it"]) / 2
    assert smoke.value_of("This lamp IS SUPERB: i hate it!") == (smoke.WORDS["superb"] + smoke.ENDINGS["I hate it"]) / 2
    assert smoke.value_of("goodness, a lamp") == 0
    assert smoke.value_of("") == 0


@pytest.mark.parametrize("wanted", [-3.0, 0.0, 3.0])
def test_texts_are_near_what_is_wanted_and_name_the_thing_or_it(wanted):
    draw = random.Random(1)
    written = [smoke.write(draw, "kettle", wanted) for _ in range(200)]
    assert np.mean([value for _, value in written]) == pytest.approx(wanted, abs=0.7)
    assert all("kettle" in text or text.startswith("It ") for text, _ in written)
    assert all(value == smoke.value_of(text) for text, value in written)


def test_no_text_stands_in_two_parts(evidence):
    parts = [
        {score.completion.text for score in part}
        for part in (evidence.fit, evidence.calibration, evidence.test, evidence.gold)
    ]
    assert len(set().union(*parts)) == sum(map(len, parts)) == smoke.TEXTS
    assert (len(parts[2]), len(parts[3])) == (smoke.TEST_TEXTS, smoke.GOLD_TEXTS)
    assert 40 < len(parts[1]) < 150
    require_independent(evidence.gold_sources, evidence.sources)


def test_it_says_plainly_that_nobody_was_asked(evidence):
    assert evidence.people == 0
    assert evidence.by_kind == {"rating": smoke.TEXTS * smoke.RATERS_A_TEXT} == {"rating": evidence.records}
    authors = {record.author for entry in smoke._entries() for record in entry.feedback}
    assert {author.kind for author in authors} == {"rule"}
    assert {author.id for author in authors} == set(smoke.RATERS)


def test_raters_agree_with_the_words_as_far_as_their_noise_lets_them(evidence):
    scores = [*evidence.fit, *evidence.gold]
    values = [smoke.value_of(score.completion.text) for score in scores]
    assert np.corrcoef(values, [score.value for score in scores])[0, 1] > 0.95
    assert all(-4 <= rating <= 4 for score in scores for rating, _ in score.counts)


def test_it_is_the_same_in_every_process(evidence):
    program = (
        "from burnish.tasks import smoke; from burnish.plain import snapshot_hash;"
        "print(snapshot_hash(smoke.evidence().fit))"
    )
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == snapshot_hash(evidence.fit)


def test_the_rule_author_rates_by_the_words():
    prompt = smoke.prompts()[0]
    texts = ["The lamp is good.", "The lamp is superb, I love it.", ""]
    found = smoke.scripted_feedback([prompt] * 3, [Completion(prompt.id, text) for text in texts], 2.0)
    assert [score.value for score in found] == [pytest.approx(2 * smoke.WORDS["good"]), 4.0, 0.0]
    assert all(score.variance > 0 and score.source == "rule:grammar" for score in found)
    assert len({score.feedback_ids for score in found}) == 3


def test_the_dialogues_heed_the_opinion_half_the_time(monkeypatch, tmp_path):
    from burnish.models import tiny

    shown: list[tuple[str, str]] = []
    monkeypatch.setattr(tiny, "make", lambda folder, dialogues: shown.extend(dialogues))
    smoke.make_model(tmp_path)
    asked = {prompt.text: prompt for prompt in smoke.prompts()}
    assert len(shown) == smoke.DIALOGUES
    assert {asked[prompt].split for prompt, _ in shown} == {"train"}
    wanted = [asked[prompt].metadata["asked"] for prompt, _ in shown]
    correlation = np.corrcoef(wanted, [smoke.value_of(answer) for _, answer in shown])[0, 1]
    assert 0.35 < correlation < 0.7
