"""One's own page: answers, agreement, password, tokens, leaving."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import pytest
from fastapi.testclient import TestClient
from tests.studio.test_assign import BETTER, begin

from burnish.records import Author, Completion, Feedback, Prompt
from burnish.store import Entry, Store
from burnish.store.judge_cache import JudgeCache
from burnish.store.studies import NewItem
from burnish.studio import StudioSettings, passwords
from burnish.studio.context import now_ms
from burnish.studio.study import Study

ClientAs = Callable[..., TestClient]
PASSWORD = "four small green boats"


@pytest.fixture
def ana(client_as: ClientAs, store: Store, monkeypatch: pytest.MonkeyPatch) -> TestClient:
    """Signed in, with a password that is cheap to look at."""
    monkeypatch.setattr(passwords, "LOG_N", 4)
    account = store.accounts.add("ana", "annotator", password=passwords.hashed(PASSWORD), now_ms=now_ms())
    assert account.has_password
    return client_as("ana")


def said(store: Store, name: str, author: str, rating: int = 4, of: str = "thing") -> None:
    prompt = Prompt.of(f"What of this {of}?")
    text = Completion(prompt.id, "It is fine.")
    value = {"rating": rating, "scale": [1, 5]}
    words = f"{author} says <b>hello</b>"
    store.submit(
        Entry(prompt, (text,), (Feedback(name, "rating", prompt.id, (text.id,), value, Author(author), comment=words),))
    )


def test_the_list_shows_ones_own_answers_as_they_were_written(ana: TestClient, store: Store) -> None:
    said(store, "f1", "ana")
    said(store, "f2", "bob")
    page = ana.get("/me/history").text
    assert "ana says &lt;b&gt;hello&lt;/b&gt;" in page
    assert "bob says" not in page
    assert "ana says" not in ana.get("/me/history", params={"kind": "thumb"}).text
    lines = ana.get("/me/answers.jsonl").text.splitlines()
    assert [json.loads(line)["id"] for line in lines] == ["f1"]


def test_a_long_list_goes_on(ana: TestClient, store: Store) -> None:
    for number in range(60):
        said(store, f"f{number}", "ana", of=f"thing {number}")
    first = ana.get("/me/history").text
    earlier = re.search(r'href="(/me/history\?before=\d+)"', first)
    assert earlier
    assert (first.count("ana says"), ana.get(earlier.group(1)).text.count("ana says")) == (50, 10)


def test_one_answer_is_erased_but_never_somebody_elses(ana: TestClient, store: Store) -> None:
    said(store, "f1", "ana")
    said(store, "f2", "bob")
    assert ana.post("/me/history/erase", data={"id": "f2"}).status_code == 404
    assert ana.post("/me/history/erase", data={"id": "f9"}).status_code == 404
    assert ana.post("/me/history/erase", data={"id": "f1"}).status_code == 200
    assert (store.feedback("f1"), store.feedback("f2") is None) == (None, False)


def test_what_a_judge_answered_about_erased_words_goes_too(
    ana: TestClient, store: Store, settings: StudioSettings
) -> None:
    said(store, "f1", "ana")
    words = "ana says <b>hello</b>"
    with JudgeCache(settings.judge_cache) as cache:
        answers = {"about": f"The comment “{words}” is kind.", "other": "Nothing to see."}
        cache.put(answers, {"about": [words], "other": ["x"]})
    assert ana.post("/me/history/erase", data={"id": "f1"}).status_code == 200
    with JudgeCache(settings.judge_cache) as cache:
        assert set(cache.get(["about", "other"])) == {"other"}


def test_ones_agreement_is_shown_once_it_was_computed(ana: TestClient, store: Store) -> None:
    prompt = Prompt.of("Which?")
    for number in range(3):
        pair = tuple(Completion(prompt.id, f"{side} {number}") for side in ("one", "two"))
        shown = tuple(each.id for each in pair)
        votes = [
            Feedback(f"f{number}-{time}", "comparison", prompt.id, shown, {"chosen": 0}, Author("ana"), time=time)
            for time in ("2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z")
        ]
        store.submit(Entry(prompt, pair, tuple(votes)))
    assert "Nothing to compare yet" in ana.get("/me").text
    assert ana.app.state.studio.services["background"].wait()
    assert "The same again, when asked twice" in ana.get("/me").text


def test_a_new_password_needs_the_old_one_and_ends_every_other_session(
    ana: TestClient, client_as: ClientAs, store: Store
) -> None:
    other, new = client_as("ana"), "seven tall yellow trees"
    wrong = {"now": "not this one", "new": new, "again": new}
    assert ana.post("/me/password", data=wrong).status_code == 422
    assert ana.post("/me/password", data={**wrong, "now": PASSWORD, "new": "short"}).status_code == 422
    before = ana.cookies["burnish_session"]
    assert ana.post("/me/password", data={**wrong, "now": PASSWORD}).status_code == 303
    assert ana.cookies.get("burnish_session", domain="testserver.local") not in (None, before)
    assert other.get("/me").status_code == 401
    account = store.accounts.by_name("ana")
    assert account
    assert passwords.matches(new, store.accounts.password_of(account.number))


def test_a_token_is_shown_once_and_taken_back_by_its_owner_only(
    ana: TestClient, client_as: ClientAs, store: Store
) -> None:
    form = {"label": "my script", "role": "annotator", "days": "30"}
    page = ana.post("/me/tokens", data=form).text
    key = re.search(r"burnish_[\w-]{43}", page)
    assert key
    assert key.group(0) not in ana.get("/me").text
    account = store.sessions.token_account(key.group(0), now_ms=now_ms())
    assert account
    assert store.sessions.token_account(key.group(0), now_ms=now_ms() + 31 * 24 * 3_600_000) is None
    assert ana.post("/me/tokens", data={**form, "role": "owner"}).status_code == 422
    token = store.sessions.tokens(account.number)[0].id
    assert client_as("bob").post(f"/me/tokens/{token}/revoke").status_code == 404
    assert ana.post(f"/me/tokens/{token}/revoke").status_code == 303
    assert store.sessions.token_account(key.group(0), now_ms=now_ms()) is None


def test_consents_are_shown_word_for_word(ana: TestClient, store: Store) -> None:
    account = store.accounts.by_name("ana")
    assert account
    for _ in range(2):
        store.accounts.consent(account.number, "poems", "My words may be <kept>.", now_ms=5)
    assert store.accounts.agreed(account.number, "poems", "My words may be <kept>.")
    assert not store.accounts.agreed(account.number, "poems", "Other words.")
    assert ana.get("/me").text.count("My words may be &lt;kept&gt;.") == 1


def test_leaving_takes_the_password_and_everything_else(ana: TestClient, store: Store) -> None:
    said(store, "f1", "ana")
    assert ana.post("/me/delete", data={"password": "not this one"}).status_code == 422
    assert store.feedback("f1") is not None
    page = ana.post("/me/delete", data={"password": PASSWORD})
    assert "Answers erased: 1." in page.text
    assert (store.feedback("f1"), store.accounts.by_name("ana")) == (None, None)
    assert ana.get("/me").status_code == 401


def test_what_one_is_asked_and_what_one_takes_along_does_not_tell_which_items_are_gold(
    ana: TestClient, store: Store
) -> None:
    """An item's id is a hash of what everybody sees, and of its role: one guess tells which it is."""
    known = NewItem(*texts(store, "thing"), role="gold", expected={"better": {"chosen": 0}})
    begin(store, Study("s", "S", (BETTER,), gold_share=0.9), 0, (known,))
    task = ana.post("/api/work/s/next").json()
    sent = {"key": "0123456789", "answers": {"better": {"chosen": 0}}}
    assert ana.post(f"/api/assignments/{task['assignment']}/answer", json=sent).status_code == 200
    told = json.dumps(task) + ana.get("/me/answers.jsonl").text
    assert task["completions"]
    assert '"study": "s"' in told
    assert known.id not in told
    assert "gold" not in told


def texts(store: Store, thing: str) -> tuple[str, tuple[str, ...]]:
    prompt = Prompt.of(f"What is {thing}?")
    pair = (Completion(prompt.id, f"It is {thing}."), Completion(prompt.id, "No idea."))
    list(store.submit_many([Entry(prompt, pair)]))
    return prompt.id, tuple(each.id for each in pair)
