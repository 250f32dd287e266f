"""Several rewards as one, from a file: weights as written, by step, or fitted to people's grades."""

import json

import numpy as np
import pytest

from burnish.errors import InputError
from burnish.loop.rewards_by_name import reward_of
from burnish.records import Completion, Prompt, Score
from burnish.rewards import boosted

PROMPT = Prompt.of("Count.")
TEXTS = [Completion(PROMPT.id, text) for text in ("one two three four", "7 of nine", "short")]


@pytest.fixture
def made(tmp_path):
    def write(text):
        path = tmp_path / "reward.toml"
        path.write_text(text, "utf-8")
        return reward_of(str(path), "float32")

    return write


def values(reward):
    return [score.value for score in reward.score([PROMPT] * len(TEXTS), TEXTS)]


def test_parts_are_weighed_and_say_what_they_gave(made):
    reward = made(
        '[[part]]\nreward = "length:3-8"\nweight = 2.0\n[[part]]\nname = "no digits"\nreward = "pattern:!\\\\d"'
    )
    plain, digits = (values(reward_of(word, "float32")) for word in ("length:3-8", "pattern:!\\d"))
    assert values(reward) == pytest.approx([2 * one + other for one, other in zip(plain, digits, strict=True)])
    assert "no digits" in reward.score([PROMPT], TEXTS[:1])[0].reason


def test_a_weight_by_step_is_a_line_between_its_points(made):
    reward = made('[[part]]\nreward = "pattern:!\\\\d"\nweight = [[0, 0.0], [100, 0.5]]')
    assert [values(reward.at(step))[0] for step in (0, 50, 100, 900)] == pytest.approx([0.0, 0.25, 0.5, 0.5])


def test_where_completions_stand_alone_nothing_is_measured_within_a_group(made):
    reward = made('scale = "group"\n[[part]]\nreward = "length:3-8"')
    assert sum(values(reward)) == pytest.approx(0)
    alone = reward.at(5, alone=True)
    assert values(alone) == pytest.approx(values(reward_of("length:3-8", "float32")))


def test_weights_are_fitted_to_peoples_grades(made, tmp_path, capsys):
    """People like texts without digits, and their length is nothing to them."""
    rows = []
    for number in range(40):
        digit, words = number % 2, 1 + number % 5
        text = " ".join(["word"] * words) + (f" {number}" if digit else " more")
        rating = 2 if digit else 5
        row = {"prompt": f"q{number}", "completion": text, "rating": rating, "scale": [1, 5]}
        rows += [{**row, "author": who} for who in ("ana", "bo")]
    grades = tmp_path / "grades.jsonl"
    grades.write_text("\n".join(map(json.dumps, rows)), "utf-8")
    parts = '[[part]]\nreward = "length:1-3"\n[[part]]\nname = "digits"\nreward = "pattern:!\\\\d"\n'
    reward = made(f'people = "{grades}"\n{parts}')
    weights = {part.name: part.weight for part in reward.parts}
    assert weights["digits"] > 10 * abs(weights["length:1-3"])
    assert "reward: weight of digits: +" in capsys.readouterr().err


@pytest.fixture
def likers_of_length(tmp_path):
    """A file of grades by people who like long texts, as far as they can tell, and do not see digits."""
    draw, rows = np.random.default_rng(0), []
    for number in range(160):
        words = int(draw.integers(1, 12))
        text = " ".join(["word"] * words) + (f" {number}" if number % 2 else " more")
        rating = int(np.clip(round(words / 2 + draw.normal(0, 0.3)), 1, 5))
        rows.append({"prompt": f"q{number}", "completion": text, "rating": rating, "scale": [1, 5], "author": "ana"})
    path = tmp_path / "lengths.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)), "utf-8")
    return path


def test_trees_learn_from_one_half_of_the_prompts_and_are_weighed_by_the_other(made, likers_of_length, capsys):
    reward = made(f'people = "{likers_of_length}"\n[[part]]\nreward = "boosted"\n[[part]]\nreward = "pattern:!\\\\d"')
    told = capsys.readouterr().err
    assert "boosted learns from 80 grades, the weights from 80 others" in told
    assert "boosted looks at " in told
    weights = {part.name: part.weight for part in reward.parts}
    assert weights["boosted"] > 5 * abs(weights["pattern:!\\d"])
    long, short = reward.score([PROMPT] * 2, [Completion(PROMPT.id, " ".join(["word"] * n)) for n in (11, 2)])
    assert long.value > short.value + 1


def test_the_whole_is_kept_within_so_many_standard_deviations(made, likers_of_length):
    parts = '[[part]]\nreward = "length:40-50"\n'
    plain, clipped = (made(f'people = "{likers_of_length}"\n{more}{parts}') for more in ("", "clip = 1.5\n"))
    texts = [Completion(PROMPT.id, " ".join(["word"] * n)) for n in (1, 5, 45)]
    _, middle, far = (score.value for score in clipped.score([PROMPT] * 3, texts))
    assert far == 1.5  # the graded texts have no more than twelve words
    assert -1.5 < middle < 1.5
    assert plain.score([PROMPT], texts[2:])[0].value > 1.5


def test_fitted_trees_are_a_reward_by_their_folder(tmp_path):
    scores = [
        Score(Prompt.of(f"q{n}"), Completion(f"q{n}", " ".join(["word"] * (n % 9 + 1))), n % 9 / 2) for n in range(60)
    ]
    fitted = boosted.fit(scores)
    fitted.save(tmp_path / "trees")
    assert values(reward_of(str(tmp_path / "trees"), "float32")) == values(fitted)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", r"no \[\[part\]\]"),
        ('[[part]]\nreward = "chrff"', "'chrff' is not known. Did you mean 'chrf'"),
        ('x = 1\n[[part]]\nreward = "chrf"', "unknown key 'x'"),
        ('[[part]]\nreward = "chrf"\nweight = [[3, 1], [2, 0]]', "reward.toml: .* do not ascend"),
        ('[[part]]\nreward = "chrf"\nweight = "much"', 'part 1: weight = "much"'),
        ('[[part]]\nreward = "other.toml"', "a file of parts inside a file of parts"),
        ('style = ["log words"]\n[[part]]\nreward = "chrf"', "people: style is fitted to grades"),
        ('clip = 2.0\n[[part]]\nreward = "chrf"', "people: clip is fitted to grades"),
        ('[[part]]\nreward = "boosted"', "people: boosted is fitted to grades"),
        ('people = "x"\n[[part]]\nreward = "chrf"\nweight = [[0, 1], [2, 0]]', "weights by step cannot be fitted"),
    ],
)
def test_slips_are_told_with_their_place(made, text, complaint):
    with pytest.raises(InputError, match=complaint):
        made(text)
