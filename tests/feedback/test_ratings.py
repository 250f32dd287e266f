import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from burnish.feedback import ratings
from burnish.feedback.answers import Answer, SignalConfig
from burnish.records import Author, Completion, Feedback, Prompt

PROMPT = Prompt.of("Hi")
GUESSES = (2.0, 0.5, 1.0)


def rating(text, value, *, author="", scale=(-4, 4), aspect="", time="", number=0):
    completion = Completion(PROMPT.id, text)
    record = Feedback(
        f"f{number}", "rating", PROMPT.id, (completion.id,), {"rating": value, "scale": list(scale)}, Author(author),
        aspect=aspect, time=time,
    )  # fmt: skip
    return Answer(PROMPT, (completion,), record)


def henderson(item, person, y, noise, between_items, between_people):
    """Best linear unbiased predictions from Henderson's mixed-model equations, written out as dense matrices."""
    items, people = int(item.max()) + 1, int(person.max()) + 1
    design = np.zeros((len(y), 1 + items + people))
    design[:, 0] = 1
    design[np.arange(len(y)), 1 + item] = 1
    named = person >= 0
    design[np.flatnonzero(named), 1 + items + person[named]] = 1
    penalty = np.diag([0.0] + [noise / between_items] * items + [noise / between_people] * people)
    solved = np.linalg.solve(design.T @ design + penalty, design.T @ y)
    return solved[0], solved[1 : 1 + items], solved[1 + items :]


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("anonymous_share", [0.0, 0.3, 1.0])
def test_effects_solve_hendersons_equations(seed, anonymous_share):
    generator = np.random.default_rng(seed)
    item = np.concatenate([np.arange(12), generator.integers(12, size=60)])
    person = generator.integers(5, size=72)
    person[generator.random(72) < anonymous_share] = ratings.ANONYMOUS
    y = generator.normal(size=12)[item] * 2 + 0.7 * person + generator.normal(size=72)
    fitted = ratings.effects(item, person, y, guesses=GUESSES)
    mean, item_I, person_K = henderson(item, person, y, fitted.noise, fitted.between_items, fitted.between_people)
    assert fitted.mean == pytest.approx(mean, abs=1e-6)
    assert fitted.item_I == pytest.approx(item_I, abs=1e-6)
    assert fitted.person_K == pytest.approx(person_K, abs=1e-6)


def test_variances_of_a_simulation_are_found_again():
    generator = np.random.default_rng(1)
    item = np.repeat(np.arange(1_500), 8)
    person = generator.integers(60, size=len(item))
    y = (
        generator.normal(0, 1.5, 1_500)[item]
        + generator.normal(0, 0.6, 60)[person]
        + generator.normal(0, 0.9, len(item))
        + 0.5
    )
    fitted = ratings.effects(item, person, y, guesses=GUESSES)
    assert fitted.between_items**0.5 == pytest.approx(1.5, rel=0.06)
    assert fitted.between_people**0.5 == pytest.approx(0.6, rel=0.3)
    assert fitted.noise**0.5 == pytest.approx(0.9, rel=0.03)
    assert fitted.mean == pytest.approx(0.5, abs=0.35)
    assert fitted.reliability == pytest.approx(2.25 / (2.25 + 0.36 + 0.81), abs=0.06)


def test_posterior_variances_are_honest():
    # the squared error of the estimates is what their variances say, for texts with few and with many ratings
    generator = np.random.default_rng(2)
    sizes = generator.integers(1, 12, size=3_000)
    item = np.repeat(np.arange(3_000), sizes)
    truth = generator.normal(0.3, 1.5, 3_000)
    y = truth[item] + generator.normal(0, 1.0, len(item))
    fitted = ratings.effects(item, np.full(len(item), ratings.ANONYMOUS), y, guesses=GUESSES)
    error = np.square(fitted.mean + fitted.item_I - truth)
    for few in (True, False):
        chosen = (sizes < 4) == few
        assert error[chosen].mean() == pytest.approx(fitted.item_variance_I[chosen].mean(), rel=0.12)
    assert fitted.item_variance_I[sizes == 1].mean() > 3 * fitted.item_variance_I[sizes == 11].mean()


def test_posterior_variances_are_those_of_the_dense_equations():
    item = np.array([0, 0, 1, 1, 1, 2])
    y = np.array([3.0, 2.0, -1.0, 0.0, 1.0, 4.0])
    fitted = ratings.effects(item, np.full(6, ratings.ANONYMOUS), y, guesses=GUESSES)
    design = np.column_stack([np.ones(6), np.eye(3)[item]])
    coefficients = design.T @ design + np.diag([0, 1, 1, 1]) * fitted.noise / fitted.between_items
    covariance = np.linalg.inv(coefficients) * fitted.noise
    for number in range(3):
        total = np.zeros(4)
        total[[0, 1 + number]] = 1  # mu + u_i
        assert fitted.item_variance_I[number] == pytest.approx(total @ covariance @ total)


def test_shrinking_is_that_of_the_formula():
    given = [rating("a", 4), rating("a", 4), rating("b", -2), rating("b", 0), rating("c", 3)]
    scores = ratings.scores(given, SignalConfig())
    means = {"a": 4.0, "b": -1.0, "c": 3.0}
    y = np.array([4, 4, -2, 0, 3.0])
    fitted = ratings.effects(np.array([0, 0, 1, 1, 2]), np.full(5, ratings.ANONYMOUS), y, guesses=GUESSES)
    for score, n in zip(scores, (2, 2, 1), strict=True):
        share = fitted.between_items / (fitted.between_items + fitted.noise / n)
        expected = fitted.mean + share * (means[score.completion.text] - fitted.mean)
        assert score.value == pytest.approx(expected, abs=1e-9)
        assert abs(score.value - fitted.mean) < abs(means[score.completion.text] - fitted.mean)
    assert scores[0].variance == scores[1].variance < scores[2].variance


def test_a_harsh_person_does_not_make_a_text_bad():
    # ana rates 2 lower than bob and cem; "x" was rated by ana alone, "y" by bob alone, both 1 above their own mean
    rows = []
    for number in range(12):
        quality = number % 5 - 2
        for author, lean in (("ana", -1.5), ("bob", 0.5), ("cem", 0.5)):
            rows.append(rating(f"text {number}", quality + lean * 1.0, author=author, scale=(-8, 8)))
    rows += [rating("x", -0.5, author="ana", scale=(-8, 8)), rating("y", 1.5, author="bob", scale=(-8, 8))]
    config = SignalConfig(scale=(-8, 8))
    values = {score.completion.text: score.value for score in ratings.scores(rows, config)}
    assert values["x"] == pytest.approx(values["y"], abs=0.35)
    anonymous = [rating(row.completions[0].text, row.feedback.value["rating"], scale=(-8, 8)) for row in rows]
    naive = {score.completion.text: score.value for score in ratings.scores(anonymous, config)}
    assert naive["y"] - naive["x"] > 0.8


def test_scales_are_put_on_one():
    given = [
        rating("a", 5, scale=(1, 5)),
        rating("a", 4, scale=(-4, 4)),
        rating("b", 1, scale=(1, 5)),
        rating("b", 0, scale=(0, 100)),
    ]
    by_text = {score.completion.text: score for score in ratings.scores(given, SignalConfig())}
    assert by_text["a"].counts == ((4.0, 2),)
    assert by_text["b"].counts == ((-4.0, 2),)


def test_counts_ids_and_aspects():
    given = [
        rating("a", 3, number=1), rating("a", 3, number=2), rating("a", -1, number=3),
        rating("a", 2, number=4, aspect="tone"),
    ]  # fmt: skip
    overall, tone = ratings.scores(given, SignalConfig())
    assert overall.counts == ((-1.0, 1), (3.0, 2))
    assert overall.feedback_ids == ("f1", "f2", "f3")
    assert (overall.source, overall.aspect, tone.aspect) == ("rating", "", "tone")


def test_one_persons_latest_rating_counts():
    given = [
        rating("a", 4, author="ana", time="2026-01-02T00:00:00.5Z", number=1),
        rating("a", -4, author="ana", time="2026-01-02T01:00:00+01:00", number=2),
        rating("a", 0, number=3),
        rating("a", 0, number=4),
    ]
    (score,) = ratings.scores(given, SignalConfig())
    assert score.counts == ((0.0, 2), (4.0, 1))
    assert score.feedback_ids == ("f1", "f3", "f4")


def test_a_single_rating_has_a_value_and_an_honest_variance():
    (score,) = ratings.scores([rating("a", 3)], SignalConfig())
    assert score.value == pytest.approx(3)
    assert 0.3 < score.variance < 6
    (many,) = ratings.scores([rating("a", 3, number=number) for number in range(40)], SignalConfig())
    assert many.value == pytest.approx(3)
    # one text alone: nothing is known of the grand mean but this text, so its variance is that of a mean of 40
    assert many.variance < score.variance / 10


@settings(max_examples=30, deadline=None)
@given(
    rows=st.lists(
        st.tuples(st.integers(0, 4), st.integers(-4, 4), st.sampled_from(["", "ana", "bob"])), min_size=1, max_size=25
    ),
    shift=st.sampled_from([0.0, 3.0]),
)
def test_scores_are_finite_ordered_alike_and_move_with_the_scale(rows, shift):
    def scored(offset):
        given = [
            rating(f"t{item}", value + offset, author=author, scale=(-4 + offset, 4 + offset))
            for item, value, author in rows
        ]
        return ratings.scores(given, SignalConfig(scale=(-4 + offset, 4 + offset)))

    here, there = scored(0.0), scored(shift)
    for one, other in zip(here, there, strict=True):
        assert -4 <= one.value <= 4
        assert 0 < one.variance < 40
        assert other.value - shift == pytest.approx(one.value, abs=1e-6)
        assert other.variance == pytest.approx(one.variance, rel=1e-5)
