"""Dashboards: they answer with figures where there are some, say what is missing where there are none."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from pathlib import Path

from fastapi import FastAPI
from fastapi.testclient import TestClient
from tests.studio import answered

from burnish.records import Author, Checkpoint, Feedback, Score
from burnish.store import Entry, Store
from burnish.store.picking import Rules
from burnish.store.studies import NewItem
from burnish.studio.context import now_ms
from burnish.studio.findings import entries_of, findings
from burnish.studio.gold import gold_entries
from burnish.studio.routes.results import background_of
from burnish.studio.settings import StudioSettings
from burnish.studio.study import Question, Study
from burnish.studio.study_file import to_toml

ClientAs = Callable[..., TestClient]
QUESTIONS = ("far", "agree", "help", "hard", "about", "reward", "judge", "learned")


def page_of(client: TestClient, app: FastAPI, address: str) -> str:
    """The page once its figures are there."""
    assert client.get(address).status_code == 200
    background_of(app.state.studio).wait()
    answer = client.get(address)
    assert answer.status_code == 200
    return html.unescape(re.sub(r"\s+", " ", answer.text))


def section(page: str, name: str) -> str:
    return re.split(rf'<section id="{name}"', page)[1].partition("</section>")[0]


def test_an_annotator_is_shown_no_results(client_as: ClientAs) -> None:
    for address in ("/results", "/results/all", "/results/models", "/results/runs", "/review"):
        assert client_as("ana").get(address).status_code == 403


def test_an_empty_store_says_what_is_missing_and_shows_no_figure(client_as: ClientAs, app: FastAPI) -> None:
    client = client_as("rev", role="reviewer")
    assert "Nobody has answered anything yet" in client.get("/results").text
    page = page_of(client, app, "/results/all")
    for name in QUESTIONS:
        part = section(page, name)
        assert 'class="empty"' in part
        assert "<svg" not in part
    assert "alpha 0" not in page
    assert "No checkpoint has learned" in client.get("/results/models").text
    assert "There is no run" in client.get("/results/runs").text


def test_every_question_is_answered_with_a_picture(client_as: ClientAs, app: FastAPI, store: Store) -> None:
    answered.fill(store)
    client = client_as("rev", role="reviewer")
    assert "films" in client.get("/results").text
    page = page_of(client, app, "/results/studies/films")
    for name in ("far", "agree", "help", "hard", "about", "judge"):
        part = section(page, name)
        assert "<svg" in part, name
        assert 'class="empty"' not in part, name
    assert "114 answers by 3 people on 16 items" in section(page, "far")
    assert "1 of 3 people may need a word: cy" in section(page, "help")
    assert "the opposite of others" in section(page, "help")
    assert "People differ on 100% of the items" in section(page, "hard")
    assert "16 of them wait" in section(page, "hard")
    assert "“judge” names people's choice 100% of the time" in section(page, "judge")
    row = r'<th scope="row" dir="auto">(\w+)</th><td class="n">16</td>.*?(\d+%) \('
    beside = re.findall(row, section(page, "judge"))
    assert beside == [("ana", "100%"), ("ben", "100%"), ("cy", "0%")]  # cy always says the opposite


def test_what_a_judge_s_probabilities_are_worth_is_shown(client_as: ClientAs, app: FastAPI, store: Store) -> None:
    answered.fill(store)
    for number, entry in enumerate(list(store.entries())):
        good, told = entry.completions[0], (0.95, 0.7, 0.55)[number % 3]
        shown = entry.completions if number % 2 else entry.completions[::-1]
        chosen = shown.index(good)
        more = {"author": Author("unsure", "ai"), "metadata": {"probability": told if chosen == 0 else 1 - told}}
        said = answered.answer(f"{number}-unsure", "comparison", shown, {"chosen": chosen}, "", **more)
        store.submit(Entry(entry.prompt, entry.completions, (said,)))
    page = page_of(client_as("rev", role="reviewer"), app, "/results/studies/films")
    part = section(page, "judge")
    assert "Brier score (0 is perfect)" in part
    assert "says yes where people do" in part
    assert re.search(r"How often people say what “unsure” tells, by what it tells, \d dots with intervals", part)
    assert any(figure.partition("</figure>")[0].count('class="whisker"') >= 2 for figure in part.split("<figure>")[1:])


def test_what_people_wrote_is_shown_as_written(client_as: ClientAs, app: FastAPI, store: Store) -> None:
    answered.fill(store, 3)
    client = client_as("rev", role="reviewer")
    page_of(client, app, "/results/studies/films")
    raw = client.get("/results/studies/films").text
    assert "<script>alert" not in raw
    assert "style=" not in raw
    assert "&lt;script&gt;alert" in raw


def test_a_page_says_of_which_time_its_figures_are(client_as: ClientAs, app: FastAPI, store: Store) -> None:
    answered.fill(store, 3)
    client = client_as("rev", role="reviewer")
    first = client.get("/results/all").text
    assert "being computed" in first
    assert 'hx-trigger="every 1s"' in first
    assert "As of 20" in page_of(client, app, "/results/all")
    background_of(app.state.studio)._rest_until["findings "] = float("inf")
    answered.fill(store, 4)
    outdated = client.get("/results/all", headers={"HX-Request": "true"}).text
    assert "New answers came since" in outdated
    assert "<html" not in outdated


def test_chinese_readers_are_answered_in_chinese(client_as: ClientAs, app: FastAPI, store: Store) -> None:
    answered.fill(store)
    client = client_as("rev", role="reviewer")
    client.cookies.set("burnish_language", "zh")
    page = page_of(client, app, "/results/studies/films")
    assert "3 人对 16 个条目给出了 114 个回答" in page
    assert "How " not in re.sub(r"<[^>]*>", "", page)


def test_an_unknown_study_is_not_found(client_as: ClientAs) -> None:
    client = client_as("rev", role="reviewer")
    assert client.get("/results/studies/nothing").status_code == 404
    assert client.get("/results/studies/..%2Fall").status_code == 404


def test_votes_snapshot_checkpoint_and_report_stand_together(
    client_as: ClientAs, app: FastAPI, store: Store, settings: StudioSettings
) -> None:
    answered.fill(store, 4)
    entry = next(iter(store.entries()))
    ids = tuple(each.id for each in entry.feedback if each.author.kind == "human")
    snapshot = store.save_snapshot([Score(entry.prompt, entry.completions[0], 1.0, feedback_ids=ids)])
    store.record_checkpoint(Checkpoint("k_1", "checkpoints/k_1", "adapter", "tiny", "grpo", snapshot=snapshot))
    answered.run_folder(Path(settings.runs), **answered.REPORT)
    client = client_as("rev", role="reviewer")
    page = html.unescape(client.get("/results/models").text)
    for told in ("k_1", f"{len(ids)} answers by 3 people", "from study “films”", "grpo from tiny", "run “reviews-0”"):
        assert told in page
    assert "rose by 0.31" in page
    assert "+0.20 to +0.40" in page
    assert "One checkpoint learned from these answers: k_1" in page_of(client, app, "/results/studies/films")
    client.cookies.set("burnish_language", "zh")
    assert "模型变好了：独立评判的分数变化 +0.30" in page_of(client, app, "/results/models")


def test_a_reward_is_set_beside_people_on_texts_that_both_judged(store: Store) -> None:
    answered.fill(store)
    entries, _ = entries_of(store, "films")
    good = [text.text for each in entries for text in each.completions if text.text.startswith("good")]
    texts = {text: float(int(text.split()[1]) % 5) for text in good}  # as ana and ben rate them
    found = findings(entries, {"run": texts, "other": {"unknown text": 1.0}})
    assert set(found.rewards) == {"run"}
    told = found.rewards["run"]
    assert len(told.points) == 16
    assert told.correlation is not None
    assert told.correlation.low > 0


def test_the_worked_answers_of_training_count_for_nothing(store: Store) -> None:
    answered.fill(store, 2)
    entry = next(iter(store.entries()))
    training = answered.answer(
        "t", "rating", entry.completions[:1], {"rating": 1, "scale": [1, 5]}, "dot", metadata={"role": "training"}
    )
    store.submit(type(entry)(entry.prompt, entry.completions[:1], (training,)))
    assert "dot" not in {each.author.id for each in findings(entries_of(store, "films")[0], {}).people.people}


def test_known_answers_tell_who_knows_them(client_as: ClientAs, app: FastAPI, store: Store) -> None:
    answered.fill(store)
    questions = (Question("comparison", "comparison", "Which is better?"), Question("rating", "rating", "How good?"))
    study = Study("films", "Films that were seen", questions)
    store.studies.save("films", to_toml(study), overlap=3, by="olga", now_ms=now_ms())
    gold = [
        NewItem(
            entry.prompt.id, (entry.completions[0].id, entry.completions[1].id), "gold", {"comparison": {"chosen": 0}}
        )
        for entry in store.entries()
    ]
    store.studies.add_items("films", gold, overlap=3)
    known = gold_entries(app.state.studio, "films")
    assert len(known) == 16
    assert all(each.metadata["gold"] is True for entry in known for each in entry.feedback)
    page = page_of(client_as("rev", role="reviewer"), app, "/results/studies/films")
    assert "Films that were seen" in page
    assert "0 of 16 items have all the answers that were planned" in section(page, "far")
    rows = {row.split("</th>")[0].strip(): row for row in section(page, "help").split('<th scope="row">')[1:]}
    assert "16 of 16" in rows["ana"]
    assert "0 of 16" in rows["cy"]


def test_what_lies_ahead_is_foretold_and_what_it_costs(client_as: ClientAs, app: FastAPI, store: Store) -> None:
    answered.fill(store)
    question = Question("comparison", "comparison", "Which is better?")
    study = Study("films", "Films", (question,), overlap=2, pay="0.50 EUR per answer")
    store.studies.save("films", to_toml(study), overlap=2, by="olga", now_ms=1)
    items = [NewItem(e.prompt.id, tuple(each.id for each in e.completions)) for e in store.entries()]
    store.studies.add_items("films", items, overlap=2)
    client = client_as("rev", role="reviewer")
    told = section(page_of(client, app, "/results/studies/films"), "far")
    assert "32 answers are missing, and the study is not open." in told
    assert "Paid 0.50 EUR per answer: 0.00 EUR so far, 16.00 EUR still to come." in told
    store.studies.set_state("films", "open", now_ms=2)
    hour = 3_600_000
    for number in range(6):  # an item every hour, until now
        at = now_ms() - (5 - number) * hour
        held = store.assignments.claim("films", "ana", Rules(version=1, lock_ms=hour), at)
        assert held is not None
        prompt, _ = store.texts(held.prompt_id, ())
        assert prompt is not None
        ids, author = held.shown_ids, Author("ana")
        said = Feedback(f"new-{number}", "comparison", prompt.id, ids, {"chosen": 0}, author, run="studio:films")
        entry = Entry(prompt, (), (said,))
        store.assignments.answer(held, entry, key=f"key-{number}", digest="d", said={}, now_ms=at)
    told = section(page_of(client, app, "/results/studies/films"), "far")
    assert "26 answers are missing. At the pace of the last 6 hours, 1.0 an hour, they take about 26 more hours" in told
    assert "3.00 EUR so far, 13.00 EUR still to come" in told
