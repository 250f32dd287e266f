"""What is another person's looks like what is not there; a blind study's pages do not say which model wrote what."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from tests.studio.doors import as_browser, ask, doors
from tests.studio.test_assign import BETTER, begin

from burnish.store import Store
from burnish.store.accounts import ROLES
from burnish.studio.context import now_ms
from burnish.studio.study import Study

ClientAs = Callable[..., TestClient]
BODIES: list[dict[str, Any]] = [
    {},
    {"json": {"key": "k" * 16, "seconds": 1.0, "answers": {"better": {"chosen": 0}}}},
    {"json": {"draft": {"better": {"chosen": 1}}}},
    {"json": {"reason": "other", "note": ""}},
    {"json": {"note": "x"}},
    {"json": {"text": "x", "shown": 0, "question": "better"}},
]


@pytest.fixture
def study(store: Store) -> Study:
    made = Study("study", "A study", (BETTER,), overlap=1)
    begin(store, made)
    return made


def assignment_of(client: TestClient) -> str:
    """Return the item that somebody is given, as the API names it."""
    given = client.post("/api/work/study/next")
    assert given.status_code == 200, given.text
    found = re.search(r"a_[0-9a-f]{20}", given.text)
    assert found
    return found.group(0)


def test_nobody_reaches_an_item_that_another_person_holds(
    app: FastAPI, client_as: ClientAs, store: Store, study: Study
) -> None:
    """Every route that takes an assignment, with every body, as everybody else: as if there were none of this id."""
    held = assignment_of(client_as("ana"))
    before = store.assignments.get(held, "ana")
    bob, *higher = (as_browser(client_as(role, role=role)) for role in ROLES)
    missing = "a_" + "0" * 20
    wanted = [door for door in doors(app) if "{assignment}" in door.template]
    sent = [{**bob, **body} for body in BODIES] + [{**other, **BODIES[1]} for other in higher]
    knocks = [(door, each) for door in wanted for each in sent]
    assert len(wanted) >= 10

    def told(name: str) -> list[tuple[int, str]]:
        paths = [re.sub(r"\{study[^}]*\}", "study", door.template).replace("{assignment}", name) for door, _ in knocks]
        found = ask(app, [(door.method, path, more) for (door, more), path in zip(knocks, paths, strict=True)])
        return [(each.status_code, each.text.replace(name, "")) for each in found]

    foreign = told(held)
    assert foreign == told(missing)
    assert {status for status, _ in foreign} <= {404, 422}  # 422: the body would not do, whoever sent it
    assert store.assignments.get(held, "ana") == before


def test_a_blind_study_says_nowhere_which_model_wrote_what(
    app: FastAPI, client_as: ClientAs, study: Study, store: Store
) -> None:
    """Model names are planted in every completion; no answer that an annotator gets holds one."""
    ana = client_as("ana")
    held = assignment_of(ana)
    names = re.compile(r'"(?:model|checkpoint_id)": ?"(?:old|new)"|\bmodel-(?:old|new)\b|>(?:old|new)<')
    for door in doors(app):
        if door.method == "GET" and door.role == "annotator":
            path = re.sub(r"\{study[^}]*\}", "study", door.template).replace("{assignment}", held)
            answer = ana.get(path)
            assert not names.search(answer.text), (path, names.search(answer.text))
    shown = ana.get(f"/api/assignments/{held}")
    assert '"model"' not in json.dumps(shown.json())


def test_a_talk_is_its_beginners(client_as: ClientAs) -> None:
    for act in ("say", "feedback", "names"):
        assert client_as("bob").post(f"/play/talks/guessed/{act}", json={"text": "x"}).status_code in (404, 422)


def test_names_of_runs_and_studies_lead_nowhere_else(app: FastAPI, client_as: ClientAs) -> None:
    owner = as_browser(client_as("olga", role="owner"))
    names = ["%2e%2e", "..%2f..%2fetc", "%2fetc", "a%00b", "%5c..", "~", "a" * 300]
    places = ("/results/runs/{}", "/results/runs/{}/report", "/results/studies/{}", "/studies/{}", "/tasks/{}/guide")
    paths = [place.format(name) for place in places for name in names]
    found = ask(app, [("GET", path, owner) for path in paths])
    assert {path: each.status_code for path, each in zip(paths, found, strict=True) if each.status_code != 404} == {}


def test_an_annotator_sees_no_page_of_others_by_guessing(client_as: ClientAs, study: Study, store: Store) -> None:
    bob = client_as("bob")
    client_as("ana")
    token = store.sessions.make_token(
        store.accounts.listing()[0], "x", "annotator", now_ms=now_ms(), lasts_ms=3_600_000
    )
    assert token
    paths = ["/people", "/people/log", "/people/ana/delete", "/studies", "/studies/study", "/review", "/results"]
    paths += ["/api/feedback", "/api/studies/study/export", "/api/studies/study/items", "/api/webhooks"]
    assert {path: bob.get(path).status_code for path in paths} == dict.fromkeys(paths, 403)
