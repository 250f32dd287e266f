"""Where a study's items come from: a file, a task, samples of a model, two models side by side, or what was served.

Whatever the source, an item is a prompt and completions that stand in the store like any others; feedback that a file
brings along is passed over. A line may say what an item is for: `"role": "gold"` or `"training"` with the answers that
are `"expected"` and a `"reason"`, or `"anchor"`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, cast, get_args

from burnish import tasks
from burnish.errors import InputError, nearest
from burnish.feedback import conversations, fields, origins
from burnish.loop.answer import Answering, live_items
from burnish.loop.speakers import Speaker
from burnish.records import Completion, Prompt, Sampling, Score, share_of
from burnish.store import Entry, Line, Store, read_objects
from burnish.store.engine import chunks
from burnish.store.studies import NewItem, Role
from burnish.studio import answers
from burnish.studio.study import Study

MOST_PROBLEMS = 50
"""Lines whose faults are told; beyond it they are counted."""
_BATCH = 500  # entries in one commit
LIVE = frozenset({"samples", "models"})
"""Kinds of source whose texts a model must first write, which `drawing` does while nobody waits."""
DRAWN = Sampling(max_new_tokens=128)
"""How a study's own samples are drawn."""
SERVED_RUNS = ("gateway", "studio:play")
"""Runs whose completions were given to a user, by the gateway or in the playground."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """Texts to be asked about, and what for."""

    prompt: Prompt
    completions: tuple[Completion, ...]
    role: Role = "item"
    expected: Mapping[str, Any] | None = None


@dataclass(slots=True)
class Imported:
    """What became of a source."""

    added: int = 0
    known: int = 0
    """Items that were there already."""
    refused: int = 0
    problems: list[str] = field(default_factory=list)

    def refuse(self, reason: str) -> None:
        """Count something that cannot be an item, and keep the reason of the first ones."""
        self.refused += 1
        if len(self.problems) < MOST_PROBLEMS:
            self.problems.append(reason)


def add(store: Store, study: Study, drawn: Iterable[Drawn | str]) -> Imported:
    """Store texts and make them items of the study; a sentence in the place of texts says why there are none."""
    made = Imported()
    for some in chunks(drawn, _BATCH):
        new = stored(store, study, some, made)
        added = store.studies.add_items(study.name, new, overlap=study.overlap) if new else 0
        made.added += added
        made.known += len(new) - added
    return made


def stored(store: Store, study: Study, drawn: Iterable[Drawn | str], made: Imported) -> list[NewItem]:
    """Return what can be items of the study, their texts stored; `made` takes note of what cannot."""
    new: list[NewItem] = []
    entries: list[Entry] = []
    for each in drawn:
        try:
            item = _item(study, each)
        except InputError as error:
            made.refuse(str(error))
            continue
        entries.append(Entry(item.prompt, item.completions))
        ids = tuple(completion.id for completion in item.completions)
        new.append(NewItem(item.prompt.id, ids, _role(study, item, ids), item.expected))
    list(store.submit_many(entries))
    return new


def drawn_from(store: Store, study: Study) -> Iterator[Drawn | str]:
    """Return what the study's own source holds. Raises InputError for one that cannot be used."""
    source = study.source
    if source.kind == "file":
        return islice(from_lines(read_objects(below_here(source.path)), study), source.items)
    if source.kind == "task":
        return islice(_paired(_of_task(source.task), study), source.items)
    if source.kind == "served":
        return islice(_paired(_served(store), study), source.items)
    raise InputError(f"source: {source.kind!r} is drawn from a model, in the background. Begin a drawing instead.")


def written(
    study: Study,
    prompts: Sequence[Prompt],
    answering: Answering,
    speakers: Sequence[Speaker],
    *,
    stopped: Callable[[], bool] | None = None,
) -> Iterator[Drawn]:
    """Yield what the study's models write to the prompts: those whose texts can be told apart.

    Raises StoppedOnRequest soon after `stopped` says yes.
    """
    found = live_items(
        answering,
        speakers,
        prompts,
        DRAWN,
        n=study.source.completions,
        seed=study.source.seed,
        run=f"studio:{study.name}",
        stopped=stopped,
    )
    return (Drawn(prompt, completions) for prompt, completions in found)


def from_lines(lines: Iterable[Line], study: Study) -> Iterator[Drawn | str]:
    """Yield an item for each line of a file, or why there is none.

    Lines with one completion each are put together by prompt where the study compares several.
    """
    singles: dict[str, list[Completion]] = {}
    for line in lines:
        if line.value is None:
            yield f"{line.where}: {line.error}"
            continue
        try:
            drawn = _of_row(line.value, study.name)
        except InputError as error:
            yield f"{line.where}: {error}"
            continue
        if len(drawn.completions) == 1 and study.needs_several > 1 and drawn.role == "item":
            waiting = singles.setdefault(drawn.prompt.id, [])
            if drawn.completions[0].text not in [each.text for each in waiting]:
                waiting += drawn.completions
            if len(waiting) == max(study.needs_several, study.source.completions):
                yield Drawn(drawn.prompt, tuple(singles.pop(drawn.prompt.id)))
        else:
            yield drawn
    if singles:
        yield f"{len(singles):,} prompts have too few completions to compare. Bring {study.needs_several} of each."


def prompts_of(study: Study) -> list[Prompt]:
    """Return the prompts that models are to answer, always in the same order: a task's, or those of a file.

    Raises InputError where there are none.
    """
    source = study.source
    if source.task:
        prompts = tasks.load(source.task).prompts()
        chosen = sorted(prompts, key=lambda prompt: share_of(prompt.id, f"studio:{source.seed}"))
        return list(chosen[: source.items])
    if not source.path:
        raise InputError("source: names neither a task nor a file with prompts. Add task or path.")
    found: dict[str, Prompt] = {}
    for line in read_objects(below_here(source.path)):
        asked = None if line.value is None else line.value.get("prompt")
        if isinstance(asked, str) and asked.strip():
            prompt = Prompt.of(asked, source=f"studio:{study.name}")
            found[prompt.id] = prompt
    if not found:
        raise InputError(f'source.path: {source.path!r} holds no prompt. Write {{"prompt": "..."}} on each line.')
    return list(found.values())[: source.items]


def below_here(path: str) -> Path:
    """Return a file below the folder in which the studio was started. Raises InputError for any other.

    Whoever may edit a study need not be somebody who may read all files of this machine.
    """
    here = Path.cwd().resolve()
    found = (here / path).resolve() if path and "\0" not in path else here
    if found == here or not found.is_relative_to(here):
        raise InputError(f"source.path: {path!r} is no file below {here}. Put it there, or upload it.")
    return found


# ------------------------------------------------------------------------------------------------------------ one item


def _item(study: Study, drawn: Drawn | str) -> Drawn:
    """Return what can be an item of this study; raises InputError with the reason where it cannot."""
    if isinstance(drawn, str):
        raise InputError(drawn)
    texts = [completion.text for completion in drawn.completions]
    if not study.needs_several <= len(texts) <= study.takes_at_most:
        raise InputError(
            f"{_named(drawn)}: {len(texts)} completions, but the questions need {study.needs_several} to "
            f"{study.takes_at_most}."
        )
    if len(set(texts)) < len(texts) or not all(text.strip() for text in texts):
        raise InputError(f"{_named(drawn)}: a completion is empty or stands twice, so nobody can tell them apart.")
    if drawn.role in ("gold", "training"):
        given = {name: each for name, each in (drawn.expected or {}).items() if name != "reason"}
        if not given:
            raise InputError(f'{_named(drawn)}: a {drawn.role} item needs "expected" answers, by question.')
        answers.check_expected(study, given, texts)
    return drawn


def _named(drawn: Drawn) -> str:
    text = drawn.prompt.text or drawn.completions[0].text
    return repr(text if len(text) <= 60 else text[:57] + "...")


def _role(study: Study, drawn: Drawn, ids: Sequence[str]) -> Role:
    """Return what an item is for; which items are anchors follows from their texts, so that it stays so."""
    is_anchor = drawn.role == "item" and share_of("".join(ids), f"anchor:{study.name}") < study.anchor_share
    return "anchor" if is_anchor else drawn.role


def _of_row(row: Mapping[str, Any], source: str) -> Drawn:
    """Return the texts of one object; its feedback is passed over."""
    messages, plain = conversations.read(row)
    prompt = origins.read_prompt(messages, plain, source=f"studio:{source}")
    if "completions" in plain:
        texts = [fields.text(each, f"completions[{i}]") for i, each in enumerate(plain["completions"])]
    elif "chosen" in plain and "rejected" in plain:
        texts = [plain["chosen"], plain["rejected"]]
    elif "completion" in plain:
        texts = [plain["completion"]]
    else:
        raise InputError("no completion in it. Add completion, completions, or chosen and rejected.")
    role = cast(Role, fields.one_of(plain.get("role", "item"), "role", get_args(Role)))
    expected = fields.mapping(plain["expected"], "expected") if "expected" in plain else None
    if expected is not None and "reason" in plain:
        expected = {**expected, "reason": fields.characters(plain["reason"], "reason")}
    completions = origins.read_completions(texts, prompt.id, plain)
    return Drawn(prompt, completions, role, expected)


# -------------------------------------------------------------------------------------------------------- other sources


def _of_task(name: str) -> Iterator[tuple[Prompt, Completion]]:
    """Yield the texts that a task's evidence is about, in an order that chance fixed once."""
    if name not in tasks.names():
        raise InputError(f"source.task: {name!r} is unknown.{nearest(name, tasks.names())}")
    scores = [signal for signal in tasks.load(name).evidence().fit if isinstance(signal, Score)]
    told = {score.completion.id: (score.prompt, score.completion) for score in scores}
    return iter([told[key] for key in sorted(told, key=lambda key: share_of(key, "studio"))])


def _served(store: Store) -> Iterator[tuple[Prompt, Completion]]:
    """Yield what was given to users, oldest prompt first."""
    for entry in store.entries():
        for completion in entry.completions:
            if completion.run in SERVED_RUNS:
                yield entry.prompt, completion


def _paired(texts: Iterable[tuple[Prompt, Completion]], study: Study) -> Iterator[Drawn]:
    """Yield an item for each text, or for as many texts of one prompt as the study compares."""
    needed = max(study.needs_several, min(study.source.completions, study.takes_at_most))
    waiting: dict[str, list[Completion]] = {}
    for prompt, completion in texts:
        if study.needs_several == 1:
            yield Drawn(prompt, (completion,))
            continue
        some = waiting.setdefault(prompt.id, [])
        if completion.text not in [each.text for each in some]:
            some.append(completion)
        if len(some) == needed:
            yield Drawn(prompt, tuple(waiting.pop(prompt.id)))
