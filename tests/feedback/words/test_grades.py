import numpy as np
import pytest

from burnish.errors import InputError
from burnish.feedback.words import grades
from burnish.feedback.words.reading import Estimate, Reading


def reading(whole, **aspects):
    return Reading("", (), Estimate(whole, 1.0), {name: Estimate(value, 1.0) for name, value in aspects.items()})


def people_who_care(n, *, seed, noise=0.6):
    """Comments of 20 people who grade correctness twice as high as their words' whole, and style not at all."""
    draw = np.random.default_rng(seed)
    leniency = draw.normal(0, 0.5, 20)
    readings, given, people = [], [], []
    for _ in range(n):
        correct, style, person = draw.uniform(-2, 2), draw.uniform(-2, 2), draw.integers(20)
        whole = (correct + style) / 2
        readings.append(reading(whole, correctness=correct, style=style))
        given.append(0.9 * whole + 0.6 * correct - 0.3 * style + leniency[person] + draw.normal(0, noise))
        people.append(f"p{person}")
    return readings, given, people


def test_with_no_grades_a_comment_is_worth_what_was_read_in_it():
    fitted = grades.fit([], [], [])
    predicted = fitted.predict(reading(1.5))
    assert predicted.value == pytest.approx(1.5)
    assert predicted.variance == pytest.approx(
        grades.GUESSED_NOISE + grades.PRIOR_PERSON_VARIANCE + grades.PRIOR_SD**2 * (1.5**2 + 1)
    )


def test_what_people_care_for_gets_the_weight():
    fitted = grades.fit(*people_who_care(600, seed=1))
    assert fitted.weight("correctness").value > 0.3 > 0 > fitted.weight("style").value
    better = fitted.predict(reading(0, correctness=2.0, style=-2.0))
    worse = fitted.predict(reading(0, correctness=-2.0, style=2.0))
    assert better.value - worse.value == pytest.approx(2 * (0.6 * 2 + 0.3 * 2), abs=0.35)
    assert fitted.noise == pytest.approx(0.36, rel=0.2)


def test_stated_ranges_hold_as_often_as_they_say():
    """90% ranges of grades by new people, over 40 fits to 60 grades: between 86 and 94 in a hundred."""
    held = []
    for seed in range(40):
        fitted = grades.fit(*people_who_care(60, seed=seed))
        for given, truth in zip(*people_who_care(50, seed=1000 + seed)[:2], strict=True):
            predicted = fitted.predict(given)
            held.append(abs(predicted.value - truth) <= 1.645 * predicted.variance**0.5)
    assert 0.86 <= np.mean(held) <= 0.94


def test_fewer_grades_are_less_sure():
    few, many = (grades.fit(*people_who_care(n, seed=3)) for n in (10, 500))
    assert few.weight("correctness").variance > 3 * many.weight("correctness").variance
    assert few.graded == 10


def test_lenient_people_are_named_and_do_not_lift_the_weights():
    readings, given, people = people_who_care(600, seed=5)
    lifted = [grade + 1.5 * (person == "p3") for grade, person in zip(given, people, strict=True)]
    plain, fitted = grades.fit(readings, given, people), grades.fit(readings, lifted, people)
    assert fitted.people["p3"] - plain.people["p3"] == pytest.approx(1.5, abs=0.4)
    assert fitted.weight("correctness").value == pytest.approx(plain.weight("correctness").value, abs=0.05)


def test_eliminating_people_changes_nothing():
    """Against one ridge regression with a column for each person, solved whole."""
    readings, given, people = people_who_care(80, seed=7)
    fitted = grades.fit(readings, given, people)
    known = sorted(set(people))
    x = np.array([[*(r.whole.value, r.aspects["correctness"].value, r.aspects["style"].value), 1.0] for r in readings])
    z = np.array([[float(person == name) for name in known] for person in people])
    both = np.hstack([x, z])
    prior = np.diag([1 / grades.PRIOR_SD**2] * 4 + [1 / grades.PRIOR_PERSON_VARIANCE] * len(known))
    start = prior @ np.eye(len(prior))[0]
    solved = np.linalg.solve(both.T @ both / fitted.noise + prior, both.T @ np.array(given) / fitted.noise + start)
    assert fitted.mean_P == pytest.approx(solved[:4], abs=1e-3)


def test_what_could_not_be_read_predicts_nothing_and_teaches_nothing():
    silent = Reading("", (), None)
    fitted = grades.fit([silent, reading(1.0)], [4.0, 1.0], ["", ""])
    assert fitted.graded == 1
    assert fitted.predict(silent) is None


def test_lists_of_different_length_are_refused():
    with pytest.raises(InputError, match="1 readings, 2 grades"):
        grades.fit([reading(1.0)], [1.0, 2.0], ["", ""])
