"""Studies that come with the package, so that a studio on an empty folder has something to answer.

`plain-words` and `da-bai-hua` ask about sentences of old books, whose authors died long ago (public domain), each with
two ways to say it today, which were written for this package; `opinions` was written for it whole.
"""

from __future__ import annotations

from dataclasses import replace
from importlib import resources

from burnish.store import Store, read_objects
from burnish.studio import sources
from burnish.studio.study import Study
from burnish.studio.study_file import from_toml, to_toml

EXAMPLES = ("plain-words", "opinions", "da-bai-hua")
"""The first is opened by `burnish studio` in a store without studies."""


def load(name: str) -> Study:
    """Return an example's study, its items told by the file's name alone."""
    return from_toml((resources.files(__name__) / f"{name}.toml").read_text(encoding="utf-8"))


def install(store: Store, name: str = EXAMPLES[0], *, now_ms: int, by: str = "burnish", language: str = "") -> str:
    """Return the name of an example study, put into the store with its items and opened.

    Does nothing where a study of this name is there already. `language`: that of who asked; zh gets the Chinese one
    first.
    """
    name = "da-bai-hua" if language == "zh" and name == EXAMPLES[0] else name
    if store.studies.get(name) is not None:
        return name
    study = load(name)
    kept = replace(study, source=replace(study.source, path=""))  # its file lies in the package, not in this folder
    store.studies.save(name, to_toml(kept), overlap=study.overlap, by=by, now_ms=now_ms)
    with resources.as_file(resources.files(__name__) / study.source.path) as path:
        made = sources.add(store, study, sources.from_lines(read_objects(path), study))
    assert not made.problems, made.problems[0]
    store.studies.set_state(name, "open", now_ms=now_ms)
    return name
