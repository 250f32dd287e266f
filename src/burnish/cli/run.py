"""`burnish run RECIPE`: the whole loop, from people's feedback to a better model and an honest report."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

DESCRIPTION = """\
Runs the whole loop: takes people's feedback, learns a reward from it, trains the model by
reinforcement learning against that reward, and measures on prompts it never trained on
whether the model now does what the feedback asks.

RECIPE is the name of a task (reviews, smoke) or a TOML file of your own."""

EPILOG = """\
how long     an estimate is told before it starts; --dry-run tells it, the plan and every setting
where        runs/RECIPE-SEED, or --out: report.html (open it in a browser), report.json,
             samples before and after, plots, checkpoints, the resolved config.toml
to stop      Ctrl-C, or an empty file named `stop` in the run folder: everything is saved
to go on     the same command with --resume; the result is that of a run never stopped

examples
  burnish run reviews --dry-run                   what it would do, and every setting
  burnish run reviews                             the main job, on real people's ratings
  burnish run reviews --seed 2 --out runs/second
  burnish run reviews --set rl.steps=20           one setting changed
  burnish run reviews --feedback mine.jsonl       your people's feedback instead
  burnish run reviews --feedback mine.jsonl --mix your people's feedback beside the recipe's
  burnish run reviews --resume                    go on after a stop, a crash or a power cut"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Give the parser the flags of `burnish run`."""
    parser.description, parser.epilog = DESCRIPTION, EPILOG
    parser.add_argument("recipe", metavar="RECIPE", help="a task name (reviews, smoke) or a TOML file")
    parser.add_argument(
        "--feedback",
        metavar="URL|FILE|SNAPSHOT",
        help="feedback to learn from in place of the recipe's: JSONL, a store, a snapshot",
    )
    parser.add_argument("--mix", action="store_true", help="add --feedback to the recipe's own instead of replacing it")
    parser.add_argument(
        "--model", metavar="M", help="the model to train: a name known to `burnish fetch`, a folder, a hub id"
    )
    parser.add_argument("--out", metavar="DIR", type=Path, help="the run folder (default: runs/RECIPE-SEED)")
    parser.add_argument(
        "--seed", metavar="N", type=int, help="every random choice follows from it (default: the recipe's)"
    )
    parser.add_argument("--resume", action="store_true", help="go on in a run folder that was stopped or killed")
    parser.add_argument(
        "--set",
        metavar="section.key=value",
        dest="sets",
        action="append",
        default=[],
        help="change one setting; may be repeated",
    )
    parser.add_argument(
        "--help-config", action=_HelpConfig, nargs=0, help="list every setting with its default, and leave"
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="print the plan, the settings and the time it will take; train nothing"
    )
    parser.add_argument(
        "--db", metavar="URL", help="store in which a SNAPSHOT given to --feedback lies (default: sqlite:///burnish.db)"
    )
    parser.add_argument(
        "--json", action="store_true", help="print report.json on standard output, progress as JSON lines"
    )
    parser.add_argument("--quiet", action="store_true", help="no progress and no messages; errors are still told")


def settings() -> type[Any]:
    """Return the dataclass of a recipe's settings: what `--set`, `--help-config` and docs/config.md speak of."""
    from burnish.loop.recipe import Recipe

    return Recipe


class _HelpConfig(argparse.Action):
    """Prints every setting and leaves, as `--help` does."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        from burnish import config

        print(config.table(settings()))
        parser.exit()


def _task_of(given: dict[str, Any], path: Path) -> str:
    """Return the task that a recipe file names. Raises InputError naming the file."""
    from burnish import tasks
    from burnish.errors import InputError, nearest

    name = given.get("task", "reviews")
    if not isinstance(name, str) or name not in tasks.names():
        hint = nearest(str(name), tasks.names())
        raise InputError(f"{path}: task = {json.dumps(name, default=str)}; expected the name of a task.{hint}")
    return name


def run(args: argparse.Namespace) -> int:
    """Run the loop; everything that takes time or torch is imported only here."""
    from burnish import config, tasks
    from burnish.loop.run import RunOptions, resolve
    from burnish.loop.run import run as run_loop

    path = Path(args.recipe)
    is_file = path.suffix == ".toml"
    given = config.parse_toml(path) if is_file else {}
    task = tasks.load(_task_of(given, path) if is_file else args.recipe)
    options = RunOptions(
        recipe=args.recipe,
        out=args.out,
        feedback=args.feedback,
        mix=args.mix,
        seed=args.seed,
        resume=args.resume,
        sets=tuple(args.sets),
        dry_run=args.dry_run,
        model=args.model,
        db=args.db,
        json=args.json,
        quiet=args.quiet,
    )
    result = run_loop(options, task, resolve(options, task, given))
    if args.json and not args.dry_run:
        print(json.dumps(result.report, ensure_ascii=False))
    return 0
