"""The list of tasks says how long an item takes, by one's own answers or else by everybody's, and what is left."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from tests.studio.browser import material

from burnish.store import Store
from burnish.studio import assign
from burnish.studio.context import Studio, now_ms
from burnish.studio.pace import rough
from burnish.studio.session import person_of


def answer(studio: Studio, name: str, *seconds: float) -> None:
    """Have a person answer as many items, each taking so long."""
    store = studio.store
    who = person_of(store.accounts.by_name(name) or store.accounts.add(name, "annotator", now_ms=1))
    for each in seconds:
        task = assign.next_task(studio, who, "replies", now_ms())
        assert task is not None
        sent = {"key": f"key-{task.assignment}", "seconds": each, "answers": {"better": {"chosen": 0}}}
        assign.submit(studio, who, task.assignment, sent, now_ms())


def test_the_list_tells_what_is_left_and_how_long_it_takes(
    client_as: Callable[..., TestClient], app: FastAPI, store: Store
) -> None:
    studio: Studio = app.state.studio
    material.begin(store, material.a_study(material.PAIR, overlap=3), material.pairs(8))
    ana = client_as("ana")
    assert "left" not in ana.get("/").text  # nobody knows yet how long one takes
    assert "8 items left</p>" in ana.get("/tasks/replies/guide").text
    answer(studio, "ben", 30, 30, 500)
    assert "8 items left, about 4 minutes · an item takes about 30 seconds" in ana.get("/").text
    answer(studio, "ana", 8, 8, 9, 600)
    assert "4 items left, about 35 seconds · you take about 8 seconds an item" in ana.get("/").text
    assert "4 items left" in ana.get("/tasks/replies/guide").text
    answer(studio, "ana", 8, 8, 8, 8)
    assert "left" not in ana.get("/").text


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.2, ("seconds", 1)), (8.4, ("seconds", 8)), (33, ("seconds", 35)), (120, ("minutes", 2)), (7200, ("hours", 2))],
)
def test_durations_are_said_as_people_say_them(seconds: float, said: tuple[str, int]) -> None:
    assert rough(seconds) == said
