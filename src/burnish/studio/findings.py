"""What the dashboards say of one body of feedback: gathered in one go, by the rooms that know how, kept as one record.

Nothing is computed here: this says which question of a study lead is answered by which function below.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from burnish.errors import InputError
from burnish.evaluation.against_people import AgainstPeople, against_people
from burnish.evaluation.judge_card import JudgeCard, judge_cards
from burnish.evaluation.judge_people import Beside, beside_people
from burnish.feedback import disagreements, over_time, questions
from burnish.feedback.answers import DECIDES, Answer, answers_of, is_opinion
from burnish.feedback.overview import Overview, overview
from burnish.feedback.people import People, people
from burnish.feedback.words.topics import Topic, topics
from burnish.records import Feedback, Interval, share_of
from burnish.store import Entry, Store
from burnish.store.read import STUDY_RUN
from burnish.studio.outlook import Outlook

LEAST_COMMENTS = 10
COMMENTS_A_TOPIC = 8
MOST_TOPICS = 6
MOST_PROMPTS = 5_000
"""Prompts whose answers are read; of more, so many are drawn by hash, always the same ones. An interval over 5,000
items is as narrow as anybody needs, and all of 100,000 take minutes."""
MOST_JUDGED = 2_000
"""Prompts from which people's manners are told: fitting everybody together takes longest by far."""
HARDEST = 60
"""Items that are kept for the list of the most disputed; counts are of all."""


@dataclass(frozen=True, slots=True)
class Findings:
    """All that one dashboard shows, as of one state of the store."""

    prompts: int
    """Prompts that the figures rest on, ..."""
    of_prompts: int
    """... of so many that were answered."""
    overview: Overview
    questions: Sequence[questions.Asked]
    pace: over_time.Pace | None
    people: People
    hardest: Sequence[disagreements.Item]
    """The most disputed items, those decided by a reviewer among them."""
    items: int
    """Items that people answered."""
    shared: int
    """Of these, how many were answered by several."""
    disputed: Interval | None
    undecided: int
    """Disputed items that no reviewer has decided."""
    comments: Sequence[str]
    topics: Sequence[Topic]
    judges: Mapping[str, Sequence[JudgeCard]]
    beside: Mapping[str, Sequence[Beside]]
    """By judge: how it goes with each person."""
    rewards: Mapping[str, AgainstPeople]
    """By run: its reward model against people, on texts that both have judged."""
    outlook: Outlook | None = None
    """What lies ahead of a study of this store."""


def findings(
    entries: Sequence[Entry],
    scored: Mapping[str, Mapping[str, float]],
    *,
    gold: Sequence[Entry] = (),
    of_prompts: int | None = None,
) -> Findings:
    """Return all that is shown of the entries.

    `scored`: by run, the reward of each text that it scored. `gold`: known answers. `of_prompts`: how many prompts the
    entries were drawn from.
    """
    undecided = [without_decisions(entry) for entry in entries]
    said = [answer for entry in undecided for answer in answers_of(entry) if is_opinion(answer)]
    found = disagreements.items(entries)
    judges = _judges(undecided)
    comments = [words for answer in said if (words := _words(answer))]
    return Findings(
        prompts=len(entries),
        of_prompts=len(entries) if of_prompts is None else of_prompts,
        overview=overview(undecided),
        questions=questions.questions(undecided),
        pace=over_time.pace(said),
        people=people([*undecided[:MOST_JUDGED], *gold]),
        hardest=[item for item in found if item.disputed][:HARDEST],
        items=len(found),
        shared=sum(item.shared for item in found),
        disputed=disagreements.share_disputed(found),
        undecided=sum(item.disputed and not item.decided for item in found),
        comments=comments,
        topics=_topics(comments),
        judges=judges,
        beside={name: beside_people(undecided, name) for name in judges},
        rewards={name: told for name, texts in scored.items() if (told := against_people(said, texts))},
    )


def everybody_in(store: Store) -> People:
    """Return how everybody who answered anything does, told from `MOST_JUDGED` prompts at most."""
    return people([without_decisions(entry) for entry in entries_of(store, None)[0][:MOST_JUDGED]])


def entries_of(store: Store, study: str | None) -> tuple[list[Entry], int]:
    """Return the entries that hold answers of a study (of None any answers), and how many there are of them.

    Of a study the entries hold its answers alone, and what judges said of the same texts. At most `MOST_PROMPTS` are
    returned, in an order that depends on nothing but their ids, so that the first of them are a random part too.
    """
    run = None if study is None else f"{STUDY_RUN}{study}"
    names = store.answered_prompts(run)
    drawn = sorted(names, key=lambda name: share_of(name, "results"))[:MOST_PROMPTS]
    order = {name: place for place, name in enumerate(drawn)}
    found = store.entries(prompt_ids=drawn)
    kept = _without_training(found) if run is None else _of_run(_without_training(found), run)
    return sorted(kept, key=lambda entry: order[entry.prompt.id]), len(names)


def without_decisions(entry: Entry) -> Entry:
    """Return the entry with what people and judges said by themselves."""
    return replace(entry, feedback=tuple(each for each in entry.feedback if not each.metadata.get(DECIDES)))


def _without_training(entries: Iterable[Entry]) -> Iterator[Entry]:
    """The entries without answers to training items: the right answer was shown with them."""
    for entry in entries:
        if kept := tuple(each for each in entry.feedback if each.metadata.get("role") != "training"):
            yield replace(entry, feedback=kept)


def _of_run(entries: Iterable[Entry], run: str) -> Iterator[Entry]:
    for entry in entries:
        shown = {name for each in entry.feedback if each.run == run for name in each.completion_ids}
        kept = tuple(each for each in entry.feedback if _belongs(each, run, shown))
        if kept and shown:
            yield replace(entry, feedback=kept)


def _belongs(record: Feedback, run: str, shown: set[str]) -> bool:
    """Whether a record is an answer of the study, or what a judge said of the same texts."""
    return record.run == run or (record.author.kind == "ai" and shown.issuperset(record.completion_ids))


def _words(answer: Answer) -> str:
    """What the person wrote about the text, as a comment or beside another answer."""
    own = answer.feedback.value.get("comment") if answer.feedback.kind == "comment" else ""
    return str(own or answer.feedback.comment).strip()


def _topics(comments: Sequence[str]) -> list[Topic]:
    if len(comments) < LEAST_COMMENTS:
        return []
    return topics(comments, max(2, min(MOST_TOPICS, len(comments) // COMMENTS_A_TOPIC)))


def _judges(entries: Sequence[Entry]) -> dict[str, list[JudgeCard]]:
    names = {each.author.id for entry in entries for each in entry.feedback if each.author.kind == "ai"}
    found = {}
    for name in sorted(names):
        try:
            found[name] = judge_cards(entries, name)
        except InputError:  # judged nothing that can be compared, such as comments alone
            continue
    return found
