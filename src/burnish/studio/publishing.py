"""A study put into the store, changed and opened: what the designer's pages and the API both call."""

from __future__ import annotations

from typing import cast

from burnish.errors import InputError
from burnish.store.studies import State, StudyRow
from burnish.studio.assign import study_of
from burnish.studio.context import Studio, now_ms
from burnish.studio.lint import Remark, lint
from burnish.studio.mistakes import StudyError
from burnish.studio.session import Person
from burnish.studio.study import Study
from burnish.studio.study_file import from_toml, to_toml

RESERVED = frozenset({"new", "preview", "example"})


class MissingStudyError(InputError):
    """There is no study of this name."""


def save(studio: Studio, who: Person, study: Study, *, name: str = "") -> int:
    """Return the version under which a study now stands.

    `name`: the study that is being changed; empty for a new one. Raises InputError for a new one whose name is taken,
    and for a changed name.
    """
    if study.name in RESERVED:
        raise StudyError("name", "name_reserved", name=repr(study.name))
    if name and study.name != name:
        raise StudyError("name", "name_changed", name=repr(study.name), before=repr(name))
    if not name and studio.store.studies.get(study.name) is not None:  # asked again when it is stored
        raise StudyError("name", "name_taken", name=repr(study.name))
    text = _written(study)
    return studio.store.studies.save(
        study.name, text, overlap=study.overlap, by=who.name, now_ms=now_ms(), actor=who.number, new=not name
    )


def remarks(studio: Studio, study: Study) -> list[Remark]:
    """Return what to look at again before the study is opened: its wording, and people whom nobody knows here."""
    known = {account.name for account in studio.store.accounts.listing()}
    strangers = [name for name in study.people if name not in known]
    unknown = [Remark("unknown_people", values={"names": ", ".join(strangers[:5])})] if strangers else []
    return [*unknown, *lint(study)]


def is_named(studio: Studio, name: str) -> bool:
    """Return whether a study names somebody of this name, who may then work in it."""
    return any(name in study_of(studio, row).people for row in studio.store.studies.listing())


def _written(study: Study) -> str:
    """Return the study as it is stored. Raises InputError for what a file cannot hold, such as a null in an example."""
    text = to_toml(study)
    try:
        same = from_toml(text) == study
    except InputError:
        same = False
    if not same:
        raise StudyError("study", "unwritable")
    return text


def set_state(studio: Studio, who: Person, name: str, state: str) -> None:
    """Open, pause or close a study. Raises InputError for one without items, and for a state it cannot go to."""
    row = need(studio, name)
    if state not in ("open", "paused", "closed"):
        raise InputError(f"state: {state!r} is none of open, paused and closed.")
    if state == "open" and not row.items:
        raise StudyError("state", "no_items")
    studio.store.studies.set_state(name, cast(State, state), now_ms=now_ms(), actor=who.number)


def need(studio: Studio, name: str) -> StudyRow:
    """Return a study's row. Raises MissingStudyError for none."""
    row = studio.store.studies.get(name)
    if row is None:
        raise MissingStudyError(f"study {name!r}: there is none of this name.")
    return row
