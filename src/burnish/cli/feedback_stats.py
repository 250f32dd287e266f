"""`burnish feedback stats`: how much feedback there is, what it says, how far people agree, and who answers how."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from burnish import progress
from burnish.cli import feedback_posterior
from burnish.errors import InputError
from burnish.progress import counted

if TYPE_CHECKING:
    from burnish.feedback.contents import Contents
    from burnish.feedback.overview import Overview
    from burnish.feedback.people import People
    from burnish.feedback.person import Estimate, Person, Share
    from burnish.store import Entry

HELP = "how much there is, what it says, how far people agree, and who answers how"
DESCRIPTION = """\
Counts answers and people; says how often each answer was given, what comments are about, on which
items people differ (in the page), and for each kind how far they agree: Krippendorff's alpha (1 they
always do, 0 as if they had guessed) with its 95% interval; and for every named person or judge how
closely they follow what others see (slope: 1 careful, 0 guesses, below 0 the opposite), whether
they pick a side, and what gold, repeated questions, pace and copies show.
--items and --pairs tell what that makes of each text and each pair, as training will have it."""
EXAMPLES = """\
examples
  burnish feedback stats
  burnish feedback stats --out report.html        a page to show: tables, pictures, no network
  burnish feedback stats --items --pairs          every text with its interval, every pair with its probability
  burnish feedback stats --pairs --ties davidson  where "equally good" was said: ties with a model of their own
  burnish feedback stats --tables figures         all of it as JSON lines and CSV, in a folder
  burnish feedback stats --db postgresql://user@host/name --json"""
SHOWN_PEOPLE, SHOWN_ANSWERS = 30, 11


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Give the parser the flags of `burnish feedback stats` (but for --db, --json and --quiet)."""
    parser.add_argument("--out", metavar="FILE", help="write a report as one HTML file, pictures included")
    parser.add_argument(
        "--all", action="store_true", help=f"show everybody and everything, not the first {SHOWN_PEOPLE}"
    )
    feedback_posterior.add_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Print counts, agreement and people; write the report where one is asked for."""
    from burnish.feedback.contents import contents
    from burnish.feedback.overview import overview
    from burnish.feedback.people import people
    from burnish.store import open_store

    need_folder(args.out)
    asked = feedback_posterior.is_asked(args)
    config = feedback_posterior.config_of(args)
    with open_store(args.db, create=False) as store:
        stored = store.stats()
        with progress.bar(stored["records"], "reading", "records") as bar:
            entries = list(counted_entries(store.entries(), bar))
    found, answering, said = overview(entries), people(entries), contents(entries)
    kept = {
        name: stored[name] for name in ("prompts", "completions", "superseded", "erased", "snapshots", "checkpoints")
    }
    known = feedback_posterior.found_in(entries, config) if asked else None
    authors = [person.to_plain() for person in answering.people]
    if args.out:
        _write(args.out, found, answering, said, kept)
    if known and args.tables:
        feedback_posterior.write(args.tables, known, authors)
    if args.json:
        plain = {
            **found.to_plain(),
            "contents": said.to_plain(),
            **kept,
            "authors": authors,
            **(known.to_plain(items=args.items, pairs=args.pairs) if known else {}),
        }
        print(json.dumps({**plain, "notes": list(answering.notes)}, ensure_ascii=False, indent=2))
        return 0
    _print_counts(found, kept)
    _print_contents(said)
    _print_people(answering, None if args.all else SHOWN_PEOPLE)
    if known:
        feedback_posterior.tell(known, items=args.items, pairs=args.pairs, every=args.all)
    return 0


def need_folder(out: str | None) -> None:
    """Raise InputError for a report that would stand in no folder, before anything is read."""
    if out and not Path(out).absolute().parent.is_dir():
        raise InputError(f"--out: {Path(out).parent} is no folder. Make it first.")


def counted_entries(entries: Iterable[Entry], bar: progress.Bar) -> Iterator[Entry]:
    """Yield the entries and count their records as read."""
    for entry in entries:
        yield entry
        bar.advance(len(entry.feedback))


def table(rows: Sequence[Sequence[str]], *, left: int = 1) -> Iterator[str]:
    """Yield rows as lines of aligned columns: the first `left` to the left, the others to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        cells = [
            cell.ljust(width) if column < left or column == len(row) - 1 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        yield "  " + "  ".join(cells).rstrip()


def _write(path: str, found: Overview, answering: People, said: Contents, kept: dict[str, int]) -> None:
    from burnish.evaluation.people_page import page
    from burnish.files import write_atomic

    write_atomic(path, page(found, answering, said, kept))
    progress.say(f"Report written to {path}.")


def _print_counts(found: Overview, kept: dict[str, int]) -> None:
    people = f"{found.people:,} named {'person' if found.people == 1 else 'people'}"
    print(f"{counted(found.records, 'record')} by {people} and {counted(found.anonymous, 'anonymous answer')}")
    print(", ".join(_counted_as(name, count) for name, count in kept.items()))
    for kind, count in found.by_kind.items():
        print(f"  {kind:<11} {count:>9,}   {_agreement_in_words(found.agreement.get(kind))}".rstrip())


def _print_contents(said: Contents) -> None:
    for kind, counts in said.answers.items():
        whole = sum(counts.values())
        shares = [f"{answer}: {count / whole:.0%}" for answer, count in list(counts.items())[:SHOWN_ANSWERS]]
        print(f"  {kind:<11} {', '.join(shares)}")
    if said.disputed is not None:
        print(
            f"people differ on {said.disputed.low:.0%} to {said.disputed.high:.0%} of the items that several answered"
        )
    if said.aspects:
        spoken = [f"{each.aspect} {each.comments} ({each.value:+.1f})" for each in said.aspects]
        print(f"comments speak of {', '.join(spoken)}")


def _counted_as(name: str, count: int) -> str:
    """Return `1 prompt`, `2 prompts`, `1 erased`."""
    return counted(count, name[:-1]) if name.endswith("s") else f"{count:,} {name}"


def _agreement_in_words(found: Any) -> str:
    if found is None:
        return ""
    once = f"; {found.dropped:,} more answered once" if found.dropped else ""
    basis = f"{counted(found.units, 'item')} with {counted(found.answers, 'answer')}{once}"
    if found.alpha is None:
        return f"agreement unknown: {found.reason} ({basis})"
    interval = f" [{found.low:.3f}, {found.high:.3f}]" if found.ci95 else f" ({found.reason})"
    return f"agreement alpha {found.alpha:.3f}{interval}, {found.metric}, {found.same:.0%} of pairs equal ({basis})"


def _print_people(answering: People, most: int | None) -> None:
    if not answering.people:
        return
    manners = sorted(answering.by_manner.items(), key=lambda item: -item[1])
    print(f"\nhow people answer: {', '.join(f'{number:,} {manner.value}' for manner, number in manners)}")
    shown = answering.people[:most]
    head = ("who", "answers", "slope", "side", "with others", "gold", "again", "in", "manner")
    for line in table([head, *(_row(person) for person in shown)]):
        print(line)
    if rest := len(answering.people) - len(shown):
        print(f"  ... and {rest:,} more; --all shows them, --json tells everything.")
    for person in shown:
        for remark in _remarks(person):
            print(f"  {_name(person)}: {remark}")
    for note in answering.notes:
        print(f"note: {note}")


def _row(person: Person) -> tuple[str, ...]:
    slope = person.slope or next(iter(person.sees.values()), None)
    seconds = "" if person.seconds is None else f"{person.seconds:.0f} s"
    shares = (_share(each) for each in (person.with_others, person.gold, person.same_again))
    return (
        _name(person), f"{person.answers:,}", _estimate(slope), _estimate(person.side), *shares, seconds,
        person.manner.value,
    )  # fmt: skip


def _name(person: Person) -> str:
    kind = person.author.kind
    return person.author.id if kind == "human" else f"{person.author.id} ({kind})"


def _estimate(found: Estimate | None) -> str:
    return "" if found is None else f"{found.mean:+.2f} ± {1.96 * found.spread:.2f}"


def _share(found: Share | None) -> str:
    return "" if found is None else f"{found.hits}/{found.of}"


def _remarks(person: Person) -> Iterator[str]:
    """What stands out beside the table."""
    from burnish.feedback.person import HURRIED

    for kind, found in person.right.items():
        what = "thumbs" if kind == "thumb" else "words marked or left alone"
        yield f"{what}: right with probability {found.mean:.2f} ± {1.96 * found.spread:.2f}"
    if person.run:
        yield f"{person.run} (chance {person.run_chance:.1g})"
    if person.drift is not None and person.drift < 0.001:
        yield f"answers otherwise than before (chance {person.drift:.1g})"
    if person.hurried and person.hurried > HURRIED:
        yield f"{person.hurried:.0%} of the timed answers faster than anybody reads"
    if person.copied is not None and person.copied.hits:
        yield f"{person.copied.hits} of {person.copied.of} texts repeat another person's or the completion"
