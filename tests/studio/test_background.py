"""Statistics in the background: never waited for, never older than they say, and they survive a failure."""

from __future__ import annotations

import threading

import pytest

from burnish.studio.background import MOST_KEPT, Background


def test_nobody_waits_and_the_result_says_what_it_was_computed_from() -> None:
    background, gate = Background(), threading.Event()

    def compute() -> str:
        assert gate.wait(10)
        return "figures"

    assert background.latest("a", "1", compute) is None
    assert background.is_busy("a")
    gate.set()
    assert background.wait()
    found = background.latest("a", "1", compute)
    assert found is not None
    assert (found.value, found.revision, found.failed) == ("figures", "1", "")


def test_an_outdated_result_is_shown_until_the_new_one_is_there() -> None:
    background = Background()
    background.latest("a", "1", lambda: "old")
    background.wait()
    background._rest_until.clear()  # the rest between two computations is another test's
    found = background.latest("a", "2", lambda: "new")
    assert found is not None
    assert found.value == "old"
    background.wait()
    newer = background.latest("a", "2", lambda: pytest.fail("nothing changed, so nothing is computed"))
    assert newer is not None
    assert (newer.value, newer.revision) == ("new", "2")


def test_between_two_computations_of_one_name_it_rests() -> None:
    background, calls = Background(), []
    background.latest("a", "1", lambda: calls.append(1))
    background.wait()
    background._rest_until["a"] = float("inf")
    for revision in "23456":
        background.latest("a", revision, lambda: calls.append(1))
    background.wait()
    assert calls == [1]


def test_a_failure_is_told_and_the_worker_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    background = Background()
    background.latest("bad", "1", lambda: 1 / 0)
    background.latest("good", "1", lambda: 7)
    background.wait()
    bad, good = (background.latest(name, "1", lambda: None) for name in ("bad", "good"))
    assert bad is not None
    assert good is not None
    assert "ZeroDivisionError" in bad.failed
    assert good.value == 7
    assert "computing bad failed" in caplog.text


def test_only_so_many_results_are_kept() -> None:
    background = Background()
    for number in range(MOST_KEPT + 5):
        background.latest(str(number), "1", lambda: 0)
    background.wait()
    assert len(background._latest) == MOST_KEPT


def test_once_stopped_it_begins_nothing_and_keeps_quiet(caplog: pytest.LogCaptureFixture) -> None:
    background, begun, gate = Background(), threading.Event(), threading.Event()

    def compute() -> None:
        begun.set()
        assert gate.wait(10)
        raise RuntimeError("the store was closed")

    background.latest("a", "1", compute)
    assert begun.wait(10)
    background.stop()
    gate.set()
    background.latest("b", "1", lambda: pytest.fail("it was stopped"))
    assert background.wait()
    assert background.latest("b", "1", lambda: None) is None
    assert caplog.text == ""
