"""`burnish feedback doctor`: what may be wrong with the labels, before anything is trained on them."""

from __future__ import annotations

import argparse
import json
from collections import Counter
from typing import TYPE_CHECKING

from burnish import progress
from burnish.cli.feedback_stats import counted_entries, need_folder, table
from burnish.errors import InputError
from burnish.progress import counted

if TYPE_CHECKING:
    from burnish.feedback.label_doctor import Examination

HELP = "what may be wrong with the labels: records, contradictions, duplicates, leaks, length"
DESCRIPTION = """\
Examines labels before anything is trained on them and changes none. Lists the records most likely
wrong, by what the other people say and by what the words of the texts say to models that never saw
the label; people who contradict themselves; texts that are nearly the same, and those that stand
in training and in test; and whether the longer text wins."""
EXAMPLES = """\
examples
  burnish feedback doctor
  burnish feedback doctor --n 100 --json > findings.json
  burnish feedback doctor --kind comparison --out findings.html

Look at the first of the list, not at the number: people may rightly differ."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Give the parser the flags of `burnish feedback doctor` (but for --db, --json and --quiet)."""
    parser.add_argument("--n", type=int, default=20, metavar="N", help="records shown of each finding (default 20)")
    parser.add_argument("--out", metavar="FILE", help="write the findings as one HTML file, pictures included")
    parser.add_argument("--kind", action="append", metavar="KIND", help="only this kind; may be given again")


def run(args: argparse.Namespace) -> int:
    """Print the findings."""
    from burnish.feedback.kinds import load
    from burnish.feedback.label_doctor import examine
    from burnish.store import open_store

    if args.n < 1:
        raise InputError(f"--n: {args.n} shows nothing. Give 1 or more.")
    need_folder(args.out)
    for kind in args.kind or ():
        load(kind)
    with open_store(args.db, create=False) as store, progress.bar(None, "reading", "records") as bar:
        entries = list(counted_entries(store.entries(kinds=args.kind), bar))
    found = examine(entries)
    if args.out:
        from burnish.evaluation.doctor_page import page
        from burnish.files import write_atomic

        write_atomic(args.out, page(found, args.n))
        progress.say(f"Findings written to {args.out}.")
    if args.json:
        print(json.dumps(found.to_plain(), ensure_ascii=False, indent=2))
    else:
        _print(found, args.n)
    return 0


def _print(found: Examination, most: int) -> None:
    _print_suspects(found, most)
    _print_contradictions(found, most)
    _print_twins(found, most)
    _print_length(found)


def _print_suspects(found: Examination, most: int) -> None:
    print(f"{counted(found.labels, 'label')} examined; about {found.expected_wrong:,.0f} of them wrong,", end=" ")
    print(f"{len(found.suspects):,} more likely so than not.")
    if not found.suspects:
        return
    head = ("record", "by", "wrong", "words", "others", "said")
    rows = [
        (
            each.feedback_id,
            each.author or "anonymous",
            f"{each.chance_wrong:.0%}",
            f"{each.margin:+.1f} ± {each.margin_spread:.1f}",
            "" if each.others is None else f"{each.others:.0%}",
            each.said[:60],
        )
        for each in found.suspects[:most]
    ]
    for line in table([head, *rows], left=2):
        print(line)


def _print_contradictions(found: Examination, most: int) -> None:
    kinds = Counter(each.what for each in found.contradictions)
    told = ", ".join(f"{number:,} {what}" for what, number in kinds.items())
    print(f"\n{counted(len(found.contradictions), 'contradiction')}{f': {told}' if told else '.'}")
    for each in found.contradictions[:most]:
        print(f"  {each.author}: {each.what} in {', '.join(each.feedback_ids)}")


def _print_twins(found: Examination, most: int) -> None:
    same = [each for each in found.twins if not each.leaks]
    for title, twins in (("on both sides of a split", found.leaks), ("elsewhere", same)):
        print(f"\n{counted(len(twins), 'pair')} of near-equal texts {title}{':' if twins else '.'}")
        for each in twins[:most]:
            where = f"{each.splits[0]} and {each.splits[1]}" if each.leaks else each.what
            print(f"  {each.similarity:.0%} {where}: {each.ids[0]} {each.ids[1]}  {each.text!r}")


def _print_length(found: Examination) -> None:
    print()
    if wins := found.length.longer_wins:
        print(f"The longer text won {wins.mean:.0%} [{wins.low:.0%}, {wins.high:.0%}] of {wins.n:,} comparisons.")
    if rank := found.length.rating_correlation:
        words = f"{rank.mean:+.2f} [{rank.low:+.2f}, {rank.high:+.2f}] over {rank.n:,} texts"
        print(f"Rank correlation of length and rating: {words}.")
