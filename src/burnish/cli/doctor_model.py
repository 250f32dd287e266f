"""`burnish doctor --model M [--data D]`: is this model, with this data, fit to be trained?"""

from __future__ import annotations

import argparse
import dataclasses
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from burnish.conformance.finding import Finding

SHOWN = 1_200
"""Characters of the preview, from either side."""
MARKS = {"ok": "ok", "note": "note", "fault": "FAULT"}


def run(args: argparse.Namespace) -> int:
    """Load, check, print; torch is imported only here."""
    from burnish import progress
    from burnish.conformance.data import rows_of
    from burnish.conformance.visit import preview, visit
    from burnish.loop import ready
    from burnish.loop.material import signals_of
    from burnish.models.policy import Policy

    signals = signals_of(args.data, args.db) if args.data else []
    progress.say(f"loading {args.model} ...")
    with tempfile.TemporaryDirectory(prefix="burnish-doctor-") as name:  # where an adapter is merged with its base
        policy = Policy.load(ready.model_folder(ready.chosen(args.model), Path(name) / "model"), name=args.model)
        asked, said = preview(policy, rows_of(signals))
        found = list(visit(policy, signals))
    faults = [each for each in found if each.result == "fault"]
    if args.json:
        plain = {"fit": not faults, "findings": [dataclasses.asdict(each) for each in found]}
        print(json.dumps({**plain, "preview": {"shown": asked, "learned": said}}, ensure_ascii=False))
    else:
        show(found, asked, said)
    return 2 if faults else 0


def show(found: Sequence[Finding], asked: str, said: str) -> None:
    """Print the first text as the model sees it, then the findings; what is wrong last, with what to do."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False, markup=False, emoji=False)
    console.print("the first text as the model sees it; loss is on what stands between >>> and <<<, on nothing else")
    console.print(f"{_ends(asked)}>>>{_ends(said)}<<<\n")
    table = Table("check", "result", "what was found", box=box.SIMPLE_HEAD, pad_edge=False)
    for each in found:
        table.add_row(each.check, MARKS[each.result], each.said)
    console.print(table)
    wrong = [each for each in found if each.result != "ok"]
    for each in sorted(wrong, key=lambda each: each.result):
        mark = "!!" if each.result == "fault" else "note:"
        console.print(f"{mark} {each.check}: {each.said}.{f' Remedy: {each.remedy}.' if each.remedy else ''}")
    faults = sum(each.result == "fault" for each in found)
    if faults:
        console.print(f"{faults} of {len(found)} checks found a fault: training would go wrong.")
    else:
        console.print(f"{len(found)} checks, no fault: this model can be trained on this data.")


def _ends(text: str) -> str:
    """Return a text, or its beginning and its end where it is long."""
    return text if len(text) <= SHOWN else f"{text[: SHOWN // 2]} [...] {text[-SHOWN // 2 :]}"
