"""The API: a whole study by tokens, what is refused and how, its description, feedback in and out."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient

from burnish.feedback.disagreements import items
from burnish.records import Author, Completion, Feedback, Prompt
from burnish.store import Entry, Store
from burnish.studio import examples
from burnish.studio.routes import api_data, api_results, api_studies, api_work

NDJSON = {"Content-Type": "application/x-ndjson"}
TOML = """
name = "greetings"
title = "Greetings"
overlap = 1
[[questions]]
name = "warm"
kind = "rating"
text = "How warm is it?"
anchors = { 1 = "cold", 5 = "warm" }
"""


@pytest.fixture
def api(app: FastAPI, store: Store) -> dict[str, TestClient]:
    """A program of each role, with a token and no cookie."""
    clients = {}
    now = time.time_ns() // 1_000_000
    for name, role in (("olga", "owner"), ("rob", "reviewer"), ("ana", "annotator")):
        account = store.accounts.add(name, role, now_ms=now)
        key = store.sessions.make_token(account, "test", role, now_ms=now, lasts_ms=3_600_000)
        clients[role] = TestClient(app, follow_redirects=False, headers={"Authorization": f"Bearer {key}"})
    return clients


def test_a_whole_study_by_programs(api: dict[str, TestClient]) -> None:
    owner, ana = api["owner"], api["annotator"]
    made = owner.post("/api/studies", json={"toml": TOML})
    assert made.status_code == 201
    assert {each["rule"] for each in made.json()["remarks"]} == {"no_guidelines", "no_examples", "no_overlap"}
    rows = "\n".join(json.dumps({"prompt": "Greet me.", "completion": text}) for text in ("Hi!", "What?"))
    brought = owner.post("/api/studies/greetings/items", content=rows + "\n{}", headers=NDJSON).json()
    assert (brought["added"], brought["refused"]) == (2, 1)
    assert owner.post("/api/studies/greetings/state", json={"state": "open"}).json()["state"] == "open"
    assert [each["name"] for each in ana.get("/api/work").json()] == ["greetings"]
    for number in range(2):
        task = ana.post("/api/work/greetings/next").json()
        path = f"/api/assignments/{task['assignment']}"
        assert task["questions"][0]["anchors"] == [[1, "cold"], [5, "warm"]]
        assert ana.put(f"{path}/draft", json={"answers": {"warm": {"rating": 3}}}).json() == {"done": True}
        assert ana.get(path).json()["draft"] == {"warm": {"rating": 3}}
        sent = {"key": f"key-{number:07}", "seconds": 1.5, "answers": {"warm": {"rating": 4}}}
        first = ana.post(f"{path}/answer", json=sent).json()
        again = ana.post(f"{path}/answer", json=sent).json()
        assert [each["feedback_id"] for each in first["receipts"]] == [
            each["feedback_id"] for each in again["receipts"]
        ]
    assert ana.post("/api/work/greetings/next").status_code == 204
    out = [json.loads(line) for line in api["reviewer"].get("/api/studies/greetings/export").text.splitlines()]
    assert [(row["rating"], row["scale"], row["seconds_spent"]) for row in out] == [(4, [1, 5], 1.5)] * 2
    whole = api["reviewer"].get("/api/studies/greetings").json()
    assert (whole["answers"], whole["progress"]["complete"]) == (2, 2)
    assert [each["answered"] for each in api["reviewer"].get("/api/studies/greetings/items").json()] == [1, 1]


def test_feedback_goes_in_and_comes_out_the_same(api: dict[str, TestClient]) -> None:
    row = {"prompt": "p", "completion": "c", "thumb": True, "author": "ana", "id": "f1"}
    text = json.dumps(row) + "\nbroken"
    told = api["owner"].post("/api/feedback", content=text, headers=NDJSON).json()
    assert (told["stored"], told["refused"], len(told["problems"])) == (1, 1, 1)
    assert api["owner"].post("/api/feedback", content=json.dumps(row), headers=NDJSON).json()["known"] == 1
    out = json.loads(api["reviewer"].get("/api/feedback").text)
    assert row.items() <= out.items()


def test_the_log_knows_what_programs_brought(api: dict[str, TestClient], store: Store) -> None:
    owner = api["owner"]
    owner.post("/api/feedback", content="{}", headers=NDJSON)
    owner.post("/api/studies", json={"toml": TOML})
    owner.post("/api/studies/greetings/items", content="{}", headers=NDJSON)
    assert [each.action for each in store.audit.latest(3)] == ["bring items", "save study", "import feedback"]


def test_what_is_refused_says_why_in_one_shape(api: dict[str, TestClient], store: Store) -> None:
    examples.install(store, now_ms=1)
    ana = api["annotator"]
    task = ana.post("/api/work/plain-words/next").json()
    path = f"/api/assignments/{task['assignment']}"
    good = {"key": "0123456789", "answers": {"better": {"chosen": 0}}}
    refused = [
        (ana.post(f"{path}/answer", json={**good, "answers": {"better": {"chosen": 7}}}), 422, "better"),
        (ana.post(f"{path}/answer", json={**good, "answers": {"nothing": {}}}), 422, "nothing"),
        (ana.post(f"{path}/answer", json={**good, "key": "short"}), 422, "key"),
        (ana.post(f"{path}/answer", json={**good, "extra": 1}), 422, "extra"),
        (ana.post(f"{path}/skip", json={"reason": "because"}), 422, "reason"),
        (ana.post("/api/assignments/a_00000000000000000000/answer", json=good), 404, ""),
        (ana.post("/api/work/none/next"), 404, ""),
        (ana.get("/api/studies"), 403, ""),
        (api["reviewer"].post("/api/studies", json={"toml": TOML}), 403, ""),
        (api["owner"].post("/api/studies", json={"toml": "name = 1"}), 422, None),
        (api["owner"].post("/api/studies", json={}), 422, None),
        (api["owner"].post("/api/studies/plain-words/items", content="{}"), 415, ""),
    ]
    for answer, status, field in refused:
        assert answer.status_code == status, answer.text
        error = answer.json()["error"]
        assert error["message"]
        assert field is None or error["field"] == field
    assert ana.post(f"{path}/answer", json=good).status_code == 200
    other = ana.post(f"{path}/answer", json={**good, "answers": {"better": {"chosen": 1}}})
    assert other.status_code == 409


def test_the_description_names_every_operation_and_its_refusals(api: dict[str, TestClient]) -> None:
    document = api["annotator"].get("/api/openapi.json").json()
    told = {(path, method.upper()) for path, methods in document["paths"].items() for method in methods}
    held = [route for each in (api_work, api_studies, api_results, api_data) for route in each.router.routes]
    routes = [route for route in held if isinstance(route, APIRoute)]
    assert len(routes) == len(held)
    served = {(route.path, method) for route in routes if route.include_in_schema for method in route.methods or ()}
    assert {each for each in served if each[1] != "HEAD"} <= told
    assert all(path.startswith("/api/") for path, _ in told)
    for path, methods in document["paths"].items():
        for operation in methods.values():
            assert operation["description"], path
            assert {"401", "403", "404", "422", "429"} <= set(operation["responses"])


def test_the_apis_page_shows_every_operation(client_as: Callable[..., TestClient]) -> None:
    page = client_as("ana").get("/api").text
    for path in ("/api/work/{study}/next", "/api/studies/{study}/items", "/api/feedback", "/api/webhooks"):
        assert path in page


def test_the_planner_says_how_many_items_a_precision_needs(api: dict[str, TestClient], store: Store) -> None:
    examples.install(store, "opinions", now_ms=1)
    wide, narrow = (
        api["reviewer"].get(f"/api/studies/opinions/plan?question=positive&half_width={width}&people=50").json()
        for width in (0.8, 0.4)
    )
    assert [each["answers_each"] for each in wide] == [1, 2, 3, 4, 5, 6]
    assert all(few["items"] < many["items"] for few, many in zip(wide, narrow, strict=True))
    refused = api["reviewer"].get("/api/studies/opinions/plan?question=positive&half_width=0.01&people=2")
    assert refused.status_code == 422
    assert "their spread alone" in refused.json()["error"]["message"]


def test_results_disagreements_and_decisions_by_programs(
    api: dict[str, TestClient], store: Store, app: FastAPI
) -> None:
    examples.install(store, "opinions", now_ms=1)
    for role, rating in (("annotator", -4), ("reviewer", 4)):
        client = api[role]
        while (answer := client.post("/api/work/opinions/next")).status_code == 200:
            task = answer.json()
            sent = {"key": f"key-{task['assignment']}", "answers": {"positive": {"rating": rating}}}
            client.post(f"/api/assignments/{task['assignment']}/answer", json=sent)
    reviewer = api["reviewer"]
    assert reviewer.get("/api/results/opinions").json()["as_of"] == ""
    assert app.state.studio.services["background"].wait()
    found = reviewer.get("/api/results/opinions").json()
    assert (found["items"], found["shared"]) == (20, 20)
    assert [(each["name"], each["answers"]) for each in found["questions"]] == [("positive", 40)]
    assert {each["name"] for each in found["people"]} == {"ana", "rob"}
    item = reviewer.get("/api/results/opinions/disputed").json()[0]
    decision = {
        "prompt_id": item["prompt_id"],
        "item_id": item["item_id"],
        "question": "positive",
        "reason": "It is so.",
    }
    other = reviewer.post("/api/decisions", json={**decision, "study": "plain-words", "value": {"rating": 4}})
    assert (other.status_code, "'studio:opinions' did" in other.text) == (422, True)
    decision["study"] = "opinions"
    made = reviewer.post("/api/decisions", json={**decision, "value": {"rating": 4, "scale": [-4, 4]}})
    assert made.status_code == 201, made.text
    record = store.feedback(made.json()["feedback_id"])
    assert record is not None
    assert (record.author.id, record.comment) == ("rob", "It is so.")
    assert reviewer.post("/api/decisions", json={**decision, "value": {"rating": 77}}).status_code == 422
    assert reviewer.get("/api/checkpoints").json() == []
    assert reviewer.get("/api/results/none").status_code == 404


def test_a_decision_on_a_name_that_stands_for_two_questions_is_refused_until_it_says_which(
    api: dict[str, TestClient], store: Store
) -> None:
    prompt = Prompt.of("Greet me.")
    texts = tuple(Completion(prompt.id, text) for text in ("Hello!", "Go away."))
    said = [
        Feedback(f"{who}{n}", "rating", prompt.id, (text.id,), {"rating": grade, "scale": [1, 5]}, Author(who),
                 run="studio:s", metadata={"item": "i_1", "question": "warm"})
        for n, text in enumerate(texts)
        for who, grade in (("ana", 1), ("bob", 5))
    ]  # fmt: skip
    store.submit(Entry(prompt, texts, tuple(said)))
    (item,) = items(store.entries())
    decision = {"prompt_id": prompt.id, "item_id": item.id, "question": "warm", "value": {"rating": 3, "scale": [1, 5]}}
    refused = api["reviewer"].post("/api/decisions", json=decision)
    assert refused.status_code == 422
    assert all(text.id in refused.json()["error"]["message"] for text in texts)
    made = api["reviewer"].post("/api/decisions", json={**decision, "completion_ids": [texts[1].id]})
    stored = store.feedback(made.json()["feedback_id"])
    assert stored is not None
    assert stored.completion_ids == (texts[1].id,)


def test_people_are_invited_by_programs_of_owners(api: dict[str, TestClient], stranger: TestClient) -> None:
    made = api["owner"].post("/api/people/invites", json={"role": "annotator", "name": "new"})
    assert made.status_code == 201
    assert stranger.get(made.json()["path"]).status_code == 200
    assert {each["name"] for each in api["owner"].get("/api/people").json()} == {"ana", "new", "olga", "rob"}
    assert api["reviewer"].get("/api/people").status_code == 403
