"""The work pages without a browser: what they show, what they keep to themselves, and how they refuse."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from fastapi.testclient import TestClient
from tests.studio.browser import material

from burnish.store import Store
from burnish.store.studies import State
from burnish.studio.spoken import spoken
from burnish.studio.wording import say

Clients = Callable[..., TestClient]


def told(page: str) -> dict[str, Any]:
    """What a page tells its script about the item."""
    found = re.search(r'<script type="application/json" id="told">(.*?)</script>', page, re.DOTALL)
    assert found
    return dict(json.loads(found[1]))


def sent(**answers: Any) -> dict[str, Any]:
    return {"key": "0123456789abcdef", "seconds": 3.2, "answers": answers}


def test_a_blind_pair_names_no_model_and_no_judge(client_as: Clients, store: Store) -> None:
    material.begin(store, material.a_study(material.PAIR), material.pairs(1))
    page = client_as("ana").get("/tasks/replies/work").text
    assert "secret-model" not in page
    assert sorted(told(page)["texts"]) == sorted([material.KIND, material.CURT])


def test_a_study_that_is_not_blind_says_who_wrote_what(client_as: Clients, store: Store) -> None:
    material.begin(store, material.a_study(material.PAIR, blind=False), material.pairs(1))
    page = client_as("ana").get("/tasks/replies/work").text
    assert '<span class="model" dir="auto">secret-model-0</span>' in page


def test_an_answer_gives_the_next_item_and_a_repeated_one_is_stored_once(client_as: Clients, store: Store) -> None:
    material.begin(store, material.a_study(material.PAIR), material.pairs(2))
    ana = client_as("ana")
    assignment = told(ana.get("/tasks/replies/work").text)["assignment"]
    address = f"/tasks/replies/items/{assignment}"
    first = ana.post(address, json=sent(better={"chosen": 1}))
    again = ana.post(address, json=sent(better={"chosen": 1}))
    assert first.json() == again.json()
    assert "Item 2 of 2" in first.json()["html"]
    assert len([one for entry in store.entries() for one in entry.feedback]) == 1
    assert ana.post(address, json=sent(better={"chosen": 0})).status_code == 409


def test_a_wrong_answer_is_refused_by_name(client_as: Clients, store: Store) -> None:
    material.begin(store, material.a_study(material.RATING), material.singles(1))
    ana = client_as("ana")
    assignment = told(ana.get("/tasks/replies/work").text)["assignment"]
    refused = ana.post(f"/tasks/replies/items/{assignment}", json=sent(grade={"rating": 9}))
    assert refused.status_code == 422
    assert "1 to 5" in refused.json()["error"]["message"]


def test_what_is_another_persons_is_not_there(client_as: Clients, store: Store) -> None:
    material.begin(store, material.a_study(material.PAIR), material.pairs(1))
    assignment = told(client_as("ana").get("/tasks/replies/work").text)["assignment"]
    bob = client_as("bob")
    own = f"/tasks/replies/items/{assignment}"
    assert bob.get(f"{own}/differences").status_code == 404
    for path, body in (("", sent(better={"chosen": 0})), ("/draft", {}), ("/skip", {"reason": "other"}), ("/flag", {})):
        assert bob.post(own + path, json=body).status_code == 404
    assert bob.get("/tasks/no-such-study/work").status_code == 404
    assert bob.get("/tasks/no-such-study/guide").status_code == 404


def test_nobody_works_before_they_agreed(client_as: Clients, store: Store) -> None:
    material.begin(store, material.a_study(material.PAIR, consent="We store it."), material.pairs(1))
    ana = client_as("ana")
    assert ana.get("/tasks/replies/work").headers["location"] == "/tasks/replies/guide"
    assert "We store it." in ana.get("/tasks/replies/guide").text
    assert ana.post("/tasks/replies/guide").status_code == 303
    assert ana.get("/tasks/replies/work").status_code == 200


def test_a_correction_is_compared_while_it_is_written(client_as: Clients, store: Store) -> None:
    material.begin(store, material.a_study(material.CORRECTION), material.singles(1, "Ring <his> bel."))
    ana = client_as("ana")
    address = f"/tasks/replies/items/{told(ana.get('/tasks/replies/work').text)['assignment']}/difference"
    reply = ana.post(address, json={"completion": 0, "text": "Ring <his> bell."}).json()
    assert reply == {"html": "Ring &lt;his&gt; <del>bel</del><ins>bell</ins>.", "distance": "Words changed: 1 (17%)"}
    for wrong in ({"completion": 1, "text": ""}, {"completion": True, "text": ""}, {"text": 3}, {}):
        assert ana.post(address, json=wrong).status_code == 422


def test_an_answer_is_spoken_in_the_readers_language() -> None:
    def in_english(key: str, **values: object) -> str:
        return say(key, "en", **values)

    assert spoken(material.STRONG, {"chosen": 1, "strength": 3}, in_english) == "B is better (Much)"
    assert spoken(material.RANKING, {"ranking": [[2], [0, 1]]}, in_english) == "C > A = B"
    assert spoken(material.RATING, [{"rating": 4}, {"cannot_judge": True}], in_english) == "A: 4; B: Cannot judge"
    assert spoken(material.THUMB, {"thumb": False}, lambda key, **values: say(key, "zh", **values)) == "不好"


def test_a_study_that_ended_says_so(client_as: Clients, store: Store) -> None:
    material.begin(store, material.a_study(material.PAIR), material.pairs(1))
    ana = client_as("ana")
    ended: dict[State, str] = {"paused": "This study is paused", "closed": "This study is closed"}
    for state, said in ended.items():
        store.studies.set_state("replies", state)
        assert said in ana.get("/tasks/replies/work").text
        assert said in ana.get("/tasks/replies/guide").text


def test_a_studys_own_words_are_read_aloud_in_its_own_language(client_as: Clients, store: Store) -> None:
    material.begin(store, material.a_study(material.RATING, language="fr"), material.singles(1))
    ana = client_as("ana")
    ana.cookies.set("burnish_language", "zh")
    page = ana.get("/tasks/replies/work").text
    assert '<html lang="zh"' in page
    for own in ('<h1 dir="auto" lang="fr">', '<div class="words body" lang="fr"', '<span lang="fr">How helpful'):
        assert own in page
