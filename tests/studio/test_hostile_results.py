"""What stands in texts, names, comments, questions and run folders is shown as written: no page gains a tag by it."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.testclient import TestClient
from tests.studio import answered
from tests.studio.browser.hostile import TEXTS

from burnish.records import Author, Completion, Feedback, Prompt
from burnish.store import Entry, Store
from burnish.studio.routes.results import background_of
from burnish.studio.settings import StudioSettings

PLAIN = """
a b body br button caption circle code dd details div dl dt fieldset figcaption figure footer form h1 h2 h3 head header
html input label legend li line link main meta nav ol option p path pre progress rect script section select span summary
svg table tbody td text th thead title tr ul
"""
OURS = frozenset(PLAIN.split())
EACH = 30
"""Texts an item."""


class Tags(HTMLParser):
    """Every tag of a page, and what it would run or load."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: Counter[str] = Counter()
        self.deeds: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen[tag] += 1
        for name, value in attrs:
            address = (value or "").strip().lower()
            leaves = name in ("href", "src", "action", "hx-get") and not address.startswith(("/", "#"))
            if name.startswith("on") or name in ("style", "srcdoc", "formaction") or leaves:
                self.deeds.append(f"{tag} {name}={value}")
            if tag == "script" and name == "src" and not address.startswith("/static/"):
                self.deeds.append(f"script {value}")


def wrong_with(page: str) -> list[str]:
    """Tags that are not ours, and attributes that would do something."""
    tags = Tags()
    tags.feed(page)
    return [*sorted(set(tags.seen) - OURS), *tags.deeds]


def fill(store: Store) -> int:
    """Two people who differ on everything; every word they see or say is hostile. Return the number of items."""
    starts = range(0, len(TEXTS), EACH)
    for start in starts:
        some = TEXTS[start : start + EACH]
        prompt = Prompt.of(some[0])
        texts = tuple(Completion(prompt.id, text) for text in some)
        ids = tuple(text.id for text in texts)
        orders = [[place] for place in range(len(texts))]
        said = []
        for who, order in (("a", orders), ("b", orders[::-1])):
            name = who + "".join(each for each in some[-1] if each.isprintable())[:200]
            asked: dict[str, Any] = {"author": Author(name), "run": "studio:odd"}
            place = {"study": "odd", "item": str(start), "question": some[-1]}
            value = {"ranking": order}
            said.append(Feedback(f"{start}{who}", "ranking", prompt.id, ids, value, metadata=place, **asked))
            for number, text in enumerate(some):
                comment = {"comment": f"{text} {who}"}
                one = (ids[number],)
                said.append(
                    Feedback(f"{start}{who}{number}", "comment", prompt.id, one, comment, metadata=place, **asked)
                )
        store.submit(Entry(prompt, texts, tuple(said)))
    return len(starts)


def test_dashboards_and_review_show_hostile_words_as_written(
    client_as: Callable[..., TestClient], app: FastAPI, store: Store
) -> None:
    assert len(TEXTS) >= 200
    items = fill(store)
    client = client_as("rev", role="reviewer")
    client.get("/results/studies/odd")
    background_of(app.state.studio).wait()
    listed = client.get("/review?study=odd").text
    pages = ["/results/studies/odd", "/review?study=odd", *re.findall(r'href="(/review/[^/"]+/[^/"]+)"', listed)]
    assert len(pages) == 2 + items
    found = {}
    for address in pages:
        page = client.get(address)
        assert page.status_code == 200
        found[address] = wrong_with(page.text)
    assert {address: wrong for address, wrong in found.items() if wrong} == {}


def test_a_run_folder_of_somebody_else_does_nothing(
    client_as: Callable[..., TestClient], store: Store, settings: StudioSettings
) -> None:
    folder = answered.run_folder(Path(settings.runs), **answered.REPORT)
    verdict = {"improved": True, "reasons": list(TEXTS), "warnings": []}
    (folder / "report.json").write_text(json.dumps({**answered.REPORT, "verdict": verdict}), "utf-8")
    rows = [json.dumps({"prompt_id": text, "text": text}) for text in TEXTS]
    (folder / "validation" / "round-0-step-0000.jsonl").write_text("\n".join(rows), "utf-8")
    (folder / "status.json").write_text(json.dumps({"state": TEXTS[0], "done": [], "seconds": {}}), "utf-8")
    client = client_as("rev", role="reviewer")
    for address in ("/results/runs", "/results/runs/reviews-0"):
        page = client.get(address)
        assert page.status_code == 200
        assert wrong_with(page.text) == []


def test_the_test_can_fail() -> None:
    assert wrong_with("<p>fine <b>words</b></p>") == []
    for text in ("<img src=x onerror=y>", '<a href="javascript:x">', "<p style='x'>", '<script src="//x"></script>'):
        assert wrong_with(text) != []
