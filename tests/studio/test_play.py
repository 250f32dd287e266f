"""The playground: what was really said is what feedback is about, and it stands in the store like any other."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from burnish.errors import BusyError
from burnish.feedback.signals import signals_from
from burnish.records import Completion, FinishReason, Message, Prompt, Sampling
from burnish.store import Store
from burnish.studio import StudioSettings, create_app, talk
from burnish.studio.context import now_ms


class Script:
    """Says its name, the count of messages and the last words; `alike` makes all say the same."""

    alike = False
    fails = False

    def speak(self, who, prompt: Prompt, sampling: Sampling, *, seed=0, run="", index=0) -> Iterator[str | Completion]:
        said = "Yes." if self.alike else f"{who.name} heard {len(prompt.messages)}: {prompt.text}"
        yield said[:5]
        if self.fails:
            raise BusyError("model: 8 requests wait for it already.")
        yield said[5:]
        reason = FinishReason.LENGTH
        yield Completion(prompt.id, said, model=who.name, sampling=sampling, finish_reason=reason, run=run, index=index)


@pytest.fixture
def script() -> Script:
    return Script()


@pytest.fixture
def playing(store: Store, settings: StudioSettings, script: Script, client_as: Callable[..., TestClient]) -> TestClient:
    app = create_app(store, StudioSettings(**{**_plain(settings), "models": ("lamp", "kettle")}), answer=script)
    return client_as("ana", of=app)


def _plain(settings: StudioSettings) -> dict[str, Any]:
    return {name: getattr(settings, name) for name in StudioSettings.__slots__}


def begin(client: TestClient, *models: str) -> str:
    return client.post("/api/talks", json={"models": list(models or ("lamp",))}).json()["talk"]


def say(client: TestClient, talk: str, text: str) -> list[dict[str, Any]]:
    answer = client.post(f"/api/talks/{talk}/say", json={"text": text})
    assert answer.status_code == 200, answer.text
    return [json.loads(line) for line in answer.text.splitlines()]


def give(client: TestClient, talk: str, kind: str, fields: dict[str, Any], side: int | None = 0, turn: int = 0):
    body = {"turn": turn, "kind": kind, "side": side, "fields": fields}
    return post(client, f"/api/talks/{talk}/feedback", body)


def post(client: TestClient, path: str, body: object):
    """Send JSON as ASCII, in which half characters travel too."""
    return client.post(path, content=json.dumps(body), headers={"content-type": "application/json"})


def stored(store: Store) -> list[Any]:
    return [record for entry in store.entries() for record in entry.feedback]


def test_the_page_offers_the_models_it_was_given(playing):
    page = playing.get("/play").text
    assert all(f'<option value="{name}"' in page for name in ("lamp", "kettle"))
    assert "/static/play.js" in page


def test_a_program_talks_too(playing, store):
    account = store.accounts.by_name("ana")
    token = store.sessions.make_token(account, "bot", account.role, now_ms=now_ms(), lasts_ms=60_000)
    program = TestClient(playing.app, headers={"authorization": f"Bearer {token}"})
    assert [each["name"] for each in program.get("/api/talks/models").json()] == ["lamp", "kettle"]
    assert say(program, begin(program), "Hello")[-1]["turn"] == 0
    assert "/api/talks/{talk_id}/say" in program.get("/api/openapi.json").json()["paths"]


def test_without_a_model_the_page_says_what_to_do(client_as, monkeypatch, tmp_path):
    monkeypatch.setenv("BURNISH_CACHE", str(tmp_path / "nothing"))
    page = client_as("ana").get("/play").text
    assert "burnish studio --model" in page
    assert "play.js" not in page


def test_only_models_that_are_offered_can_be_talked_with(playing):
    for name in ("../../etc/passwd", "openai:http://127.0.0.1:1#x", "HuggingFaceTB/SmolLM2-135M"):
        answer = playing.post("/api/talks", json={"models": [name]})
        assert answer.status_code == 422
        assert "is not offered here" in answer.json()["error"]["message"]


def test_answers_come_in_pieces_and_the_conversation_goes_on(playing):
    talk = begin(playing)
    events = say(playing, talk, "Hello")
    assert "".join(event.get("text", "") for event in events) == "lamp heard 1: Hello"
    assert events[-2:] == [{"side": 0, "done": True, "cut": True, "empty": False}, {"turn": 0, "differ": False}]
    again = say(playing, talk, "And then?")
    assert "".join(event.get("text", "") for event in again) == "lamp heard 3: And then?"


def test_what_is_said_of_an_answer_is_ordinary_feedback(playing, store):
    talk = begin(playing)
    say(playing, talk, "Hello")
    for kind, fields in (
        ("thumb", {"thumb": False}),
        ("correction", {"correction": "lamp heard it"}),
        ("comment", {"comment": "Too long and boring."}),
    ):
        assert give(playing, talk, kind, fields).json()["status"] == "stored"
    records = stored(store)
    assert {record.kind for record in records} == {"thumb", "correction", "comment"}
    assert {(record.author.id, record.run, record.exposure["blind"]) for record in records} == {
        ("ana", "studio:play", False)
    }
    (entry,) = store.entries()
    assert entry.prompt.messages == (Message("user", "Hello"),)
    said = next(each for each in entry.completions if each.id in records[0].completion_ids)
    assert (said.text, said.model, said.sampling.temperature) == ("lamp heard 1: Hello", "lamp", 0.7)
    assert {type(signal).__name__ for signal in signals_from(store.entries())} >= {"Score", "Preference", "Critique"}


def test_a_change_of_mind_supersedes(playing, store):
    talk = begin(playing)
    say(playing, talk, "Hello")
    for up in (True, False, True):
        give(playing, talk, "thumb", {"thumb": up})
    (record,) = stored(store)
    assert record.value == {"thumb": True}
    assert store.stats()["superseded"] == 2


def test_two_models_are_compared_blind_and_the_better_answer_goes_on(playing, store):
    firsts = set()
    for _ in range(12):
        talk = begin(playing, "lamp", "kettle")
        events = say(playing, talk, "Hello")
        texts = ["".join(e.get("text", "") for e in events if e.get("side") == side) for side in (0, 1)]
        firsts.add(texts[0])
        assert "lamp" not in json.dumps([{k: v for k, v in e.items() if k != "text"} for e in events])
        refused = playing.post(f"/api/talks/{talk}/say", json={"text": "More"})
        assert refused.status_code == 422
        assert refused.json()["error"]["message"] == "Say first which of the two answers is better."
        assert give(playing, talk, "comparison", {"chosen": 1}, None).json()["status"] == "stored"
        assert "heard 3" in json.dumps(say(playing, talk, "More"))
        give(playing, talk, "comparison", {"tie": "good"}, None, turn=1)
    assert len(firsts) == 2  # which model stands first is drawn
    records = [record for record in stored(store) if record.metadata["turn"] == 0]
    assert all(record.exposure["blind"] and record.value == {"chosen": 1} for record in records)
    chosen = {store.completion(record.completion_ids[1]).model for record in records}
    assert chosen == {"lamp", "kettle"}
    second = next(entry for entry in store.entries() if len(entry.prompt.messages) == 3)
    assert second.prompt.messages[1].content in {"kettle heard 1: Hello", "lamp heard 1: Hello"}


def test_after_the_names_were_shown_nothing_counts_as_blind(playing, store):
    talk = begin(playing, "lamp", "kettle")
    say(playing, talk, "Hello")
    (names,) = playing.post(f"/api/talks/{talk}/names").json()["names"]
    assert sorted(names) == ["kettle", "lamp"]
    give(playing, talk, "comparison", {"chosen": 0}, None)
    assert stored(store)[0].exposure["blind"] is False


def test_answers_that_read_the_same_need_no_choice(playing, script):
    script.alike = True
    talk = begin(playing, "lamp", "kettle")
    assert say(playing, talk, "Hello")[-1] == {"turn": 0, "differ": False}
    assert give(playing, talk, "comparison", {"chosen": 0}, None).status_code == 422
    assert say(playing, talk, "More")[-1]["turn"] == 1


def test_a_turn_that_broke_off_never_was(playing, script):
    talk = begin(playing)
    script.fails = True
    assert say(playing, talk, "Hello")[-1] == {"error": "The model is busy with others. Try again in a moment."}
    script.fails = False
    assert say(playing, talk, "Hello")[-1]["turn"] == 0


def test_another_persons_conversation_looks_like_none(playing, client_as):
    talk = begin(playing)
    say(playing, talk, "Hello")
    other = client_as("bo", of=playing.app)
    assert [each["asked"] for each in playing.get(f"/api/talks/{talk}").json()["turns"]] == ["Hello"]
    assert other.get(f"/api/talks/{talk}").json() == other.get("/api/talks/nothing").json()
    for path, body in (
        ("say", {"text": "x"}),
        ("names", {}),
        ("feedback", {"turn": 0, "kind": "thumb", "side": 0, "fields": {"thumb": True}}),
    ):
        theirs, none = (other.post(f"/api/talks/{each}/{path}", json=body) for each in (talk, "nothing"))
        assert (theirs.status_code, theirs.json()) == (none.status_code, none.json())
        assert theirs.status_code == 404


def test_old_conversations_give_way(playing, monkeypatch):
    monkeypatch.setattr(talk, "MOST_OWN", 3)
    talks = [begin(playing) for _ in range(4)]
    assert playing.post(f"/api/talks/{talks[0]}/say", json={"text": "x"}).status_code == 404
    assert playing.post(f"/api/talks/{talks[1]}/say", json={"text": "x"}).status_code == 200


def test_a_restart_of_the_server_loses_no_conversation(playing, store, settings, script, client_as):
    talk = begin(playing, "lamp", "kettle")
    say(playing, talk, "Hello")
    give(playing, talk, "comparison", {"chosen": 1}, None)
    before = playing.get(f"/api/talks/{talk}").json()
    app = create_app(store, playing.app.state.studio.settings, answer=script)
    again = client_as("ana", of=app)
    assert again.get(f"/api/talks/{talk}").json() == before
    assert "heard 3" in json.dumps(say(again, talk, "More"))
    assert give(again, talk, "comparison", {"chosen": 0}, None).json()["status"] == "stored"
    assert store.stats()["superseded"] == 1  # what was said before the restart


def test_past_conversations_are_listed_for_their_person_alone_and_can_be_deleted(playing, client_as, store):
    talks = [begin(playing) for _ in range(3)]
    say(playing, talks[0], "How is\n <b>it</b>?")
    say(playing, talks[1], "x" * 200)
    listed = playing.get("/api/talks").json()
    assert [(each["talk"], each["turns"]) for each in listed] == [(talks[1], 1), (talks[0], 1)]
    assert [len(listed[0]["title"]), listed[1]["title"]] == [80, "How is <b>it</b>?"]
    page = playing.get("/play").text
    assert f'href="/play?talk={talks[0]}"' in page
    assert "How is &lt;b&gt;it&lt;/b&gt;?" in page
    other = client_as("bo", of=playing.app)
    assert other.get("/api/talks").json() == []
    assert other.delete(f"/api/talks/{talks[0]}").status_code == 404
    assert other.post(f"/play/{talks[0]}/delete").status_code == 404
    assert playing.delete(f"/api/talks/{talks[0]}").status_code == 204
    assert playing.post(f"/play/{talks[1]}/delete").status_code == 303
    assert playing.get("/api/talks").json() == []
    assert playing.get(f"/api/talks/{talks[0]}").status_code == 404


def test_a_conversation_deleted_while_the_model_speaks_does_not_come_back(playing, script, store):
    talk = begin(playing)
    speak = Script.speak

    def deleting(self, *args, **more):
        store.talks.delete("ana", talk)
        yield from speak(self, *args, **more)

    script.speak = deleting.__get__(script)
    assert "deleted meanwhile" in say(playing, talk, "Hello")[-1]["error"]
    assert playing.get(f"/api/talks/{talk}").status_code == 404


def test_a_model_that_is_offered_no_longer_speaks_no_more(playing, store, settings, script, client_as):
    talk = begin(playing)
    say(playing, talk, "Hello")
    less = StudioSettings(**{**_plain(settings), "models": ("kettle",)})
    again = client_as("ana", of=create_app(store, less, answer=script))
    assert len(again.get(f"/api/talks/{talk}").json()["turns"]) == 1
    answer = again.post(f"/api/talks/{talk}/say", json={"text": "More"})
    assert (answer.status_code, "is not offered here" in answer.text) == (422, True)


def test_one_answer_at_a_time(playing, script):
    talk = begin(playing)
    talks = playing.app.state.studio.services["talks"]
    with talks.speaking(talk):
        assert say(playing, talk, "Hello") == [{"error": "The model is busy with others. Try again in a moment."}]
    assert say(playing, talk, "Hello")[-1]["turn"] == 0


@pytest.mark.parametrize(
    ("kind", "fields", "side", "turn"),
    [
        ("thumb", {"thumb": "yes"}, 0, 0),
        ("thumb", {"thumb": True}, 1, 0),
        ("thumb", {"thumb": True}, None, 0),
        ("thumb", {"thumb": True}, 0, 7),
        ("comparison", {"chosen": 0}, None, 0),
        ("comparison", {"chosen": 0}, 0, 0),
        ("correction", {"correction": "lamp heard 1: Hello"}, 0, 0),
        ("correction", {"correction": "   "}, 0, 0),
        ("comment", {}, 0, 0),
        ("comment", {"comment": "\ud800"}, 0, 0),
        ("rating", {"rating": 4}, 0, 0),
    ],
)
def test_what_makes_no_sense_is_refused_and_nothing_is_stored(playing, store, kind, fields, side, turn):
    talk = begin(playing)
    say(playing, talk, "Hello")
    answer = give(playing, talk, kind, fields, side, turn)
    assert answer.status_code == 422, answer.text
    assert answer.json()["error"]["message"]
    assert stored(store) == []


@pytest.mark.parametrize("text", ["", "   ", "x" * 8_001, "half a character: \ud800"])
def test_messages_that_cannot_be(playing, text):
    assert post(playing, f"/api/talks/{begin(playing)}/say", {"text": text}).status_code == 422


def test_any_text_is_heard_as_written(playing):
    for text in ("<script>alert(1)</script>", "\u202eabc", "نص", "nul\0"):
        assert say(playing, begin(playing), text)[-1] == {"turn": 0, "differ": False}


def test_a_comparison_is_of_two_answers(playing, app: FastAPI):
    assert playing.post("/api/talks", json={"models": []}).status_code == 422
    assert playing.post("/api/talks", json={"models": ["lamp", "kettle", "lamp"]}).status_code == 422
