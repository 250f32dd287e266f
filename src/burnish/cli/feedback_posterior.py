"""What `burnish feedback stats --items --pairs --tables` tells: what is known of every text and every pair."""

from __future__ import annotations

import argparse
import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from burnish import progress
from burnish.errors import InputError
from burnish.progress import counted

if TYPE_CHECKING:
    from burnish.feedback.answers import SignalConfig
    from burnish.feedback.posterior import Item, Pair, Posterior
    from burnish.store import Entry

PEOPLE, TIES = ("plain", "annotators", "reliable"), ("half", "davidson", "rao_kupper")
SHOWN, QUOTED = 30, 60
_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # what a spreadsheet would take for a formula


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Give the parser the flags that ask for items and pairs."""
    parser.add_argument("--items", action="store_true", help="tell what is known of every text, with its interval")
    parser.add_argument(
        "--pairs", action="store_true", help="tell every pair's probability, and its weight in training"
    )
    parser.add_argument("--tables", metavar="FOLDER", help="write all items, pairs and people there, as JSONL and CSV")
    parser.add_argument(
        "--people",
        choices=PEOPLE,
        default="plain",
        help="items and pairs: all count alike, or as each proves to see or to be right",
    )
    parser.add_argument(
        "--ties", choices=TIES, default="half", help="items and pairs: a tie is half a vote each, or has a model"
    )


def is_asked(args: argparse.Namespace) -> bool:
    """Whether items or pairs are wanted. Raises InputError for flags that would say nothing."""
    asked = bool(args.items or args.pairs or args.tables)
    for flag, usual in (("people", "plain"), ("ties", "half")):
        if getattr(args, flag) != usual and not asked:
            raise InputError(f"--{flag}: says nothing here. Add --items, --pairs or --tables FOLDER.")
    if args.tables and Path(args.tables).exists() and not Path(args.tables).is_dir():
        raise InputError(f"--tables: {args.tables} is no folder. Name a folder, which is made where it is missing.")
    return asked


def config_of(args: argparse.Namespace) -> SignalConfig:
    """Return how answers are put together. Raises InputError for two models at once."""
    from burnish.feedback.answers import SignalConfig

    if args.ties != "half" and args.people != "plain":
        raise InputError(
            f"--ties {args.ties}: has all people count alike, and --people {args.people} does not. "
            "Leave one of them out."
        )
    return SignalConfig(people=args.people, ties=args.ties)


def found_in(entries: Sequence[Entry], config: SignalConfig) -> Posterior:
    """Return what is known of texts and pairs. Raises InputError where a model of ties has nothing to hold on to."""
    from burnish.feedback.posterior import posterior

    found = posterior(entries, config)
    if config.ties != "half" and not found.ties:
        raise InputError(
            f"--ties {config.ties}: no comparisons hold both ties and decided pairs, so nothing tells how ties fall "
            "with the gap. Use --ties half."
        )
    return found


def tell(found: Posterior, *, items: bool, pairs: bool, every: bool) -> None:
    """Print the tables."""
    from burnish.cli.feedback_stats import table

    for wanted, told, rows in ((items, "item", _item_tables(found.items)), (pairs, "pair", _pair_tables(found.pairs))):
        if not wanted:
            continue
        for title, head, lines in rows:
            print(f"\n{title}")
            for line in table([head, *(lines if every else lines[:SHOWN])], left=0):
                print(line)
            if not every and len(lines) > SHOWN:
                print(
                    f"  ... and {counted(len(lines) - SHOWN, f'more {told}')}; --all shows them, --tables writes them."
                )
    for aspect, interval in found.ties.items():
        of = f" of {aspect}" if aspect else ""
        print(f"ties{of}: parameter {interval.mean:.2f} [{interval.low:.2f}, {interval.high:.2f}]")
    for note in found.notes:
        print(f"note: {note}")


Table = tuple[str, Sequence[str], Sequence[Sequence[str]]]


def _item_tables(items: Sequence[Item]) -> Iterator[Table]:
    values = [item for item in items if not item.group]
    if values:
        head = ("mean", "95% interval", "answers", "kind", "text")
        yield "texts, best first, on a scale from -4 to 4", head, [_value(item) for item in values]
    strengths = [item for item in items if item.group]
    if strengths:
        prompts = list(dict.fromkeys(item.group.rpartition("/")[0] for item in strengths))
        rows = [(str(prompts.index(item.group.rpartition("/")[0]) + 1), *_strength(item)) for item in strengths]
        title = "texts that were compared, in logits among those of one prompt and group (a gap of 1 is 0.73)"
        yield title, ("prompt", "group", "strength", "95% interval", "answers", "kind", "text"), rows


def _value(item: Item) -> tuple[str, ...]:
    kind = f"{item.kind} ({item.aspect})" if item.aspect else item.kind
    mean, low, high = item.value.mean, item.value.low, item.value.high
    return f"{mean:+.2f}", f"[{low:+.2f}, {high:+.2f}]", f"{item.value.n:,}", kind, _quoted(item.completion.text)


def _strength(item: Item) -> tuple[str, ...]:
    return (item.group.rpartition("/")[2], *_value(item))


def _pair_tables(pairs: Sequence[Pair]) -> Iterator[Table]:
    if pairs:
        tie = any(pair.tie is not None for pair in pairs)
        head = ("preferred", "±", *(["tie"] if tie else []), "weight", "answers", "kind", "chosen | rejected")
        yield "pairs, the surest first", head, [_pair(pair, tie) for pair in pairs]


def _pair(pair: Pair, tie: bool) -> tuple[str, ...]:
    texts = " | ".join(_quoted(each.text, QUOTED // 2) for each in (pair.chosen, pair.rejected))
    even = ["" if pair.tie is None else f"{pair.tie:.2f}"] if tie else []
    kind = f"{pair.kind} ({pair.aspect})" if pair.aspect else pair.kind
    return (
        f"{pair.probability:.3f}", f"{1.96 * pair.spread:.3f}", *even, f"{pair.weight:.2f}", f"{pair.answers:,}", kind,
        texts,
    )  # fmt: skip


def _quoted(text: str, most: int = QUOTED) -> str:
    line = " ".join(text.split())
    return line if len(line) <= most else line[: most - 1].rstrip() + "…"


# ---------------------------------------------------------------------------------------------------------------- files


def write(folder: str, found: Posterior, people: Sequence[Mapping[str, Any]]) -> None:
    """Write items, pairs and people into a folder, each as JSON lines and as a table with a header."""
    from burnish.files import write_atomic
    from burnish.store import write_objects

    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    tables = {
        "items": [item.to_plain() for item in found.items],
        "pairs": [pair.to_plain() for pair in found.pairs],
        "people": [_flat(person) for person in people],
    }
    for name, rows in tables.items():
        write_objects(rows, target / f"{name}.jsonl")
        write_atomic(target / f"{name}.csv", _csv(rows))
    counts = ", ".join(counted(len(rows), name.removesuffix("s")) for name, rows in tables.items() if name != "people")
    progress.say(f"{counts} and {counted(len(people), 'author')} written to {folder}.")


def _flat(row: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """Nested values as columns of their own, by dotted names."""
    flat: dict[str, Any] = {}
    for name, value in row.items():
        flat.update(_flat(value, f"{before}{name}.") if isinstance(value, Mapping) else {f"{before}{name}": value})
    return flat


def _csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """A table; texts that a spreadsheet would run as formulas get a quote before them."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(columns)
    for row in rows:
        writer.writerow([_cell(row.get(name)) for name in columns])
    return out.getvalue()


def _cell(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
