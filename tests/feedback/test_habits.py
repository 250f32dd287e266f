import numpy as np
import pytest

from burnish.feedback import habits


def test_the_longest_run_and_how_likely_it_is():
    run = habits.longest_run(list("abbbba"), {"a": 0.5, "b": 0.5})
    # by hand: a run of 4 of 6 may begin at once, or after another answer at 2 places: 1/16 (1 + 2/2)
    assert (run.answer, run.length, run.of, run.chance) == ("b", 4, 6, 0.125)
    assert habits.longest_run(["a"], {}) is None


def test_the_bound_on_runs_holds():
    generator = np.random.default_rng(0)
    chances = [
        habits.longest_run(generator.integers(3, size=60).tolist(), dict.fromkeys(range(3), 1 / 3)).chance
        for _ in range(400)
    ]
    assert np.mean(np.array(chances) < 0.05) < 0.08
    assert habits.longest_run([1] * 30, {1: 0.3}).chance < 1e-10


def test_drift_is_seen_and_noise_is_not():
    generator = np.random.default_rng(0)
    noise = [habits.drift(generator.normal(size=100)) for _ in range(300)]
    assert 0.005 < np.mean(np.array(noise) < 0.05) < 0.08
    changed = np.concatenate([generator.normal(size=50), generator.normal(size=50) - 1.5])
    assert habits.drift(changed) < 0.001
    assert habits.drift(np.ones(50)) is None
    assert habits.drift([1.0, -1.0]) is None


def test_haste():
    assert habits.too_fast([1.0, 10.0], [600, 600]) == 0.5
    assert habits.too_fast([], []) == 0.0
    assert habits.shares_of([1, 1, 2, 3]) == pytest.approx({1: 0.5, 2: 0.25, 3: 0.25})
