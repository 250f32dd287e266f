"""A studio that masks stores no personal data that people write: not in answers, not in drafts, not in notes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import text

from burnish.cli.main import parser_of
from burnish.records import Completion, Prompt
from burnish.store import Entry, Store
from burnish.store.studies import NewItem
from burnish.studio import assign
from burnish.studio.app import create_app
from burnish.studio.context import Studio
from burnish.studio.session import Person
from burnish.studio.settings import StudioSettings
from burnish.studio.study import Question, Study
from burnish.studio.study_file import to_toml

NOW = 1_750_000_000_000
BO = Person("bo", "annotator", "en", "auto", "", number=7)
SHOWN = "Ask Ana, ana@example.org."
QUESTIONS = (
    Question("why", "comment", "What is wrong?", required=False, labels=("bo@example.org",)),
    Question("mend", "correction", "How should it read?", required=False),
)


@pytest.fixture
def studio(store: Store, settings: StudioSettings) -> Studio:
    prompt = Prompt.of("Who mends lamps?")
    shown = Completion(prompt.id, SHOWN)
    list(store.submit_many([Entry(prompt, (shown,))]))
    study = Study("s", "S", QUESTIONS)
    store.studies.save("s", to_toml(study), overlap=2, by="ana", now_ms=NOW)
    store.studies.add_items("s", [NewItem(prompt.id, (shown.id,))], overlap=2)
    store.studies.set_state("s", "open", now_ms=NOW)
    found: Studio = create_app(store, replace(settings, mask_key=bytes(32))).state.studio
    return found


def answered(studio: Studio, **said: Any) -> dict[str, Any]:
    """Answer the item as bo does; return each record's value and comment by its question."""
    task = assign.next_task(studio, BO, "s", NOW)
    assert task is not None
    payload = {"key": "a-key-of-mine", "answers": said}
    receipts = assign.submit(studio, BO, task.assignment, payload, NOW)
    assert assign.submit(studio, BO, task.assignment, payload, NOW) == tuple(
        replace(each, status="known") for each in receipts
    )
    records = [studio.store.feedback(each.feedback_id) for each in receipts]
    return {record.metadata["question"]: record for record in records if record is not None}


def whole(store: Store) -> str:
    """Return all text that the store's tables hold."""
    with store._database.reading() as connection:
        names = [row[0] for row in connection.execute(text("select name from sqlite_master where type = 'table'"))]
        return "\n".join(str(row) for name in names for row in connection.execute(text(f'select * from "{name}"')))


def test_what_people_write_is_masked_before_it_is_stored(studio: Studio, store: Store) -> None:
    task = assign.next_task(studio, BO, "s", NOW)
    assert task is not None
    written = {"why": {"comment": "Call cy@example.org", "aspects": ["bo@example.org"]}}
    assign.save_draft(studio, BO, task.assignment, written, NOW)
    assign.flag(studio, BO, task.assignment, "Tell cy@example.org", NOW)
    found = answered(studio, **written, mend={"correction": "Ask Ana, ana@example.org, or cy@example.org."})
    assert found["why"].value["comment"].startswith("Call [EMAIL_")
    assert found["why"].aspect == "bo@example.org"  # a word that the study offers
    corrected = found["mend"].value["correction"]
    assert corrected.startswith("Ask Ana, ana@example.org, or [EMAIL_")  # what the item shows stays
    assert corrected.partition("[")[2].partition("]")[0] in found["why"].value["comment"]  # one value, one placeholder
    assert "cy@example.org" not in whole(store)


def test_a_text_left_as_it_is_is_no_correction(studio: Studio) -> None:
    assert list(answered(studio, why={"comment": "fine"}, mend={"correction": SHOWN})) == ["why"]


def test_a_note_on_what_is_skipped_is_masked(studio: Studio, store: Store) -> None:
    task = assign.next_task(studio, BO, "s", NOW)
    assert task is not None
    assign.skip(studio, BO, task.assignment, "other", "My number is +44 20 7946 0958", NOW)
    assert "7946 0958" not in whole(store)


def test_nothing_is_masked_unless_it_is_asked_for(studio: Studio, store: Store) -> None:
    plain = replace(studio, settings=replace(studio.settings, mask_key=b""))
    assert answered(plain, why={"comment": "Call cy@example.org"})["why"].value["comment"] == "Call cy@example.org"
    assert "cy@example.org" in whole(store)


def test_the_pages_where_people_answer_say_so(
    studio: Studio, store: Store, settings: StudioSettings, client_as: Any
) -> None:
    said = "are replaced before it is stored"
    for masks in (True, False):
        client = client_as("bo", of=create_app(store, replace(settings, mask_key=bytes(32) if masks else b"")))
        for page in ("/tasks/s/guide", "/tasks/s/work"):
            assert (said in client.get(page).text) == masks


def test_the_flag_is_off_by_default() -> None:
    parser, _ = parser_of("studio")
    assert parser.parse_args([]).mask is False
    assert parser.parse_args(["--mask", "--key-file", "k"]).key_file == "k"
