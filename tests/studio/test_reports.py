"""What people reported and skipped is told to whoever leads the study: who, why, and the item as they saw it."""

from __future__ import annotations

import html
import re
from collections.abc import Callable

from fastapi import FastAPI
from fastapi.testclient import TestClient
from tests.studio.answered import HOSTILE
from tests.studio.browser import material

from burnish.store import Store
from burnish.studio import assign
from burnish.studio.context import Studio, now_ms
from burnish.studio.session import person_of

ClientAs = Callable[..., TestClient]


def reported(store: Store, studio: Studio) -> None:
    """Have ana report the first item she is given, and skip the second."""
    material.begin(store, material.a_study(material.PAIR), material.pairs(2))
    account = store.accounts.by_name("ana") or store.accounts.add("ana", "annotator", now_ms=1)
    ana = person_of(account)
    for act in ("flag", "skip"):
        task = assign.next_task(studio, ana, "replies", now_ms())
        assert task is not None
        if act == "flag":
            assign.flag(studio, ana, task.assignment, HOSTILE, now_ms())
            assign.submit(
                studio, ana, task.assignment, {"key": "k" * 8, "answers": {"better": {"chosen": 0}}}, now_ms()
            )
        else:
            assign.skip(studio, ana, task.assignment, "no knowledge", "", now_ms())


def test_reports_are_listed_with_who_and_why_and_lead_to_the_item(
    client_as: ClientAs, app: FastAPI, store: Store
) -> None:
    client = client_as("rev", role="reviewer")
    assert "Nobody has reported" in client.get("/review/reports").text
    reported(store, app.state.studio)
    page = client.get("/review/reports?study=replies").text
    assert HOSTILE not in page
    assert HOSTILE in html.unescape(page)
    assert "1 item reported." in page
    assert "I do not know the subject (1)" in page
    links = re.findall(r'href="(/review/reports/replies/[^"]+)"', page)
    assert len(links) == 2
    item = client.get(links[1]).text
    assert HOSTILE in html.unescape(item)
    assert "Ring his bell" in item
    assert "secret-model" not in item
    assert "/review/reports?study=replies" in client_as("olga", role="owner").get("/studies/replies").text


def test_reports_are_for_those_who_lead(client_as: ClientAs, app: FastAPI, store: Store) -> None:
    reported(store, app.state.studio)
    told = client_as("rev", role="reviewer").get("/api/reports?study=replies").json()
    assert [(each["what"], each["person"], each["reason"]) for each in told] == [
        ("skip", "ana", "no knowledge"),
        ("flag", "ana", ""),
    ]
    ana = client_as("ana")
    for path in ("/review/reports", f"/review/reports/replies/{told[0]['item']}", "/api/reports"):
        assert ana.get(path).status_code == 403
    assert client_as("rev", role="reviewer").get("/review/reports/replies/i_none").status_code == 404


def test_of_an_erased_person_a_report_keeps_no_words(client_as: ClientAs, app: FastAPI, store: Store) -> None:
    reported(store, app.state.studio)
    store.erase_author("ana")
    told = client_as("rev", role="reviewer").get("/api/reports").json()
    assert {(each["reason"], each["note"]) for each in told} == {("", "")}
    assert "ana" not in {each["person"] for each in told}
