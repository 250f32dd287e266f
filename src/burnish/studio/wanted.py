"""Which items would teach most: worked out from the answers so far, while nobody waits, for studies that pick actively.

The strategy is the large gap of `burnish.feedback.next`: from pairs whose texts are believed to lie far apart training
learns most (ActiveUltraFeedback, arXiv 2603.09692). Items that are no pair keep priority 0. One item in five is drawn
at random whatever stands here (`burnish.store.picking`).
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator

import numpy as np

from burnish.errors import InputError
from burnish.feedback import next as strategies
from burnish.feedback.agenda import candidates_of
from burnish.store import Entry, Store
from burnish.store.engine import chunks
from burnish.store.studies import ItemRow
from burnish.studio.context import Studio

STRATEGY = "large_gap"
EVERY = 50
"""Answers after which priorities are worked out anew."""
MOST_ITEMS = 5_000
"""Items looked at, the first that still need answers: more take longer than the next answers do."""

log = logging.getLogger(__name__)


def priorities(store: Store, study: str) -> dict[str, float]:
    """Return the wanted items of a study with their priorities, from 1 for the most wanted down to 0."""
    open_items = {item.prompt_id: item for item in _open_items(store, study)}
    entries = [_of_item(entry, open_items[entry.prompt.id]) for entry in store.entries(prompt_ids=open_items)]
    entries = [entry for entry in entries if len(entry.completions) == 2]
    if not entries:
        return {}
    pairs, candidates = candidates_of(entries)
    order = strategies.load(STRATEGY).pick(candidates, len(pairs), np.random.default_rng(0))
    return {open_items[pairs[at].prompt.id].id: 1 - place / len(pairs) for place, at in enumerate(order)}


def refresh(studio: Studio, study: str, answers: int) -> None:
    """Have the priorities worked out anew in the background, once for every `EVERY` answers."""
    done: dict[str, int] = studio.services.setdefault("wanted", {})
    step = answers // EVERY
    if step == 0 or done.get(study) == step:
        return
    done[study] = step
    threading.Thread(target=_work_out, args=(studio.store, study), name="burnish-wanted", daemon=True).start()


def _work_out(store: Store, study: str) -> None:
    try:
        for some in chunks(priorities(store, study).items(), 500):
            store.studies.set_priorities(study, dict(some))
    except InputError as error:
        log.warning("%s: items are given out as they were: %s", study, error)


def _open_items(store: Store, study: str) -> Iterator[ItemRow]:
    """Yield the items that still need answers."""
    found = after = 0
    while found < MOST_ITEMS and (some := store.studies.items(study, role="item", after=after, limit=1000)):
        after = some[-1].seq
        for item in some:
            if item.taken < item.places and found < MOST_ITEMS:
                found += 1
                yield item


def _of_item(entry: Entry, item: ItemRow) -> Entry:
    """Return a prompt's entry with the item's completions alone."""
    texts = tuple(each for each in entry.completions if each.id in item.completion_ids)
    about = tuple(each for each in entry.feedback if set(each.completion_ids) <= set(item.completion_ids))
    return Entry(entry.prompt, texts, about)
