"""The owner's pages: examples, the designer, items, export, the planner; and that they are the owner's alone."""

from __future__ import annotations

import ast
import html
import json
import re
from collections.abc import Callable
from pathlib import Path
from string import Formatter
from typing import cast

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from tests.studio import answered

from burnish import studio as studio_folder
from burnish.store import Store
from burnish.studio import designer, examples
from burnish.studio.lint import lint
from burnish.studio.routes.results import background_of
from burnish.studio.study import Question, Study
from burnish.studio.study_file import from_toml, to_toml
from burnish.studio.wording import say, sentences

ClientAs = Callable[..., TestClient]
PAIRS = [{"prompt": f"Say hello {n}.", "completions": [f"Hello {n}!", f"Go away {n}."]} for n in range(3)]


def lines(rows: list[dict[str, object]]) -> str:
    return "\n".join(json.dumps(row) for row in rows)


def made(client: TestClient, **changes: str) -> str:
    """Make a study by its form and return its name."""
    form = dict(designer.sheet_of(designer.BLANK).fields) | {"name": "hello", "title": "Hello"} | changes
    answer = client.post("/studies/new", data={"action": "save", **form})
    assert answer.status_code == 303, answer.text
    return answer.headers["location"].partition("?")[0].removeprefix("/studies/")


def upload(client: TestClient, name: str, text: str) -> str:
    csrf = client.headers["X-CSRF"]
    return client.post(f"/studies/{name}/items", data={"csrf": csrf}, files={"file": ("items.jsonl", text)}).text


def test_an_example_is_opened_with_its_items_and_can_be_answered(client_as: ClientAs, store: Store) -> None:
    owner = client_as("olga", role="owner")
    assert all(examples.load(name).title in owner.get("/studies").text for name in examples.EXAMPLES)
    assert owner.post("/studies/example", data={"name": "plain-words"}).headers["location"] == "/studies/plain-words"
    row = store.studies.get("plain-words")
    assert row is not None
    assert (row.state, row.items) == ("open", 20)
    assert owner.post("/api/work/plain-words/next").json()["prompt"][0]["content"].startswith("Say this in plain words")


@pytest.mark.parametrize("name", examples.EXAMPLES)
def test_every_example_is_whole_and_its_wording_passes_its_own_lint(name: str, store: Store) -> None:
    study = examples.load(name)
    assert lint(study) == []
    assert from_toml(to_toml(study)) == study
    examples.install(store, name, now_ms=1)
    assert examples.install(store, name, now_ms=2) == name  # a second time changes nothing
    items = store.studies.items(name)
    assert len(items) >= 10
    assert {each.role for each in items} == {"item", "anchor"}


def test_a_study_is_made_filled_opened_and_taken_out(client_as: ClientAs, store: Store) -> None:
    owner = client_as("olga", role="owner")
    name = made(owner)
    assert "no items yet" in owner.post(f"/studies/{name}/state", data={"state": "open"}).text
    in_chinese = {"accept-language": "zh"}
    assert "还没有条目" in owner.post(f"/studies/{name}/state", data={"state": "open"}, headers=in_chinese).text
    page = upload(owner, name, lines(PAIRS) + "\nnot json\n" + lines(PAIRS[:1]))
    assert "3 items are new, 1 was there already, 1 could not be taken" in page
    assert owner.post(f"/studies/{name}/state", data={"state": "open"}).status_code == 303
    ana = client_as("ana")
    task = ana.post(f"/api/work/{name}/next").json()
    sent = {"key": "0123456789", "answers": {"better": {"chosen": 1}}}
    assert ana.post(f"/api/assignments/{task['assignment']}/answer", json=sent).status_code == 200
    row = json.loads(owner.get(f"/studies/{name}/export.jsonl").text)
    assert (row["chosen"], row["author"], row["run"]) == (task["completions"][1], "ana", "studio:hello")
    table = owner.get(f"/studies/{name}/export.csv").text.splitlines()
    assert len(table) == 2
    for part in ("", "/edit", "/toml", "/preview", "/plan"):
        assert owner.get(f"/studies/{name}{part}").status_code == 200, part


def test_a_table_holds_no_formula_of_somebody_elses(client_as: ClientAs) -> None:
    owner = client_as("olga", role="owner")
    name = made(owner)
    evil = {"prompt": '=HYPERLINK("http://x")', "completions": ["@SUM(1)", "-1+1"]}
    upload(owner, name, lines([evil]))
    owner.post(f"/studies/{name}/state", data={"state": "open"})
    task = owner.post(f"/api/work/{name}/next").json()
    said = {"key": "0123456789", "answers": {"better": {"chosen": 0, "comment": "＋1+1"}}}  # noqa: RUF001 -- a full-width plus
    assert owner.post(f"/api/assignments/{task['assignment']}/answer", json=said).status_code == 200
    table = owner.get(f"/studies/{name}/export.csv").text
    assert not re.search(r'(^|,)"?[=+@＝＋－＠-]', table, re.MULTILINE)  # noqa: RUF001 -- the same


def test_the_form_adds_moves_and_removes_questions_without_saving(client_as: ClientAs, store: Store) -> None:
    owner = client_as("olga", role="owner")
    form = dict(designer.sheet_of(designer.BLANK).fields)
    added = designer.acted(form | {"action": "add"})
    assert added.questions == 2
    moved = designer.acted(dict(added.fields) | {"action": "up:1"})
    assert (moved["q0_kind"], moved["q1_kind"]) == ("rating", "comparison")
    assert designer.acted(dict(moved.fields) | {"action": "remove:0"}).questions == 1
    assert "Question 2" in owner.post("/studies/new", data={**form, "action": "add"}).text
    assert store.studies.listing() == []


def test_what_is_wrong_with_a_form_is_told_and_nothing_is_lost(client_as: ClientAs) -> None:
    owner = client_as("olga", role="owner")
    form = dict(designer.sheet_of(designer.BLANK).fields) | {"name": "Not A Name", "guidelines": "keep <b>me</b>"}
    answer = owner.post("/studies/new", data={"action": "save", **form})
    assert answer.status_code == 422
    assert "is not 1 to 60 of a-z" in answer.text
    assert "keep &lt;b&gt;me&lt;/b&gt;" in answer.text


def test_a_change_is_a_new_version_and_keeps_what_the_form_does_not_show(client_as: ClientAs, store: Store) -> None:
    owner = client_as("olga", role="owner")
    owner.post("/studies/example", data={"name": "plain-words"})
    form = dict(designer.sheet_of(examples.load("plain-words")).fields) | {"overlap": "3"}
    assert owner.post("/studies/plain-words/edit", data={"action": "save", **form}).status_code == 303
    study = from_toml(store.studies.body("plain-words"))
    assert (study.overlap, study.examples) == (3, examples.load("plain-words").examples)
    assert {item.places for item in store.studies.items("plain-words", role="item")} == {3}
    assert [version for version, _, _ in store.studies.versions("plain-words")] == [1, 2]


def test_the_check_shows_the_screen_and_what_the_wording_does_wrong(client_as: ClientAs) -> None:
    owner = client_as("olga", role="owner")
    study = Study("s", "S", (Question("q", "rating", "Is it true and well written?"),), overlap=1)
    page = owner.post("/studies/preview", data={"toml": to_toml(study)}).text
    assert "may join two questions in one" in page
    assert "has no meaning written beside it" in page
    assert "nobody can tell how far people agree" in page
    assert "is no TOML" in owner.post("/studies/preview", data={"toml": "= ="}).text


@pytest.mark.parametrize("path", ["", "/new", "/new/toml", "/plain-words", "/plain-words/edit", "/plain-words/plan"])
def test_studies_are_the_owners_alone(client_as: ClientAs, store: Store, path: str) -> None:
    examples.install(store, now_ms=1)
    assert client_as("ana").get(f"/studies{path}").status_code == 403
    assert client_as("rob", role="reviewer").get(f"/studies{path}").status_code == 403


@pytest.mark.parametrize(
    ("question", "rule"),
    [
        (Question("q", "rating", "Is it true and kind?", anchors=((1, "no"), (5, "yes"))), "double_barrelled"),
        (Question("q", "thumb", "Don't you think it is right?"), "leading"),
        (Question("q", "thumb", "Is it not wrong?"), "negated"),
        (Question("q", "thumb", "Quality"), "vague"),
        (Question("q", "thumb", "Is it true?", cannot_judge=False), "no_way_out"),
        (Question("q", "comment", "Why?"), "forced_words"),
        (Question("q", "rating", "How kind is it?", anchors=((1, "good"), (5, "excellent"))), "unbalanced"),
        (Question("q", "rating", "How kind is it?", anchors=((1, "rude"),)), "no_anchor"),
        (Question("q", "span", "What is wrong?"), "no_labels"),
        (Question("q", "rubric", "Check it.", criteria=(("a", "It is short and true."),)), "double_criterion"),
        (Question("q", "thumb", "这个回答准确并且礼貌吗？"), "double_barrelled"),
    ],
)
def test_the_lint_finds_what_is_wrong(question: Question, rule: str) -> None:
    assert rule in [each.rule for each in lint(Study("s", "S", (question,)))]


def test_the_lint_leaves_a_good_question_alone() -> None:
    good = Question("q", "rating", "How well does it follow the instruction?", anchors=((1, "poor"), (5, "excellent")))
    assert [each.rule for each in lint(Study("s", "S", (good,))) if each.question] == []


def test_what_is_wrong_in_the_form_is_said_at_its_field_in_the_readers_words(client_as: ClientAs) -> None:
    owner = client_as("olga", role="owner")
    form = dict(designer.sheet_of(designer.BLANK).fields) | {"name": "hello", "title": "Hello", "action": "save"}
    owner.cookies.set("burnish_language", "zh")
    page = owner.post("/studies/new", data={**form, "q0_name": "Better One"}).text
    assert '<a href="#q0_name">问题 1, 简称</a>' in page
    assert re.search(
        r'<input id="q0_name"[^>]* aria-describedby="q0_name-hint problem" aria-invalid="true" autofocus>', page
    )
    assert page.count("aria-invalid") == 1
    assert "'Better One' 不符合要求：应为 1 到 40 个" in html.unescape(page)
    page = owner.post("/studies/new", data={**form, "source_kind": "models"}).text
    assert '<a href="#source_models">' in page
    page = html.unescape(owner.post("/studies/preview", data={**form, "quota": "many"}).text)
    assert '<a href="#quota">' in page
    assert "'many' 不是整数。" in page
    page = owner.post("/studies/new/toml", data={"toml": f"overlapp = 3\n{to_toml(designer.BLANK)}"}).text
    assert "study.overlapp: 没有 'overlapp'。是不是想写 'overlap'？" in html.unescape(page)
    made(owner)
    page = owner.post("/studies/new", data=form).text
    assert "'hello' 已是另一项研究的名称" in html.unescape(page)


def test_every_mistake_has_words_that_can_be_filled_in() -> None:
    """By reading the code: the values that each rule is given fill its sentence in every language."""
    given: dict[str, set[str]] = {}
    for name in ("study", "study_file", "designer", "publishing", "mistakes"):
        tree = ast.parse((Path(studio_folder.__file__).parent / f"{name}.py").read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "StudyError":
                rule = node.args[1]
                if isinstance(rule, ast.Constant):
                    given[str(rule.value)] = {str(each.arg) for each in node.keywords}
    told = {key.removeprefix("mistake."): said for key, said in sentences().items() if key.startswith("mistake.")}
    assert told.keys() == given.keys()
    for rule, values in given.items():
        for sentence in told[rule].values():
            wanted = {name for _, name, _, _ in Formatter().parse(sentence) if name} if values else set()
            assert wanted == values, rule


def test_every_error_of_the_form_has_a_field_with_a_label() -> None:
    for where, field in (
        ("study.questions[3].scale", "q3_scale_low"),
        ("questions[1].criteria", "q1_criteria"),
        ("study.questions[1].anchors.1", "q1_anchors"),
        ("study.source.kind", "source_kind"),
        ("source.items", "source_items"),
        ("overlap", "overlap"),
        ("study", ""),
        ("study.examples[0].answers", ""),
    ):
        assert designer.field_at(where) == field
        if field:
            assert say(designer.label_of(field), "zh")


def test_a_share_may_be_written_in_percent(client_as: ClientAs, store: Store) -> None:
    name = made(client_as("olga", role="owner"), anchor_share="12,5 %")
    assert from_toml(store.studies.body(name)).anchor_share == 0.125


def test_what_an_upload_lacks_is_told_by_the_files_own_name(client_as: ClientAs) -> None:
    owner = client_as("olga", role="owner")
    name = made(owner, people="nobody-here")
    page = upload(owner, name, "not json\n")
    assert "items.jsonl:1: " in page
    assert "burnish-upload" not in page
    assert "no line in it" in upload(owner, name, "")
    assert "Nobody here has the name nobody-here" in page
    for left in ("items", "fill", "state"):
        assert owner.get(f"/studies/{name}/{left}").headers["location"] == f"/studies/{name}"


def test_the_planner_is_offered_where_it_can_tell_something(client_as: ClientAs) -> None:
    owner = client_as("olga", role="owner")
    assert "/plan" in owner.get(f"/studies/{made(owner)}").text
    page = owner.get(f"/studies/{made(owner, name='words', q0_kind='comment', q0_text='Why?')}").text
    assert "/studies/words/plan" not in page


def test_after_a_button_one_goes_on_at_its_question(client_as: ClientAs) -> None:
    owner = client_as("olga", role="owner")
    form = dict(designer.sheet_of(designer.BLANK).fields) | {"q1_kind": "rating", "q1_name": "second"}
    for action, field in (("add", "q2_kind"), ("up:1", "q0_kind"), ("remove:1", "q0_kind")):
        page = owner.post("/studies/new", data={**form, "action": action}).text
        assert re.findall(r'id="(\w+)"[^>]* autofocus', page) == [field]


def test_a_great_studys_own_answers_are_read_for_the_planner_while_nobody_waits(
    client_as: ClientAs, store: Store
) -> None:
    answered.fill(store, items=72)  # more than 500 answers
    question = Question("comparison", "comparison", "Which is better?")
    store.studies.save("films", to_toml(Study("films", "Films", (question,))), overlap=2, by="olga", now_ms=1)
    owner = client_as("olga", role="owner")
    plan = "/studies/films/plan?half_width=0.2&people=50"
    first = owner.get(plan).text
    assert "answers are being read" in first
    assert "<table>" in first
    background_of(cast(FastAPI, owner.app).state.studio).wait()
    assert "from the spread of this study's own answers" in html.unescape(owner.get(plan).text)
