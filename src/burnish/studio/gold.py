"""Known answers of a study as feedback: the right answer, by nobody, that people's own are compared with.

Gold is an answer whose metadata say `"gold": true` (`burnish.feedback.people`). It is made when it is looked at and
never stored: what is right may be mended, and nothing is ever learned from it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from burnish.errors import InputError
from burnish.records import Author, Completion, Feedback
from burnish.store import Entry
from burnish.store.studies import ItemRow
from burnish.studio import answers
from burnish.studio.assign import study_of
from burnish.studio.context import Studio
from burnish.studio.study import Study

MOST = 10_000
"""Gold items of one study."""


def gold_entries(studio: Studio, name: str) -> list[Entry]:
    """Return an entry with the known answers for each gold item of a study; none for a study of elsewhere."""
    row = studio.store.studies.get(name)
    if row is None:
        return []
    study = study_of(studio, row)
    found = []
    for item in studio.store.studies.items(name, role="gold", limit=MOST):
        prompt = studio.store.prompt(item.prompt_id)
        texts = [studio.store.completion(each) for each in item.completion_ids]
        kept = tuple(text for text in texts if text is not None)
        if prompt is not None and len(kept) == len(texts):
            found.append(Entry(prompt, kept, tuple(_known(study, item, kept))))
    return found


def _known(study: Study, item: ItemRow, texts: tuple[Completion, ...]) -> Iterator[Feedback]:
    expected = dict(item.expected or {})
    asked = replace(study, questions=tuple(each for each in study.questions if each.name in expected))
    given = {question.name: expected[question.name] for question in asked.questions}
    try:
        said = answers.read(asked, given, [text.text for text in texts])
    except InputError:  # the study was changed since, and its gold does not answer what is asked now
        return
    for number, each in enumerate(said):
        shown = texts if each.place is None else (texts[each.place],)
        yield Feedback(
            id=f"gold:{item.id}:{number}",
            kind=each.question.kind,
            prompt_id=item.prompt_id,
            completion_ids=tuple(text.id for text in shown),
            value=each.value,
            author=Author("", "rule"),
            aspect=each.question.aspect,
            metadata={"gold": True, "question": each.question.name},
        )
