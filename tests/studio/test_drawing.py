"""Items drawn from a model in the background: stored as they come, watched, cancelled, gone on with, never twice."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from burnish.errors import BusyError, InputError, StoppedOnRequest
from burnish.loop.answer import AT_ONCE
from burnish.records import Completion
from burnish.store import Store
from burnish.studio import StudioSettings, create_app, drawing
from burnish.studio.drawing import Drawer
from burnish.studio.study import Question, Source, Study
from burnish.studio.study_file import to_toml

PROMPTS = 2 * AT_ONCE + 4


class Script:
    """Writes two texts to a prompt, once it is let; says to whom."""

    def __init__(self) -> None:
        self.let = threading.Semaphore(0)
        self.heard: Counter[str] = Counter()
        self.error: Exception | None = None

    def sample(self, who, prompts, sampling, *, n=1, seed=0, run="", stopped=None) -> list[list[Completion]]:
        while not self.let.acquire(timeout=0.01):
            if stopped():
                raise StoppedOnRequest("sampling: stopped on request.")
        error, self.error = self.error, None
        if error is not None:
            raise error
        self.heard.update(prompt.text for prompt in prompts)
        # Otherwise at each call, as a model at another address is: nothing may rest on its saying the same again.
        count = sum(self.heard.values())
        return [[Completion(p.id, f"{who.name} {count} {i}", run=run) for i in range(n)] for p in prompts]


@pytest.fixture
def script() -> Script:
    return Script()


@pytest.fixture
def serving(
    store: Store, settings: StudioSettings, script: Script, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[FastAPI]:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "prompts.jsonl").write_text("".join(json.dumps({"prompt": f"Q{n}"}) + "\n" for n in range(PROMPTS)))
    plain = {name: getattr(settings, name) for name in StudioSettings.__slots__}
    app = create_app(store, StudioSettings(**{**plain, "models": ("lamp",)}), answer=script)
    yield app
    drawing.drawer_of(app.state.studio).close()


@pytest.fixture
def owner(client_as: Callable[..., TestClient], serving: FastAPI) -> TestClient:
    return client_as("olga", "owner", of=serving)


def study(store: Store, name: str = "live", **changes: Any) -> Study:
    source = Source("samples", path="prompts.jsonl", models=("lamp",), **changes)
    made = Study(name, name, (Question("q", "comparison", "Which is better?"),), source=source)
    store.studies.save(name, to_toml(made), overlap=2, by="olga", now_ms=1)
    return made


def until(act: Callable[[], bool]) -> None:
    """Wait for what a thread does."""
    clock = threading.Event()
    for _ in range(1000):
        if act():
            return
        clock.wait(0.01)
    raise AssertionError("it never came")


def state(owner: TestClient, name: str = "live") -> dict[str, Any]:
    return owner.get(f"/api/studies/{name}/drawing").json()


def test_the_form_returns_at_once_and_items_come_as_they_are_drawn(owner, client_as, serving, store, script):
    study(store)
    assert state(owner)["state"] == "none"
    assert "Draw the items" in owner.get("/studies/live").text
    assert owner.post("/studies/live/drawing").status_code == 303  # nothing was let yet: nobody waits for the model
    page = owner.get("/studies/live").text
    assert 'hx-get="/studies/live/drawing"' in page
    assert "Stop drawing" in page
    script.let.release()
    until(lambda: state(owner)["items"] == AT_ONCE)
    found = state(owner)
    assert (found["state"], found["tried"], found["total"]) == ("drawing", AT_ONCE, PROMPTS)
    assert found["seconds_left"] > 0
    part = owner.get("/studies/live/drawing", headers={"hx-request": "true"}).text
    assert f"{AT_ONCE} of {PROMPTS} prompts worked through" in part
    assert "<html" not in part
    assert owner.post("/studies/live/state", data={"state": "open"}).status_code == 303
    assert client_as("ana", of=serving).post("/api/work/live/next").json()["completions"]  # people need not wait
    script.let.release(2)
    until(lambda: state(owner)["state"] == "done")
    assert store.studies.progress("live")["items"] == PROMPTS
    assert "hx-get" not in owner.get("/studies/live/drawing", headers={"hx-request": "true"}).text


def test_what_is_cancelled_goes_on_where_it_stopped(owner, store, script):
    study(store)
    assert owner.post("/api/studies/live/drawing").status_code == 202
    script.let.release()
    until(lambda: state(owner)["tried"] == AT_ONCE)
    assert owner.delete("/api/studies/live/drawing").json()["state"] in ("stopping", "cancelled")
    until(lambda: state(owner)["state"] == "cancelled")
    assert "Go on" in owner.get("/studies/live").text
    assert store.studies.progress("live")["items"] == AT_ONCE
    script.let.release(2)
    owner.post("/studies/live/drawing")
    until(lambda: state(owner)["state"] == "done")
    assert set(script.heard.values()) == {1}  # no prompt was drawn from twice
    assert store.studies.progress("live")["items"] == PROMPTS


def test_a_server_that_ends_loses_nothing_and_the_next_one_goes_on(owner, serving, store, script):
    study(store)
    with TestClient(serving):  # enters and leaves as a server does
        owner.post("/api/studies/live/drawing")
        script.let.release()
        until(lambda: state(owner)["tried"] == AT_ONCE)
    assert not [thread for thread in threading.enumerate() if thread.name == "burnish-drawing"]
    again = Drawer(store)
    assert again.state("live").state == "interrupted"
    script.let.release(2)
    again.begin(study(store), script, [drawing.Speaker("lamp", "x")])
    assert again.wait()
    assert again.state("live").state == "done"
    assert set(script.heard.values()) == {1}


def test_one_is_drawn_at_a_time_and_the_second_says_that_it_waits(owner, store, script):
    study(store)
    study(store, "second")
    owner.post("/api/studies/live/drawing")
    until(lambda: state(owner)["total"] > 0)
    owner.post("/api/studies/second/drawing")
    assert (state(owner, "second")["state"], state(owner, "second")["behind"]) == ("waiting", "live")
    assert "the items of “live” are drawn first" in owner.get("/studies/second").text
    script.let.release(6)
    until(lambda: state(owner, "second")["state"] == "done")
    assert store.studies.progress("second")["items"] == PROMPTS


def test_one_that_waits_may_be_cancelled(owner, store):
    study(store)
    study(store, "second")
    owner.post("/api/studies/live/drawing")
    owner.post("/api/studies/second/drawing")
    assert owner.delete("/api/studies/second/drawing").json()["state"] == "cancelled"


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (InputError("model: x is no model folder. Name one."), "model: x is no model folder. Name one."),
        (ValueError("odd"), "ValueError: odd"),
    ],
)
def test_what_fails_is_told_and_can_be_gone_on_with(owner, store, script, error, told, caplog):
    study(store)
    script.error = error
    script.let.release(4)
    owner.post("/api/studies/live/drawing")
    until(lambda: state(owner)["state"] == "failed")
    assert state(owner)["problem"] == told
    assert f"It could not go on: {told}" in owner.get("/studies/live").text
    owner.post("/api/studies/live/drawing")
    until(lambda: state(owner)["state"] == "done")
    assert set(script.heard.values()) == {1}


def test_where_the_end_cannot_be_written_down_others_are_still_drawn(owner, store, script, monkeypatch, caplog):
    study(store)
    study(store, "second")
    script.let.release(6)

    def full(*_, **__):
        raise InputError("sqlite: the disk is full; nothing of this was stored.")

    with monkeypatch.context() as patched:
        patched.setattr(store.drawings, "end", full)
        owner.post("/api/studies/live/drawing")
        until(lambda: state(owner)["state"] == "interrupted")
    owner.post("/api/studies/second/drawing")
    until(lambda: state(owner, "second")["state"] == "done")
    owner.post("/api/studies/live/drawing")
    until(lambda: state(owner)["state"] == "done")
    assert "could not be written down" in caplog.text


def test_a_model_that_others_keep_busy_is_waited_for(owner, store, script, monkeypatch):
    monkeypatch.setattr(drawing, "_RETRY_SECONDS", 0.01)
    study(store)
    script.error = BusyError("model: 8 requests wait for it already.")
    script.let.release(4)
    owner.post("/api/studies/live/drawing")
    until(lambda: state(owner)["state"] == "done")


def test_more_items_are_drawn_from_further_prompts_alone(owner, store, script):
    study(store, items=AT_ONCE)
    script.let.release(9)
    owner.post("/api/studies/live/drawing")
    until(lambda: state(owner)["state"] == "done")
    assert state(owner)["total"] == AT_ONCE
    study(store, items=PROMPTS)
    owner.post("/api/studies/live/drawing")
    until(lambda: state(owner)["tried"] == PROMPTS)
    assert set(script.heard.values()) == {1}


def test_another_source_is_begun_anew(owner, store, script):
    study(store)
    script.let.release(9)
    owner.post("/api/studies/live/drawing")
    until(lambda: state(owner)["state"] == "done")
    study(store, seed=1)
    owner.post("/api/studies/live/drawing")
    until(lambda: set(script.heard.values()) == {2})


def test_what_cannot_be_drawn_is_refused_before_a_model_works(owner, store):
    study(store, completions=3)
    refused = owner.post("/api/studies/live/drawing")
    assert refused.status_code == 422
    assert "the questions need 2 to 2" in refused.json()["error"]["message"]
    assert "the questions need 2 to 2" in owner.post("/studies/live/drawing").text
    gone = Study("gone", "x", study(store, "x").questions, source=Source("samples", path="p", models=("kettle",)))
    store.studies.save("gone", to_toml(gone), overlap=2, by="olga", now_ms=1)
    assert "is not offered here" in owner.post("/api/studies/gone/drawing").json()["error"]["message"]
    assert "in the background" in owner.post("/api/studies/live/fill").json()["error"]["message"]
    assert owner.post("/api/studies/nothing/drawing").status_code == 404


def test_two_servers_do_not_draw_one_study_twice(store):
    study(store)
    row = drawing.DrawingRow("drawing", "", 0, 8, 0, "", 1)
    store.drawings.begin("live", row)
    store.drawings.advance("live", [], overlap=2, tried=(0, 4), mark="m", now_ms=2)
    with pytest.raises(InputError, match="another server draws"):
        store.drawings.advance("live", [], overlap=2, tried=(0, 4), mark="m", now_ms=3)
    found = store.drawings.get("live")
    assert found is not None
    assert (found.tried, found.mark) == (4, "m")
