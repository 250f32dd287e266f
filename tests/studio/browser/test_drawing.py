"""Items drawn from a model, watched in a real browser: the page follows by itself and is left by keys."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from burnish.errors import StoppedOnRequest
from burnish.loop import speakers
from burnish.loop.speakers import DEFAULT
from burnish.records import Completion
from burnish.store import Store
from burnish.studio.drawing import drawer_of
from burnish.studio.study import Question, Source, Study
from burnish.studio.study_file import to_toml


class Script:
    """Writes when it is let."""

    let = threading.Semaphore(0)

    def sample(self, who, prompts, sampling, *, n=1, seed=0, run="", stopped=None) -> list[list[Completion]]:
        while not self.let.acquire(timeout=0.01):
            if stopped():
                raise StoppedOnRequest("sampling: stopped on request.")
        return [[Completion(prompt.id, f"text {number}") for number in range(n)] for prompt in prompts]


def test_a_drawing_is_begun_watched_and_stopped_by_keys(
    site: Any,
    store: Store,
    open_page: Callable[..., Page],
    axe: Callable[..., list[str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(speakers, "_is_fetched", lambda name: True)
    site.studio.services["answer"] = script = Script()
    (tmp_path / "prompts.jsonl").write_text("".join(json.dumps({"prompt": f"Q{n}"}) + "\n" for n in range(20)))
    source = Source("samples", path="prompts.jsonl", models=(DEFAULT,))
    study = Study("live", "Live", (Question("q", "comparison", "Which is better?"),), source=source)
    store.studies.save("live", to_toml(study), overlap=2, by="olga", now_ms=1)

    page = open_page("olga", "owner")
    page.goto("/studies/live")
    page.get_by_role("button", name="Draw the items").focus()
    page.keyboard.press("Enter")
    stop = page.get_by_role("button", name="Stop drawing")
    stop.focus()
    script.let.release()
    expect(page.get_by_text("8 of 20 prompts worked through; 8 items came of them.")).to_be_visible()
    expect(page.locator("#item-count")).to_have_text("8")
    expect(stop).to_be_focused()  # the part was put in anew, and nobody lost their place
    assert axe(page) == []
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Go on")).to_be_visible()
    assert drawer_of(site.studio).wait()
