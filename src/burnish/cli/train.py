"""`burnish train METHOD`: one method on one model, asked for exactly what it needs."""

from __future__ import annotations

import argparse
import inspect
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from burnish.cli import feedback_asking

DESCRIPTION = """\
Trains a model by one method. Every method learns from one or more of four signals (things to
imitate, preferences, scores, critiques), or draws completions itself and has them scored;
`burnish train --list` says which, and what else it needs."""

EPILOG = """\
where        --out (default: runs/METHOD-SEED): checkpoints, metrics.jsonl, report.json, config.toml
what is kept the checkpoint that did best on a tenth of the prompts, which is never learned from
to stop      Ctrl-C, or an empty file named `stop` in the folder: everything is saved
to go on     the same command with --resume

data         a JSONL file of feedback (ratings, thumbs, comparisons, rankings, comments, corrections),
             or of things to imitate ({"prompt": ..., "completion": ...}, {"messages": [...]},
             {"text": ...}), a .txt file, a store's URL, a snapshot's hash
a new model  --model new:gru (new:lstm, new:decoder, new:encoder_decoder) makes a small one of the text
             in --data, with a vocabulary learned from it: sizes with --set new.hidden=64,
             new.layers=1, new.vocabulary=400. All its weights are trained, here and in further
             training, which takes it by the run's folder or a checkpoint's. new:encoder reads and
             never speaks: a reward, for the methods of which --list says that an encoder will do
other models --judge, --refiner and --reward judged:rating@M take openai:URL#MODEL too. --budget and
             --max-cost hold for all of them together, over all sittings of a run; when they are spent
             the run stops with everything saved. Personal data is masked in all that leaves this
             machine (--mask), and stands again in what a refiner wrote

examples
  burnish train --list
  burnish train dpo --help-config
  burnish train sft --data shown.jsonl
  burnish train dpo --data pairs.jsonl --set beta=0.05 --set course.steps=200
  burnish train reward --data pairs.jsonl --out runs/judge
  burnish train grpo --prompts asked.txt --reward runs/judge/checkpoints/k_...
  burnish train pretrain --data corpus.txt --model new:gru --out runs/mine
  burnish train sft --data shown.jsonl --model runs/mine"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Give the parser the flags of `burnish train`."""
    parser.description, parser.epilog = DESCRIPTION, EPILOG
    parser.add_argument("method", metavar="METHOD", nargs="?", help="the method; --list shows them all")
    parser.add_argument("--list", action="store_true", help="list every method with what it learns from, and leave")
    parser.add_argument("--model", metavar="M", help="the model to train: a known name, a folder, a hub id, new:KIND")
    parser.add_argument("--data", metavar="FILE|URL|SNAPSHOT", help="what people said or showed")
    parser.add_argument("--task", metavar="T", help="draw completions for this task's prompts")
    parser.add_argument("--prompts", metavar="FILE", help="draw completions for these prompts")
    parser.add_argument(
        "--reward", metavar="R", help="what scores them: a reward's checkpoint, a name (chrf), a TOML file of several"
    )
    parser.add_argument("--judge", metavar="J", help="a model that says which of two completions is better")
    parser.add_argument("--refiner", metavar="M", help="a model that writes refinements (default: the model itself)")
    feedback_asking.add_cap_arguments(parser)
    feedback_asking.add_mask_arguments(parser)
    parser.add_argument("--out", metavar="DIR", type=Path, help="the run folder (default: runs/METHOD-SEED)")
    parser.add_argument("--seed", metavar="N", type=int, help="every random choice follows from it (default: 0)")
    parser.add_argument("--resume", action="store_true", help="go on in a folder that was stopped or killed")
    parser.add_argument(
        "--set",
        metavar="key=value",
        dest="sets",
        action="append",
        default=[],
        help="change a setting, the method's (beta=0.1) or the run's (course.steps=50); may be repeated",
    )
    parser.add_argument("--help-config", action="store_true", help="list every setting of the method, and leave")
    parser.add_argument("--db", metavar="URL", help="store a SNAPSHOT lies in (default: sqlite:///burnish.db)")
    parser.add_argument("--json", action="store_true", help="print report.json on standard output")
    parser.add_argument("--quiet", action="store_true", help="no progress and no messages; errors are still told")


def run(args: argparse.Namespace) -> int:
    """Train, or list; torch is imported only here."""
    from burnish import methods, tasks
    from burnish.errors import InputError

    if args.list:
        print(listing(as_json=args.json))
        return 0
    if args.method is None:
        raise InputError("burnish train: which METHOD? `burnish train --list` shows them all.")
    feedback_asking.refuse_slips(args)
    module = methods.load(args.method)
    if args.help_config:
        print(_settings(args.method, module, args.model or ""))
        return 0
    from burnish.loop.ready import chosen
    from burnish.loop.train import train
    from burnish.loop.train_options import TrainOptions, began_with
    from burnish.loop.train_settings import settings_of

    out = args.out or Path("runs") / f"{args.method}-{args.seed or 0}"
    given: dict[str, Any] = began_with(out) if args.resume else {}
    if args.model is not None:
        given["model"] = chosen(args.model)
    if args.seed is not None:
        given["seed"] = args.seed
    settings = settings_of(args.method, module, given, args.sets, f"burnish train {args.method}")
    options = TrainOptions(
        out=out,
        data=args.data,
        db=args.db,
        task=args.task,
        asked=[prompt for prompt in tasks.load(args.task).prompts() if prompt.split == "train"] if args.task else [],
        prompts=args.prompts,
        reward=args.reward,
        judge=args.judge,
        refiner=args.refiner,
        resume=args.resume,
        caps=feedback_asking.caps_of(args),
        mask=args.mask,
        key_file=args.key_file,
    )
    report = train(options, settings, module)
    if args.json:
        print(json.dumps(report, ensure_ascii=False))
    return 0


def listing(*, as_json: bool = False) -> str:
    """Return every method with what it learns from, in one line each."""
    rows = [_line(name) for name in _names()]
    if as_json:
        return json.dumps(rows, indent=1)
    widths = [max(len(row[key]) for row in rows) for key in ("name", "learns_from", "needs")]
    heads = ("METHOD", "LEARNS FROM", "NEEDS")
    widths = [max(width, len(head)) for width, head in zip(widths, heads, strict=True)]
    lines = [_columns(heads, widths) + "  WHAT IT IS"]
    lines += [_columns((row["name"], row["learns_from"], row["needs"]), widths) + f"  {row['what']}" for row in rows]
    return "\n".join(lines)


def _names() -> list[str]:
    from burnish import methods

    return methods.names()


def _columns(words: Any, widths: Any) -> str:
    return "  ".join(f"{word:<{width}}" for word, width in zip(words, widths, strict=True))


def _line(name: str) -> dict[str, str]:
    from burnish import methods

    module = methods.load(name)
    needs = module.needs(module.Config())
    eats = [f"{each.__name__.lower()}s" for each in needs.eats] + (["its own samples"] if needs.fresh else [])
    wants = [
        *(["prompts"] if needs.fresh else []),
        *(["a reward"] if needs.scored and not needs.partner else []),
        *([f"{needs.partner} beside it"] if needs.partner else []),
        *(["reference"] if "reference" in needs.views else []),
        *(f"{head} head" for head in needs.heads),
        *(["an encoder will do"] if methods.reads(needs) else []),
    ]
    first = inspect.cleandoc(module.__doc__ or "").splitlines()[0]
    what = first.partition(": ")[2] or first
    return {"name": name, "learns_from": ", ".join(eats), "needs": ", ".join(wants), "what": what.rstrip(".")}


def _settings(name: str, module: Any, model: str = "") -> str:
    from burnish import config, methods
    from burnish.loop import new_model
    from burnish.loop.train_settings import PARTNER, TrainSettings

    speaks = "a model that speaks"
    trained = f"{speaks}, or an encoder" if methods.reads(module.needs(module.Config())) else speaks
    tables = [f"{name} trains {trained}", f"[{name}] {name}'s own\n{config.table(module.Config)}"]
    if beside := module.needs(module.Config()).partner:
        tables.append(
            f"[{PARTNER}] of {beside}, which is trained in turn (--set {PARTNER}.NAME=VALUE)\n"
            f"{config.table(methods.load(beside).Config)}"
        )
    tables.append(f"of every method\n{config.table(TrainSettings)}")
    if others := new_model.defaults(model, name):
        tables.append(f"defaults on {model} that are others\n{_flat(others)}")
    return "\n\n".join(tables)


def _flat(settings: Mapping[str, Any], section: str = "") -> str:
    """Return settings as `section.key = value`, one a line."""
    lines = [
        _flat(value, f"{name}.") if isinstance(value, Mapping) else f"  {section}{name} = {value}"
        for name, value in settings.items()
    ]
    return "\n".join(lines)
