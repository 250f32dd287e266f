"""The playground in a real browser, by keys alone."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from burnish.loop import speakers
from burnish.records import Completion, FinishReason, Prompt, Sampling
from burnish.store import Store
from burnish.studio.context import now_ms

SAID = ("A lamp is <b>light</b>.", "It is a lamp.")


class Script:
    slow = False
    left = threading.Event()

    def speak(self, who, prompt: Prompt, sampling: Sampling, *, seed=0, run="", index=0) -> Iterator[str | Completion]:
        said = SAID[index % 2]
        try:
            for _ in range(2_000 if self.slow else 0):
                time.sleep(0.01)
                yield "."
        finally:
            self.left.set()
        yield from (said[:9], said[9:])
        reason = FinishReason.STOP
        yield Completion(prompt.id, said, model=who.name, sampling=sampling, finish_reason=reason, run=run, index=index)


@pytest.fixture
def play(site: Any, store: Store, open_page: Callable[..., Page], monkeypatch: pytest.MonkeyPatch) -> Page:
    """The page, ana signed in, with a model that says two different things in turn."""
    monkeypatch.setattr(speakers, "_is_fetched", lambda name: True)
    site.studio.services["answer"] = Script()
    account = store.accounts.add("ana", "annotator", now_ms=now_ms())
    page = open_page(width=360)
    session = {"name": "burnish_session", "value": store.sessions.start(account.number, now_ms=now_ms())}
    page.context.add_cookies([{**session, "url": site.url}])
    page.goto("/play")
    return page


def stored(store: Store) -> list[tuple[str, dict[str, Any]]]:
    return [(record.kind, dict(record.value)) for entry in store.entries() for record in entry.feedback]


def test_one_model_by_keys_alone(play, store, axe):
    play.keyboard.press("/")
    play.keyboard.type("What is a lamp?")
    play.keyboard.press("Enter")
    expect(play.locator(".answer .text")).to_have_text(SAID[0])  # as written: no bold
    play.locator("h1").click()  # out of the field
    play.keyboard.press("g")
    expect(play.locator(".stored")).to_be_visible()
    play.keyboard.press("e")
    play.keyboard.type("!")
    play.keyboard.press("Tab")
    play.keyboard.press("Enter")
    expect(play.locator(".words")).to_be_hidden()
    play.keyboard.press("c")
    play.keyboard.type("Short.")
    assert axe(play) == []
    play.keyboard.press("Escape")
    expect(play.locator(".words")).to_be_hidden()
    expect(play.get_by_role("button", name="Comment")).to_be_focused()
    assert stored(store) == [("thumb", {"thumb": True}), ("correction", {"correction": SAID[0] + "!"})]


def test_two_blind_by_keys_alone(play, store, axe):
    play.locator("input[value='2']").check()
    play.locator("#text").fill("What is a lamp?")
    play.keyboard.press("Enter")
    expect(play.get_by_role("button", name="A is better")).to_be_focused()
    assert axe(play) == []
    play.keyboard.press("b")
    expect(play.locator(".answer.chosen .text")).to_have_text(SAID[1])
    expect(play.locator("#text")).to_be_focused()
    play.keyboard.type("And?")
    play.keyboard.press("Enter")
    expect(play.locator(".turn")).to_have_count(2)
    play.get_by_role("button", name="Show which model said what").click()
    expect(play.locator(".name >> visible=true")).to_have_count(4)
    assert stored(store) == [("comparison", {"chosen": 1})]
    before = play.locator("#turns").inner_text()
    play.reload()
    expect(play.locator(".answer.chosen .text")).to_have_text(SAID[1])
    assert play.locator("#turns").inner_text() == before
    assert play.evaluate("document.documentElement.scrollWidth") == 360


def test_a_lost_connection_loses_no_words(play, watch):
    play.locator("#text").fill("What is a lamp?")
    play.context.set_offline(True)
    play.keyboard.press("Enter")
    expect(play.get_by_role("alert")).to_have_text("No connection. Try again.")
    assert play.locator("#text").input_value() == "What is a lamp?"
    play.context.set_offline(False)
    play.get_by_role("button", name="Send").click()
    expect(play.locator(".answer .text")).to_have_text(SAID[0])


def test_an_answer_can_be_stopped_and_the_model_is_free_at_once(play, site):
    script = site.studio.services["answer"]
    script.slow = True
    script.left.clear()
    play.locator("#text").fill("What is a lamp?")
    play.keyboard.press("Enter")
    expect(play.locator(".answer .text")).to_contain_text("...")
    play.get_by_role("button", name="Stop").click()
    expect(play.get_by_role("alert")).to_have_text("Stopped; this turn was not kept.")
    assert script.left.wait(5)
    script.slow = False
    play.get_by_role("button", name="Send").click()
    expect(play.locator(".answer .text")).to_have_text(SAID[0])
    expect(play.locator(".turn")).to_have_count(1)


def test_an_earlier_conversation_is_found_and_deleted_by_keys(play, axe):
    play.locator("#text").fill("What is a lamp?")
    play.keyboard.press("Enter")
    expect(play.locator(".opinions")).to_be_visible()
    play.get_by_role("button", name="Begin anew").click()
    expect(play.locator(".turn")).to_have_count(0)
    play.reload()
    expect(play.locator(".turn")).to_have_count(0)
    play.get_by_role("link", name="What is a lamp?").focus()
    play.keyboard.press("Enter")
    expect(play.locator(".answer .text")).to_have_text(SAID[0])
    assert axe(play) == []
    play.get_by_role("button", name="Delete").focus()
    play.keyboard.press("Enter")
    expect(play.get_by_role("link", name="What is a lamp?")).to_have_count(0)
    expect(play.locator(".turn")).to_have_count(0)
