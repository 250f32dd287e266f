"""Review: disagreements first, and decisions that are stored beside the answers, changing none."""

from __future__ import annotations

import html
import re
from collections.abc import Callable

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from tests.studio import answered

from burnish.errors import InputError
from burnish.feedback.disagreements import items
from burnish.records import Completion, Feedback, Prompt, canonical_json
from burnish.store import Entry, Store
from burnish.studio import decisions
from burnish.studio.context import now_ms
from burnish.studio.routes.results import background_of
from burnish.studio.wording import say

ClientAs = Callable[..., TestClient]


def english(key: str, **values: object) -> str:
    return say(key, "en", **values)


def listed(client: TestClient, app: FastAPI, address: str = "/review?study=films") -> list[str]:
    """Addresses of the items in the list, in order."""
    client.get(address)
    background_of(app.state.studio).wait()
    return re.findall(r'href="(/review/[^/"]+/[^/"]+)"', client.get(address).text)


def test_the_most_disputed_come_first_and_what_all_say_alike_does_not_come(
    client_as: ClientAs, app: FastAPI, store: Store
) -> None:
    answered.fill(store, 5)
    prompt = Prompt.of("Agreed?")
    text = Completion(prompt.id, "all say the same of this")
    said = [answered.answer(f"x{who}", "thumb", (text,), {"thumb": True}, who) for who in ("ana", "ben")]
    store.submit(Entry(prompt, (text,), tuple(said)))
    client = client_as("rev", role="reviewer")
    found = listed(client, app)
    assert len(found) == 5
    assert not any(prompt.id in address for address in found)
    apart = [
        float(each) for each in re.findall(r'aria-label="([\d.]+)% apart"', client.get("/review?study=films").text)
    ]
    assert apart == sorted(apart, reverse=True)


def test_a_decision_is_stored_with_its_reason_and_changes_no_answer(
    client_as: ClientAs, app: FastAPI, store: Store
) -> None:
    answered.fill(store, 2)
    before = {each.id: each for entry in store.entries() for each in entry.feedback}
    client = client_as("rev", role="reviewer")
    address = listed(client, app)[0]
    page = html.unescape(client.get(address).text)
    assert "Decide on “comparison”" in page
    assert "said by" in page
    (item,) = [each for entry in store.entries() for each in items([entry]) if each.id in address]
    place = next(n for n, each in enumerate(item.questions) if each.kind == "comparison")
    form = {"question": place, "answer": canonical_json({"chosen": 1}), "reason": "B names the <b>reason</b>"}
    answer = client.post(address, data=form)
    assert (answer.status_code, answer.headers["location"]) == (303, f"{address}?stored=true")
    after = {each.id: each for entry in store.entries() for each in entry.feedback}
    (new,) = after.keys() - before.keys()
    assert {name: after[name] for name in before} == before
    made = after[new]
    assert (made.author.id, made.comment, made.value) == ("rev", "B names the <b>reason</b>", {"chosen": 1})
    assert made.supersedes == ""
    people = {each.id for each in before.values() if each.kind == "comparison" and each.prompt_id == made.prompt_id}
    assert set(made.metadata["decides"]) == people
    assert made.completion_ids[1] == item.questions[place].completions[1].id
    shown = client.get(answer.headers["location"]).text
    assert "The decision is stored" in shown
    assert "B names the &lt;b&gt;reason" in shown


def test_an_item_leaves_the_list_once_all_its_disputes_are_decided(
    client_as: ClientAs, app: FastAPI, store: Store
) -> None:
    answered.fill(store, 3)
    client = client_as("rev", role="reviewer")
    found = listed(client, app)
    page = client.get(found[0]).text
    for place in re.findall(r'name="question" value="(\d+)"', page):
        form = re.split(rf'name="question" value="{place}"', page)[1]
        key = html.unescape(re.findall(r'name="answer" value="([^"]+)"', form)[0])
        assert client.post(found[0], data={"question": place, "answer": key}).status_code == 303
    assert re.findall(r'href="(/review/[^/"]+/[^/"]+)"', client.get("/review?study=films").text) == found[1:]
    assert found[0] in client.get("/review?study=films&decided=true").text
    assert "2 items wait" in client.get("/review?study=films").text


def test_deciding_again_supersedes_only_ones_own_decision(client_as: ClientAs, app: FastAPI, store: Store) -> None:
    answered.fill(store, 1)
    rev, olga = client_as("rev", role="reviewer"), client_as("olga", role="owner")
    address = listed(rev, app)[0]
    for client, chosen in ((rev, 0), (rev, 1), (olga, 0)):
        client.post(address, data={"question": 0, "answer": canonical_json({"chosen": chosen})})
    entry = next(iter(store.entries()))
    made = {each.author.id: each.value["chosen"] for each in entry.feedback if each.metadata.get("decides")}
    assert made == {"rev": 1, "olga": 0}


def test_pressing_twice_decides_once_and_two_tabs_do_not_decide_otherwise(store: Store) -> None:
    answered.fill(store, 1)
    (item,) = items(store.entries())
    question = item.questions[0]

    def decide(chosen: int) -> Feedback:
        key = canonical_json({"chosen": chosen})
        return decisions.decide(store, item, question, key=key, reason="", reviewer="rev", now_ms=now_ms())

    made = decide(0)
    assert decide(0).id == made.id
    with pytest.raises(InputError, match="decided otherwise"):
        decide(1)
    assert store.stats()["superseded"] == 0
    store.erase(made.id)
    assert store.feedback(decide(0).id)  # of an erased one the id is taken for good


def test_what_was_not_offered_is_refused_in_the_form(client_as: ClientAs, app: FastAPI, store: Store) -> None:
    answered.fill(store, 1)
    client = client_as("rev", role="reviewer")
    address = listed(client, app)[0]
    refused = client.post(address, data={"question": 0, "answer": '{"chosen":7}'})
    assert refused.status_code == 422
    assert "Choose one and decide again" in refused.text
    long = client.post(address, data={"question": 0, "answer": canonical_json({"chosen": 1}), "reason": "x" * 3000})
    assert long.status_code == 422
    assert "longer than 2000" in long.text
    assert client.post(address, data={"question": 99, "answer": "{}"}).status_code == 404
    assert client.get("/review/p_none/i_none").status_code == 404
    assert not any(each.metadata.get("decides") for entry in store.entries() for each in entry.feedback)


def test_answers_are_told_in_one_order_whatever_order_was_shown(store: Store) -> None:
    prompt = Prompt.of("Rank these.")
    texts = tuple(Completion(prompt.id, word) for word in ("one", "two", "three"))
    turned = texts[::-1]
    said = (
        answered.answer("1", "ranking", texts, {"ranking": [[0], [1, 2]]}, "ana"),
        answered.answer("2", "ranking", turned, {"ranking": [[2], [0, 1]]}, "ben"),
        answered.answer("3", "best_worst", turned, {"best": 2, "worst": 0}, "ana"),
        answered.answer("4", "span", texts[:1], {"spans": [{"start": 0, "end": 2, "label": "bad"}]}, "ana"),
        answered.answer("5", "rubric", texts[:1], {"rubric": [{"criterion": "short", "answer": None}]}, "ana"),
        answered.answer("6", "correction", texts[:1], {"correction": "uno"}, "ana"),
    )
    asked = {each.kind: each for item in items([Entry(prompt, texts, said)]) for each in item.questions}
    letters = {text.id: decisions.letter(place) for place, text in enumerate(asked["ranking"].completions)}
    ranking = asked["ranking"]
    words = {decisions.in_words(ranking, decisions.turned(each, ranking), english) for each in ranking.answers}
    rest = " = ".join(sorted(letters[text.id] for text in texts[1:]))
    assert words == {f"{letters[texts[0].id]} > {rest}"}
    assert [option.by for option in decisions.options(ranking)] == [("ana", "ben")]

    def told(kind: str) -> str:
        question = asked[kind]
        return decisions.in_words(question, decisions.turned(question.answers[0], question), english)

    best, worst = letters[texts[0].id], letters[texts[2].id]
    assert told("best_worst") == f"best {best}, worst {worst}"
    assert told("span") == "“on” bad"
    assert told("rubric") == "short: cannot judge"
    assert told("correction") == "uno"
