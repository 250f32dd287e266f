"""`burnish bench NAME`: burnish and its peers side by side in one run, and the page of what came of it."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

DESCRIPTION = """\
Measures burnish, and with --peer another library beside it: the same model, prompts and
shapes, step by step in turn, each side in a process of its own that is idle while the
other is timed. The first step of each side warms up and is not counted.

NAME is one of
  generate   sampling, batches of 1, 16 and 64 rows, 64 tokens each     (transformers)
  mixed      sampling 256 completions of 8 to 128 tokens, 32 prompts    (transformers)
  grpo       GRPO step, 4 prompts x 8 completions of at most 32 tokens  (trl)
  dpo        DPO step, 8 pairs                                          (trl)
  sft        SFT step, 8 examples                                       (trl)
  reward     reward-model step, 8 pairs                                 (trl)
  growth     GRPO step against completions, length, group size, depth
  all        all of these, each against its peer, into --results; with --docs the page too
             (an hour or more; growth with at most 2 repetitions)
  report     measures nothing: writes the page into --docs from what lies in --results"""

EPILOG = """\
The JSON has "ratio" (the peer's median time over ours; for generate and mixed, of the time
of a token), "ours" and "peer" (each with median, min, max, seconds, tokens_per_second,
peak_memory_gib), "peers" (every variant that was tried; the fastest is "peer"),
"memory_ratio", "peak_share" (of the measured rate of a 2048^3 product; null where nothing
trains), "machine". generate has "shapes" too, one for each batch; its "ratio", "ours" and
"peer" are those of the largest batch. Batch 1 has "also": burnish with weights of 8 bits
beside the same peers, which is faster and draws from slightly other probabilities.

The peers live in an environment of their own: `make peers`.

examples
  burnish bench grpo --peer trl --json grpo.json
  burnish bench generate --peer transformers --repeats 3
  burnish bench mixed --peer transformers --peer-dtype bfloat16 --repeats 3
  burnish bench sft                                     ours alone
  burnish bench all --docs docs                         everything, then the page
  burnish bench report --docs docs"""

SPECIAL = ("all", "report")
GROWTH_REPEATS = 2
"""At most, within `all`: it has twenty points, the longest of minutes a step."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Give the parser the flags of `burnish bench`."""
    parser.description, parser.epilog = DESCRIPTION, EPILOG
    parser.add_argument("name", metavar="NAME", help="what is measured: one of the names above")
    parser.add_argument("--peer", choices=("trl", "transformers"), help="measure this library too, in turn with ours")
    parser.add_argument(
        "--peer-dtype",
        choices=("both", "bfloat16", "float32"),
        default="both",
        help="number format of the peer; of both, the faster counts (default: both; mixed: ours)",
    )
    parser.add_argument(
        "--json", dest="file", metavar="FILE", type=Path, help="write the result here as JSON; - prints it"
    )
    parser.add_argument("--repeats", metavar="N", type=int, default=5, help="steps that are timed (default: 5)")
    parser.add_argument(
        "--model", metavar="M", default="smollm2-135m", help="a name known to `burnish fetch`, a folder, a hub id"
    )
    parser.add_argument(
        "--dtype", choices=("bfloat16", "float32"), default="bfloat16", help="our number format (default: bfloat16)"
    )
    parser.add_argument(
        "--peers", metavar="DIR", type=Path, default=Path(".peers"), help="the peers' environment (default: .peers)"
    )
    parser.add_argument(
        "--results",
        metavar="DIR",
        type=Path,
        default=Path("benchmarks/results"),
        help="where `all` writes and `report` reads NAME.json (default: benchmarks/results)",
    )
    parser.add_argument(
        "--docs", metavar="DIR", type=Path, help="with all and report: where the page and its pictures go"
    )
    parser.add_argument("--quiet", action="store_true", help="no progress; results and errors are still told")


def run(args: argparse.Namespace) -> int:
    """Measure, tell, write."""
    from burnish.bench import page, plan
    from burnish.bench.run import DTYPES, Options, check, measure
    from burnish.errors import InputError, nearest

    if args.name not in (*plan.BENCHES, *SPECIAL):
        raise InputError(f"bench: {args.name!r} is not known.{nearest(args.name, (*plan.BENCHES, *SPECIAL))}")
    if args.docs and args.name not in SPECIAL:
        raise InputError(f"--docs: the page is of all results together: `burnish bench report --docs {args.docs}`.")
    if args.name == "report" and not args.docs:
        raise InputError("bench report: say where the page goes: --docs DIR.")
    if args.name in SPECIAL and (args.file or args.peer):
        raise InputError(f"bench {args.name}: takes each bench's own peer, and files in --results DIR.")

    def options(peer: str, repeats: int = args.repeats) -> Options:
        dtypes = DTYPES if args.peer_dtype == "both" else (args.peer_dtype,)
        return Options(peer, dtypes, repeats, args.model, args.dtype, args.peers)

    if args.name not in SPECIAL:
        found = measure(args.name, options(args.peer or ""))
        _keep(found, args.file)
        return 0
    if args.name == "all":
        for bench in plan.BENCHES.values():
            check(bench.name, options(bench.peer))
        for bench in plan.BENCHES.values():
            repeats = min(args.repeats, GROWTH_REPEATS) if bench.name == "growth" else args.repeats
            _keep(measure(bench.name, options(bench.peer, repeats)), args.results / f"{bench.name}.json")
    if args.docs:
        for path in page.write(page.read(args.results), args.docs):
            print(path)
    return 0


def _keep(found: Mapping[str, Any], file: Path | None) -> None:
    """Print the table of one result, or its JSON when that is what was asked for; write the file."""
    from burnish import files
    from burnish.bench import page

    text = json.dumps(found, indent=1, ensure_ascii=False)
    if file is not None and str(file) == "-":
        print(text)
        return
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
        files.write_atomic(file, text + "\n")
    told = page.growth_table(found) if found["name"] == "growth" else page.table({found["name"]: found})
    print(told, flush=True)
