"""Do the dashboards find what is there, and does anybody wait for them? Real ratings, simulated people.

    python benchmarks/studio_dashboards.py [--items 240] [--great 20000] [--seed 0]

Pairs of film-review snippets (`burnish fetch ratings`), three of eight people a pair. A careful person compares by
drawing one of the real people's ratings of each text; one of the eight guesses, one says the opposite, one picks the
side shown first three times in four. Printed: who is named, what is said of the comments' share, how long the figures
take. Then a store of many more items, its dashboard asked for again and again while it is computed: how long a page
takes that waits for nothing, median and 95th percentile, before, meanwhile and after.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median, quantiles

import numpy as np
from fastapi.testclient import TestClient

from burnish.corpora import ratings
from burnish.records import Author, Completion, Feedback, Prompt, share_of
from burnish.store import Entry, Store, open_store
from burnish.studio import StudioSettings, create_app
from burnish.studio.context import now_ms
from burnish.studio.dashboard import need_help
from burnish.studio.findings import entries_of, findings
from burnish.studio.routes.results import background_of

PEOPLE = {"ana": "", "ben": "", "chen": "", "dora": "", "emre": "", "fay": "guesses", "gus": "opposite", "hana": "side"}
EACH, SIDED, ASKED = 3, 0.75, 40
STUDY = "films"


def answers(texts: list[ratings.RatedText], items: int, seed: int) -> Iterator[Entry]:
    """Pairs of texts with three people's comparisons each; texts are used again where there are too few."""
    draw = np.random.default_rng(seed)
    for number in range(items):
        pair = [texts[(2 * number + side) % len(texts)] for side in (0, 1)]
        prompt = Prompt.of(f"Whose writer liked the film better? ({number + 1})")
        shown = [Completion(prompt.id, text.text) for text in pair]
        said = []
        for who in draw.permutation(list(PEOPLE))[:EACH].tolist():
            order = draw.permutation(2).tolist()
            chosen = _chosen(PEOPLE[who], [float(draw.choice(pair[place].ratings)) for place in order], draw)
            minutes = number % (20 * 24 * 60)
            when = f"2026-05-{1 + minutes // 1440:02}T{minutes // 60 % 24:02}:{minutes % 60:02}:00Z"
            ids = tuple(shown[place].id for place in order)
            metadata = {"study": STUDY, "version": 1, "item": f"i{number}", "question": "better"}
            said.append(
                Feedback(
                    f"{number}-{who}", "comparison", prompt.id, ids, {"chosen": chosen}, Author(who), time=when,
                    seconds_spent=8.0, run=f"studio:{STUDY}", metadata=metadata,
                )
            )  # fmt: skip
        yield Entry(prompt, tuple(shown), tuple(said))


def _chosen(manner: str, drawn: list[float], draw: np.random.Generator) -> int:
    if manner == "guesses" or (manner == "side" and draw.random() < SIDED):
        return int(draw.random() < 0.5) if manner == "guesses" else 0
    better = int(drawn[1] > drawn[0]) if drawn[0] != drawn[1] else int(draw.random() < 0.5)
    return 1 - better if manner == "opposite" else better


def told(store: Store, items: int) -> None:
    """Print what the dashboard of a study says, and how long it took to find out."""
    began = time.perf_counter()
    entries, _ = entries_of(store, STUDY)
    read = time.perf_counter() - began
    found = findings(entries, {})
    seconds = time.perf_counter() - began
    (asked,) = found.questions
    alpha = asked.agreement
    assert alpha is not None
    assert asked.first_chosen is not None
    assert found.disputed is not None
    rests = f"{found.overview.records:,} answers to {found.prompts:,} of {items:,} items"
    print(f"{rests}: {seconds:.1f} s, {read:.1f} of them reading")
    print(f"  alpha {alpha.alpha:.2f} [{alpha.low:.2f}, {alpha.high:.2f}]")
    first, disputed = asked.first_chosen, found.disputed
    print(f"  the first shown was chosen {first.mean:.1%} [{first.low:.1%}, {first.high:.1%}] of the time")
    print(f"  people differ on {disputed.mean:.1%} [{disputed.low:.1%}, {disputed.high:.1%}] of the items")
    for person in need_help(found.people.people):
        truth = PEOPLE[person.author.id] or "careful"
        print(f"  may need a word: {person.author.id:5} {person.manner.value:12} (truly: {truth})")


def waited(store: Store, items: int) -> None:
    """Print how long pages take while the figures of a great study are computed."""
    app = create_app(store, StudioSettings(requests_per_second=100_000, runs="no runs"))
    account = store.accounts.add("rev", "reviewer", now_ms=now_ms())
    client = TestClient(app, base_url="http://localhost")
    client.cookies.set("burnish_session", store.sessions.start(account.number, now_ms=now_ms()))
    page = f"/results/studies/{STUDY}"
    print(f"{items:,} items: one page, milliseconds")
    print(f"  {'list of studies, before':34} {_times(client, '/results')}")
    client.get(page)
    print(f"  {'dashboard, while it is computed':34} {_times(client, page)}")
    began = time.perf_counter()
    background_of(app.state.studio).wait(600)
    rest = time.perf_counter() - began
    print(f"  {'dashboard, once it is there':34} {_times(client, page)}   (there {rest:.0f} s later)")


def _times(client: TestClient, address: str) -> str:
    taken = []
    for _ in range(ASKED):
        began = time.perf_counter()
        assert client.get(address).status_code == 200
        taken.append(1000 * (time.perf_counter() - began))
    return f"median {median(taken):6.1f}   95% {quantiles(taken, n=20)[-1]:6.1f}"


def main() -> None:
    parser = argparse.ArgumentParser(description="Do the dashboards find what is there, and does anybody wait?")
    parser.add_argument("--items", type=int, default=240, help="default: 240")
    parser.add_argument("--great", type=int, default=20_000, help="items of the great study (default: 20000)")
    parser.add_argument("--seed", type=int, default=0, help="default: 0")
    args = parser.parse_args()
    films = sorted(
        (text for text in ratings.load() if text.set == "movie"), key=lambda text: share_of(text.id, "dashboards")
    )
    for items, act in ((args.items, told), (args.great, told), (args.great, waited)):
        with tempfile.TemporaryDirectory() as folder, open_store(f"sqlite:///{Path(folder)}/films.db") as store:
            for _ in store.submit_many(answers(films, items, args.seed), batch=2_000):
                pass
            act(store, items)


if __name__ == "__main__":
    main()
