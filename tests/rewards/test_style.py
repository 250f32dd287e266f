"""Style taken out of a reward, and rewards fitted to features of it."""

import numpy as np
import pytest

from burnish.errors import InputError
from burnish.records import Completion, Prompt, Score
from burnish.rewards import boosted, residual
from burnish.rewards.parts.style import FEATURES, style


class PaysLength:
    """`Reward`: a text's quality (the number it begins with) and 0.5 for each unit of log words."""

    def score(self, prompts, completions):
        values = [float(c.text.split()[0]) + 0.5 * style([c.text], ["log words"])[0, 0] for c in completions]
        return [
            Score(p, c, v, source="x", members=(v, v + 1)) for p, c, v in zip(prompts, completions, values, strict=True)
        ]


@pytest.fixture(scope="module")
def texts():
    """Quality and length drawn apart; people value quality alone."""
    draw = np.random.default_rng(0)
    quality = draw.normal(size=120).round(2)
    prompts = [Prompt.of(f"q{i}") for i in range(120)]
    lengths = draw.integers(1, 60, size=120)
    texts = [f"{q} " + "word " * int(n) for q, n in zip(quality, lengths, strict=True)]
    return prompts, [Completion(p.id, t) for p, t in zip(prompts, texts, strict=True)], quality


def test_what_is_paid_for_length_beyond_people_is_found_and_taken_out(texts):
    prompts, completions, quality = texts
    scores = PaysLength().score(prompts, completions)
    found = residual.fit(scores, people=(3 * quality + 7).tolist())
    assert found.interval("log words").mean == pytest.approx(0.5, abs=0.01)
    left = residual.without_style(PaysLength(), found).score(prompts, completions)
    values = np.array([score.value for score in left])
    assert np.corrcoef(values, quality)[0, 1] > 0.999
    assert np.std(values - quality) < 0.02  # it was 0.5 times the spread of log words: 0.46
    assert left[0].members[1] - left[0].members[0] == pytest.approx(1.0)
    assert "for style taken out" in left[0].reason


def test_a_reward_that_likes_length_as_people_do_keeps_it(texts):
    prompts, completions, _ = texts
    scores = PaysLength().score(prompts, completions)
    people = [score.value for score in scores]  # people like length exactly as much
    found = residual.fit(scores, people=people)
    assert found.names == ()
    same = residual.without_style(PaysLength(), found).score(prompts, completions)
    assert [score.value for score in same] == people
    alone = residual.fit(scores)  # without grades, what the reward pays is all there is to see
    assert alone.interval("log words").low < 0.5 < alone.interval("log words").high


def test_raw_texts_share_a_prompt_and_are_each_a_unit(texts):
    _, completions, quality = texts
    raw = Prompt(())
    scores = PaysLength().score([raw] * 120, [Completion(raw.id, c.text) for c in completions])
    each = residual.fit(scores, people=quality.tolist(), keep_all=True).interval("log words")
    assert each.n == 120
    assert each.low < each.high


def test_unscored_stays_unscored_and_unknown_features_are_told(texts):
    prompts, completions, _ = texts

    class Mute:
        def score(self, prompts, completions):
            return [Score(p, c, None, reason="mute") for p, c in zip(prompts, completions, strict=True)]

    reward = residual.Residual(Mute(), ("log words",), (1.0,), (0.0,))
    assert reward.score(prompts[:1], completions[:1])[0].value is None
    with pytest.raises(InputError, match="no feature 'beauty'"):
        residual.fit([], names=["beauty"])


def test_features_of_style():
    text = "# Title\n- one\n- **two**!\n`code`? NO NO"
    row = dict(zip(FEATURES, style([text])[0], strict=True))
    assert row["headers"] == row["bold"] == row["code"] == row["questions"] == pytest.approx(np.log(2))
    assert row["list items"] == pytest.approx(np.log(3))
    assert row["repetition"] == pytest.approx(1 / 6)
    assert style([""]).tolist() == [[0.0] * len(FEATURES)]


def test_boosted_trees_learn_grades_from_features_and_say_which_they_used(texts):
    prompts, completions, _ = texts
    grades = style([c.text for c in completions], ["log words"])[:, 0] ** 2
    scores = [Score(p, c, float(g)) for p, c, g in zip(prompts, completions, grades, strict=True)]
    reward = boosted.fit(scores[:80], settings=boosted.Settings(members=3, iterations=25))
    found = reward.score(prompts[80:], completions[80:])
    assert np.corrcoef([score.value for score in found], grades[80:])[0, 1] > 0.9
    assert all(len(score.members) == 3 and score.variance >= 0 for score in found)
    assert next(iter(boosted.importance(reward))) == "log words"
    assert reward.score(prompts[:1], [Completion(prompts[0].id, " ")])[0].value is None


def test_boosted_trees_are_kept_as_data_and_grow_again_the_same(texts, tmp_path):
    prompts, completions, quality = texts
    scores = [Score(p, c, float(q)) for p, c, q in zip(prompts, completions, quality, strict=True)]
    reward = boosted.fit(scores, settings=boosted.Settings(members=2, iterations=10))
    reward.save(tmp_path / "b")
    again = boosted.load(tmp_path / "b")
    assert again.score(prompts, completions) == reward.score(prompts, completions)
    with pytest.raises(InputError, match="holds none"):
        boosted.load(tmp_path / "nothing")
    with pytest.raises(InputError, match="Give at least 20"):
        boosted.fit(scores[:5])
