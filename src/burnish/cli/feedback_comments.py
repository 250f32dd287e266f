"""`burnish feedback comments`: how comments are read, how well, and who takes over: a learned scorer or a model."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from burnish import progress
from burnish.cli import feedback_asking
from burnish.errors import InputError
from burnish.progress import counted

if TYPE_CHECKING:
    from burnish.feedback.answers import Answer, SignalConfig
    from burnish.feedback.comment_readers import Measured, Reads
    from burnish.feedback.words.reading import Reading
    from burnish.records import Interval
    from burnish.store import Entry

HELP = "how comments are read and how well; let a learned scorer or a model take over"
DESCRIPTION = """\
Reads all comments by rule and says how near that comes to the grades that the same people gave
beside them; then how much nearer others come, on comments they did not learn from: the rules
weighed by people's grades (what training uses), a scorer learned from the graded comments, and a
model that is asked (--judge). --out writes the readings of one of them, which then stand in for
the rules' in training (--set signals.readings=FILE) and in `burnish feedback next --comments`."""
EXAMPLES = """\
examples
  burnish feedback comments                                        what the rules are worth here
  burnish feedback comments --by learned --out readings.jsonl      a scorer takes over
  burnish feedback comments --judge openai:http://localhost:8000/v1#qwen3 --by judge --out readings.jsonl
  burnish train dpo ... --set signals.readings=readings.jsonl"""
BY = ("rules", "weighed", "learned", "judge")
USUAL_BY = "weighed"
FORMS = ("full", "number")
USUAL_FORM: Final = "full"
TO_A_MODEL: dict[str, object] = {
    "form": None,
    "limit": None,
    "seed": 0,
    "budget": None,
    "max_cost": None,
    "prices": None,
    "cache": feedback_asking.DEFAULT_CACHE,
    "replay": False,
    "mask": "outside",
    "key_file": feedback_asking.DEFAULT_KEY,
}
"""Flags that only a model heeds, with what each holds where nobody gave it."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Give the parser the flags of `burnish feedback comments` (but for --db, --json and --quiet)."""
    parser.add_argument("--by", choices=BY, help=f"whose readings --out writes (default {USUAL_BY})")
    parser.add_argument("--out", metavar="FILE", help="write the readings of all comments, as JSON lines")
    parser.add_argument(
        "--save", type=Path, metavar="FOLDER", help="keep the scorer that was learned, for other comments"
    )
    parser.add_argument("--scorer", type=Path, metavar="FOLDER", help="use a kept scorer, and learn none")
    parser.add_argument("--judge", metavar="M", help="a model that reads comments too")
    parser.add_argument(
        "--form", choices=FORMS, help=f"what it is asked: all ({USUAL_FORM}, default), or one number (small models)"
    )
    parser.add_argument("--limit", type=int, metavar="N", help="measure the model on at most N comments held out")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the model's draws")
    feedback_asking.add_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Measure, write, tell; returns the exit status."""
    from burnish.feedback.answers import SignalConfig
    from burnish.feedback.comment_readers import comments_in

    _refuse_slips(args)
    entries = _entries(args.db)
    config = SignalConfig()
    comments = comments_in(entries, config)
    if not comments:
        raise InputError("comments: nobody has said anything in words here. `burnish feedback import` brings comments.")
    with _Readers(args, config, comments) as readers:
        measured = readers.measured()
        written = _write(args, readers) if args.out else None
    if args.save:
        readers.save(args.save)
    _tell(args, readers, measured, written)
    return 0


def _refuse_slips(args: argparse.Namespace) -> None:
    feedback_asking.refuse_slips(args)
    if args.limit is not None and args.limit < 1:
        raise InputError(f"--limit: {args.limit} is not positive. Use at least 1.")
    if args.by == "judge" and not args.judge:
        raise InputError("--by judge: no model was named. Add --judge M.")
    if args.by and not args.out:
        raise InputError(f"--by {args.by}: says whose readings are written, and none are. Add --out FILE.")
    for flag, usual in TO_A_MODEL.items():
        if getattr(args, flag) != usual and not args.judge:
            raise InputError(f"--{flag.replace('_', '-')}: says nothing where no model is asked. Add --judge M.")
    if args.scorer and args.save:
        raise InputError("--save: with --scorer nothing is learned that could be kept. Leave one of them out.")
    if args.scorer and not (args.scorer / "scorer.json").is_file():
        raise InputError(
            f"--scorer: {args.scorer} holds no scorer. `burnish feedback comments --save FOLDER` makes one."
        )
    if args.save and args.save.exists():
        raise InputError(f"--save: {args.save} is there already. Name a folder that is not.")


def _entries(db: str) -> list[Entry]:
    from burnish.store import open_store

    with open_store(db, create=False) as store:
        return list(store.entries())


class _Readers:
    """All who can read these comments; a model's answers are remembered in the cache while it is open."""

    def __init__(self, args: argparse.Namespace, config: SignalConfig, comments: Sequence[Answer]) -> None:
        from burnish.feedback.comment_readers import split
        from burnish.store.judge_cache import JudgeCache

        self.args, self.config, self.comments = args, config, comments
        self.by = args.by or USUAL_BY
        self.learnt, self.held = split(comments)
        self.notes: list[str] = []
        self._cache = JudgeCache(args.cache) if args.judge else None
        self._judge: Reads | None = None

    def __enter__(self) -> _Readers:
        return self

    def __exit__(self, *_: object) -> None:
        if self._cache:
            self._cache.close()

    def measured(self) -> list[Measured]:
        """Return what each is worth on the comments held out; those that cannot be told are noted."""
        from burnish.feedback.comment_readers import LEAST_MEASURED, measure

        if len(self.held) < LEAST_MEASURED:
            graded = len(self.learnt) + len(self.held)
            self.notes.append(
                f"{counted(graded, 'comment')} beside a grade of the same person: too few to measure on. "
                "Have people grade what they comment on."
            )
            return []
        found = []
        for name in ("rules", "weighed", "learned", *(["judge"] if self.args.judge else [])):
            held = self.held[: self.args.limit] if name == "judge" and self.args.limit else self.held
            try:
                reads = self.reader(name, self.learnt)
                told = 0 if name in ("rules", "judge") or (name == "learned" and self.args.scorer) else len(self.learnt)
                found.append(measure(name, reads(held), held, self.config, learned_from=told))
            except InputError as error:
                self.notes.append(f"{name}: not measured. {error}")
        return found

    def reader(self, name: str, graded: Sequence[Answer]) -> Reads:
        """Return one of them, fitted to graded comments where it is fitted. Raises InputError for too few of them."""
        from burnish.feedback import comment_readers as readers

        if name == "rules":
            return readers.by_rules(self.config)
        if name == "weighed":
            return readers.by_weights(graded, self.config)
        if name == "judge":
            self._judge = self._judge or self._asked()
            return self._judge
        if self.args.scorer:
            from burnish.feedback.words.learned import LearnedScorer

            return readers.by_scorer(LearnedScorer.load(self.args.scorer), self.config)
        return readers.by_learning(graded, self.config)

    def readings(self) -> list[Reading | None]:
        """Return the readings of all comments by whom --by names, fitted to all graded comments."""
        from burnish.feedback.comment_readers import stated

        found = self.reader(self.by, [*self.learnt, *self.held])(self.comments)
        if self.by == "judge" and not any(found):
            raise InputError(
                f"--by judge: {self.args.judge} read none of {counted(len(found), 'comment')}, so nothing is written. "
                "Check that it answers, and try --form number."
            )
        return stated(found, self.comments) if self.by == "judge" else found

    def save(self, folder: Path) -> None:
        """Keep the scorer learned from all graded comments."""
        from burnish.feedback.comment_readers import scorer_of

        scorer_of([*self.learnt, *self.held]).save(folder)
        progress.say(f"Scorer written to {folder}.")

    def _asked(self) -> Reads:
        """Return a reader that asks the model."""
        from burnish.feedback.words import asked

        args, cache = self.args, self._cache
        assert cache is not None
        purse = feedback_asking.purse_of(args, [args.judge])
        sampler = feedback_asking.sampler_of(args, args.judge, cache, purse, logprobs=False)
        mask = feedback_asking.mask_of(args, args.judge, cache)

        def read(given: Sequence[Answer]) -> list[Reading | None]:
            texts = [answer.completions[0].text for answer in given]
            said = [str(answer.feedback.value["comment"]) for answer in given]
            return asked.ask(sampler, said, texts, form=args.form or USUAL_FORM, mask=mask, seed=args.seed)

        return read


def _write(args: argparse.Namespace, readers: _Readers) -> int:
    from burnish.feedback.comment_readers import rows_of
    from burnish.store import write_objects

    return write_objects(rows_of(readers.comments, readers.readings(), readers.by), args.out)


# -------------------------------------------------------------------------------------------------------------- telling


def _tell(args: argparse.Namespace, readers: _Readers, measured: Sequence[Measured], written: int | None) -> None:
    graded = len(readers.learnt) + len(readers.held)
    if args.json:
        counts = {
            "comments": len(readers.comments),
            "graded": graded,
            "held_out": len(readers.held),
            "written": written,
        }
        print(json.dumps({**counts, "readers": [_plain(each) for each in measured], "notes": readers.notes}, indent=2))
        return
    print(f"{counted(len(readers.comments), 'comment')}, {graded:,} beside a grade of the same person")
    if measured:
        from burnish.cli.feedback_stats import table

        print(f"measured on {len(readers.held):,} of them, of prompts that nothing was learned from:")
        head = ("reader", "learned from", "rank correlation", "error", "less than the rules'", "failed")
        for line in table([head, *map(_row, measured)]):
            print(line)
    for note in readers.notes:
        print(f"note: {note}")
    if written is not None:
        progress.say(f"{counted(written, 'reading')} by {readers.by} written to {args.out}.")


def _row(each: Measured) -> tuple[str, ...]:
    found = each.compared
    gain = "" if each.name == "rules" else f"{found.gain.mean:+.2f} [{found.gain.low:+.2f}, {found.gain.high:+.2f}]"
    failed = f"{found.failures} of {found.asked}" if each.name == "judge" else ""
    from_ = f"{each.learned_from:,}" if each.learned_from else ""
    return each.name, from_, _interval(each.rank), f"{found.model:.2f}", gain, failed


def _interval(found: Interval | None) -> str:
    return "" if found is None else f"{found.mean:.2f} [{found.low:.2f}, {found.high:.2f}]"


def _plain(each: Measured) -> dict[str, Any]:
    found = each.compared
    return {
        "reader": each.name,
        "learned_from": each.learned_from,
        "rank_correlation": each.rank and {"mean": each.rank.mean, "ci95": [each.rank.low, each.rank.high]},
        "error": found.model,
        "error_of_rules": found.rules,
        "gain": {"mean": found.gain.mean, "ci95": [found.gain.low, found.gain.high]},
        "failed": found.failures,
        "asked": found.asked,
    }
