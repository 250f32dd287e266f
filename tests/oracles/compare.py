"""Asks other libraries for the numbers of our losses, prints both side by side, keeps theirs for the tests.

    make oracles                                      the environments, then this
    python tests/oracles/compare.py [--write]         exit 1 when a number differs; --write keeps theirs

Each library answers in a Python of its own (theirs/ask_*.py), on tensors that are written for it (window.py).
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(HERE.parent))

from oracles import by_method, ours, window  # noqa: E402 -- its folder is on the path only now
from oracles.theirs.protocol import DTYPES, Window  # noqa: E402 -- the same

KEPT = HERE / "theirs.json"
PAGE = ROOT / "docs" / "oracles.md"
ORACLES = {
    "trl": ("ask_trl.py", ""),
    "trl 1.12": ("ask_trl_1_12.py", "trl-1.12.0"),
    "trl 1.13": ("ask_trl_1_13.py", "trl-1.13.0"),
    "openrlhf": ("ask_openrlhf.py", "openrlhf-0.11.2"),
    "verl": ("ask_verl.py", "verl-0.9.1"),
    "torchrl": ("ask_torchrl.py", "torchrl-0.14.1"),
    "choix": ("ask_choix.py", "choix-0.4.1"),
    "allrank": ("ask_allrank.py", "allrank-1.4.3"),
}
"""Each oracle's script, and the folder of `.oracles/` that goes before the peers' own packages."""

NEAR = {"float64": 1e-9, "float32": 1e-5}
"""How near our number has to be, relative to max(1, |theirs|)."""


@dataclass(frozen=True)
class Line:
    """One case, one oracle, one precision."""

    case: str
    oracle: str
    dtype: str
    ours: tuple[float, ...]
    theirs: tuple[float, ...]

    @property
    def difference(self) -> float:
        """The largest, relative to max(1, |theirs|)."""
        return max(abs(a - b) / max(1.0, abs(b)) for a, b in zip(self.ours, self.theirs, strict=True))

    @property
    def near(self) -> float:
        loose = ours.LOOSE.get((self.case, self.oracle), (0.0, ""))[0]
        return max(NEAR[self.dtype], loose)

    @property
    def is_equal(self) -> bool:
        return self.difference <= self.near


def our_numbers(dtype: str) -> dict[str, tuple[float, ...]]:
    """Return what our methods say of every case."""
    arrays = window.make()
    return {
        case: tuple(float(x) for x in answer(Window(arrays, DTYPES[dtype]))) for case, answer in ours.ANSWERS.items()
    }


def lines(theirs: Mapping[str, Any]) -> Iterator[Line]:
    """Yield a line for every number that an oracle gave."""
    for dtype in DTYPES:
        mine = our_numbers(dtype)
        for oracle, told in theirs.items():
            for case, numbers in told[dtype].items():
                if case in mine:
                    yield Line(case, oracle, dtype, mine[case], tuple(numbers))


def others(theirs: Mapping[str, Any]) -> Iterator[tuple[Line, str]]:
    """Yield what must not be equal: an oracle's number beside ours of another definition, and what differs."""
    mine = our_numbers("float64")
    for (oracle, case), (here, why) in ours.OTHER.items():
        yield Line(here, oracle, "float64", mine[here], tuple(theirs[oracle]["float64"][case])), why


def ask(peers: Path, folder: Path) -> dict[str, Any]:
    """Return what every oracle says, each asked in a process of its own."""
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as scratch:
        tensors, answers = Path(scratch) / "window.npz", Path(scratch) / "answers.json"
        np.savez(tensors, **window.make())
        for oracle, (script, packages) in ORACLES.items():
            subprocess.run(
                [str(peers / "bin" / "python"), str(HERE / "theirs" / script), str(tensors), str(answers)],
                check=True,
                env=_surroundings(folder / packages if packages else None),
            )
            found[oracle] = json.loads(answers.read_text("utf-8"))
    return found


def whole_path(peers: Path) -> tuple[str, list[Any]]:
    """Return what becomes of texts in TRL's trainers and here, as a table, and what of it is not as it should be."""
    from oracles import whole  # loads a model library: not for the tests that compare with what is kept

    with tempfile.TemporaryDirectory() as scratch:
        found = whole.losses(peers, Path(scratch), _surroundings(None))
    return whole.table(found), [each for each in found if not each.is_as_it_should_be]


def _surroundings(packages: Path | None) -> dict[str, str]:
    """Return an environment without our own packages and without the network."""
    kept = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")}
    path = {"PYTHONPATH": str(packages)} if packages else {}
    return {**kept, **path, "HF_HUB_OFFLINE": "1", "TRL_EXPERIMENTAL_SILENCE": "1", "CUDA_VISIBLE_DEVICES": ""}


def table(found: list[Line], different: list[tuple[Line, str]]) -> str:
    """Return both tables in Markdown. A number is the loss, or a tensor's sum; its gradient is compared with it."""
    rows = ["| case | oracle | precision | ours | theirs | difference | |", "|---|---|---|---|---|---|---|"]
    for line in sorted(found, key=lambda each: (list(ours.ANSWERS).index(each.case), each.oracle, each.dtype)):
        exact = "" if line.dtype == "float32" else ours.LOOSE.get((line.case, line.oracle), (0.0, ""))[1]
        remarks = ["" if line.is_equal else "**differs**", ours.WHY.get(line.case, ""), exact]
        rows.append(f"{_row(line)} {'; '.join(filter(None, remarks))} |")
    rows += ["", "One name, two losses (these must differ):", "", *rows[:2]]
    return "\n".join([*rows, *(f"{_row(line)} {why} |" for line, why in different)])


def _row(line: Line) -> str:
    return (
        f"| {line.case} | {line.oracle} | {line.dtype} | {line.ours[0]:.9f} | {line.theirs[0]:.9f} "
        f"| {line.difference:.0e} |"
    )


def page(theirs: Mapping[str, Any], tables: str) -> str:
    """Return docs/oracles.md."""
    versions = ", ".join(f"{oracle.split()[0]} {told['version']}" for oracle, told in theirs.items())
    return f"""# Our losses beside others'

<!-- Written by tests/oracles/compare.py: `make oracles ARGS=--write`. -->

Every loss is asked of other libraries on the same tensors (four pairs, or two groups of four completions of one to six
tokens), each library in a Python of its own:
{versions}.
A difference is the largest of the loss and of its gradient along a fixed direction, relative to max(1, |theirs|). What
they said is kept in [theirs.json](../tests/oracles/theirs.json), and the ordinary tests compare with that.

PPO is asked as a whole: TRL's `PPOTrainer.train()` makes one update of models that say what was recorded, and what its
step changes in logits and values is our gradient (likewise verl's functions one after the other, torchrl's A2C with its
own GAE, and torchrl's terms of ILQL). Last, the path from texts: a small model's folder and the same texts through
TRL's trainers and ours (template, tokens, masks, end token, shift, loss).

```bash
make oracles
```

{tables}

By method:

{by_method.told()}
"""


def main(argv: list[str] | None = None) -> int:
    """Ask, print, perhaps keep; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", type=Path, default=ROOT / ".peers", help="the peers' environment (make peers)")
    parser.add_argument("--oracles", type=Path, default=ROOT / ".oracles", help="further versions (make oracles)")
    parser.add_argument("--write", action="store_true", help="keep what they said in theirs.json")
    args = parser.parse_args(argv)
    torch.set_num_threads(1)
    theirs = ask(args.peers, args.oracles)
    found, different = list(lines(theirs)), list(others(theirs))
    path, broken = whole_path(args.peers)
    tables = f"{table(found, different)}\n\nThe whole path, from texts:\n\n{path}"
    wrong: list[object] = [line for line in found if not line.is_equal]
    wrong += [line for line, _ in different if line.is_equal]
    wrong += broken
    counted = (
        f"{len(found)} comparisons of {len({line.case for line in found})} cases, {len(wrong)} not as they should be"
    )
    print(f"{tables}\n\n{counted}")
    if args.write:
        KEPT.write_text(json.dumps(theirs, indent=1) + "\n", encoding="utf-8")
        PAGE.write_text(page(theirs, f"{tables}\n\n{counted}."), encoding="utf-8")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
