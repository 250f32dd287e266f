"""`burnish feedback judge`: a machine answers the same questions as people, as an author of kind ai."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from burnish import progress
from burnish.cli import feedback_asking
from burnish.cli.feedback_asking import is_endpoint, two
from burnish.cli.feedback_judge_told import Told, ToldPanel, plain, print_json, save_picture, tell
from burnish.errors import InputError
from burnish.progress import counted

if TYPE_CHECKING:
    from burnish.evaluation.judge_card import JudgeCard
    from burnish.judges.asking.remembered import Remembered
    from burnish.judges.asking.verdict import Verdict
    from burnish.loop.judging import Asked, Item, Judging
    from burnish.store import Entry

FORMS = ("comparison", "rating", "rubric", "constitution")
HELP = "have a model answer the same questions as people"
DESCRIPTION = """\
Asks a model about stored completions, or those of files, and stores its answers as feedback by
an author of kind ai. A judgement that fails is counted with its reason, and never a 0.
Comparisons are asked in both orders. Nothing is asked twice: answers are kept in --cache.
Several --judge are a panel: each one's answers are stored, and their agreement is told.
Personal data is masked in all that leaves this machine (--mask)."""
EXAMPLES = """\
M is a name of `burnish fetch`, a folder, or openai:URL#MODEL (any server that speaks OpenAI's
API; its key comes from OPENAI_API_KEY or BURNISH_KEY_<HOST>, and goes to that host only)

examples
  burnish feedback judge --judge smollm2-135m --form comparison --limit 200
  burnish feedback judge --judge openai:http://localhost:8000/v1#qwen3 --form rating --dry-run
  burnish feedback judge answers.jsonl --judge smollm2-135m --form rubric --rubric good.toml
  burnish feedback judge --judge smollm2-135m --form rating --compare-with-people
  burnish feedback judge --judge smollm2-135m --judge openai:http://localhost:8000/v1#qwen3 --form comparison"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Give the parser the flags of `burnish feedback judge` (but for --db, --json and --quiet)."""
    parser.add_argument("files", nargs="*", metavar="FILE", help="JSONL to judge instead of what --db holds")
    parser.add_argument(
        "--judge", required=True, action="append", metavar="M", help="the model that is asked; several are a panel"
    )
    parser.add_argument("--form", required=True, choices=FORMS, help="what it is asked")
    parser.add_argument("--criterion", default="", metavar="TEXT", help="what counts (comparison, rating)")
    parser.add_argument("--rubric", type=Path, metavar="FILE", help="TOML with [[criteria]] (rubric)")
    parser.add_argument("--constitution", type=Path, metavar="FILE", help="TOML with [[principles]]; we bring one")
    parser.add_argument("--scale", metavar="LOW,HIGH", help="of a rating, whole numbers (default 1,10)")
    parser.add_argument("--repeats", type=int, default=1, metavar="N", help="times each question is asked in words")
    parser.add_argument(
        "--adaptive", action="store_true", help="repeat a comparison until it is sure, --repeats times at most"
    )
    parser.add_argument(
        "--temperature", type=float, default=0.0, metavar="T", help="0 (default) is the likeliest answer"
    )
    parser.add_argument("--words", action="store_true", help="ask for words even where log-probs could be read")
    parser.add_argument("--limit", type=int, metavar="N", help="judge at most N items, chosen by hash")
    feedback_asking.add_arguments(parser)
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="another seed draws other answers")
    parser.add_argument("--dry-run", action="store_true", help="tell what would be asked, and ask nothing")
    parser.add_argument("--compare-with-people", action="store_true", help="report how far it agrees with people")
    parser.add_argument(
        "--picture",
        type=Path,
        metavar="FILE",
        help="SVG of what its probabilities are worth; with --compare-with-people",
    )


def run(args: argparse.Namespace) -> int:
    """Judge, store, report; returns the exit status."""
    from burnish.loop import judging

    _refuse_slips(args)
    asked = [_asked(args)] * len(args.judge)
    entries = _entries(args)
    items = judging.items_of(entries, args.form, limit=args.limit)
    if not items:
        raise InputError(f"judge: nothing to judge by {args.form}. A comparison needs two completions of one prompt.")
    if args.dry_run:
        return _tell_estimates(args, asked, items)
    return _judge(args, asked, items, entries)


ONLY_OF = {
    "--criterion": ("criterion", ("comparison", "rating")),
    "--scale": ("scale", ("rating",)),
    "--rubric": ("rubric", ("rubric",)),
    "--constitution": ("constitution", ("constitution",)),
    "--repeats": ("repeats", ("comparison", "rating", "constitution")),
}
"""Flags that only some forms heed: name in the arguments, forms."""


def _refuse_slips(args: argparse.Namespace) -> None:
    """Raise InputError for a flag that would be dropped or has no meaning: whoever gave it thinks it counts."""
    for flag, (name, forms) in ONLY_OF.items():
        if args.form not in forms and getattr(args, name) not in (None, "", 1):
            raise InputError(
                f"{flag}: says nothing to --form {args.form}. Leave it out, or ask by {' or '.join(forms)}."
            )
    feedback_asking.refuse_slips(args)
    for flag in ("repeats", "limit"):
        if (number := getattr(args, flag)) is not None and number < 1:
            raise InputError(f"--{flag}: {number} is not positive. Use at least 1.")
    if not 0 <= args.temperature < math.inf:
        raise InputError(f"--temperature: {args.temperature} is not 0 or above. Use 1 for draws as the model would.")
    if len(set(args.judge)) < len(args.judge):
        raise InputError("--judge: one model is named twice. A panel is of different models.")
    if args.repeats > 1 and args.temperature == 0:
        raise InputError("--repeats: at temperature 0 every answer is the same. Add --temperature 1.")
    if args.adaptive and (args.form != "comparison" or args.repeats < 2):
        raise InputError("--adaptive: repeats a comparison. Add --form comparison --repeats 6 --temperature 1.")
    if args.picture and not args.compare_with_people:
        raise InputError("--picture: shows a judge beside people. Add --compare-with-people.")
    if args.picture and not args.picture.absolute().parent.is_dir():
        raise InputError(f"--picture: {args.picture.parent} is no folder. Make it first.")


def _asked(args: argparse.Namespace) -> Asked:
    """Return what every judge is asked, nothing masked yet."""
    from burnish.loop.judging import Asked

    file = {"rubric": args.rubric, "constitution": args.constitution}.get(args.form)
    return Asked(
        args.form,
        criterion=args.criterion,
        scale=_whole_scale(args.scale or "1,10"),
        file=file,
        repeats=args.repeats,
        temperature=args.temperature,
        adaptive=args.adaptive,
        use_logprobs=not args.words,
    )


def _whole_scale(text: str) -> tuple[int, int]:
    low, high = two(text, "--scale", "1,10")
    if not (low.is_integer() and high.is_integer()):
        raise InputError(f"--scale: {text!r} are no whole numbers. Write 1,10.")
    return int(low), int(high)


def _entries(args: argparse.Namespace) -> list[Entry]:
    from burnish.loop.evidence import entries_of
    from burnish.store import open_store

    if args.files:
        for file in args.files:
            if not Path(file).is_file():
                raise InputError(f"judge: {file}: there is no such file.")
        return [entry for file in args.files for entry in entries_of(file)]
    with open_store(args.db, create=False) as store:
        return list(store.entries())


# ------------------------------------------------------------------------------------------------------------- estimate


def _tell_estimates(args: argparse.Namespace, asked: Sequence[Asked], items: Sequence[Item]) -> int:
    found = [_estimate(args, judge, one, items) for judge, one in zip(args.judge, asked, strict=True)]
    if args.json:
        print_json(found[0] if len(found) == 1 else {"judges": found})
        return 0
    for judge, each in zip(args.judge, found, strict=True):
        if len(found) > 1:
            print(f"{judge}:")
        print(f"{counted(each['items'], 'item')} by {args.form}: {counted(each['questions'], 'question')}")
        print(f"about {each['prompt_tokens']:,} tokens of prompts, at most {each['completion_tokens']:,} of answers")
        if each["money"] is not None:
            print(f"about {each['money']:.2f} at these prices")
    if outside := [each["most_tokens"] for judge, each in zip(args.judge, found, strict=True) if is_endpoint(judge)]:
        print(f"--budget {sum(outside)} is sure to suffice; nothing was asked")
    return 0


def _estimate(args: argparse.Namespace, judge: str, asked: Asked, items: Sequence[Item]) -> dict[str, Any]:
    from burnish.loop.judging import estimate
    from burnish.models.spending import Prices

    found = estimate(asked, items, tells_logprobs=not is_endpoint(judge))
    money = None
    if args.prices and is_endpoint(judge):
        money = Prices(*two(args.prices, "--prices", "0.5,2")).of(found.prompt_tokens, found.completion_tokens)
    return {**{name: getattr(found, name) for name in found.__slots__}, "money": money}


# ---------------------------------------------------------------------------------------------------------------- judge


def _judge(args: argparse.Namespace, asked: Sequence[Asked], items: Sequence[Item], entries: Sequence[Entry]) -> int:
    from burnish.store import open_store
    from burnish.store.judge_cache import JudgeCache

    purse = feedback_asking.purse_of(args, args.judge)
    judges: list[Judging] = []
    by_judge: list[list[Verdict]] = []
    told: list[Told] = []
    with JudgeCache(args.cache) as cache, open_store(args.db) as store:

        def keep(some: Sequence[Entry]) -> None:
            for _ in store.submit_many(some, on_duplicate="skip"):
                pass

        for name, one in zip(args.judge, asked, strict=True):
            mask = feedback_asking.mask_of(args, name, cache)
            sampler = feedback_asking.sampler_of(args, name, cache, purse, logprobs=not args.words)
            judge = replace(one, mask=mask).judge(sampler)
            _refuse_draws_of_logprobs(args, judge)
            judges.append(judge)
            by_judge.append(_work(judge, items, keep, args.seed))
            told.append(_told(args, judge.author, by_judge[-1], entries, sampler))
    panel = _panel(args, judges, by_judge, entries) if len(judges) > 1 else None
    spent = purse.spent if any(map(is_endpoint, args.judge)) else None
    if args.picture:
        save_picture(args.picture, [card for each in told for card in each.cards])
    if args.json:
        print_json(plain(told, panel, spent))
    else:
        tell(told, panel, spent)
    if not any(each.count.judged for each in told):
        raise InputError("judge: nothing was judged: every question failed, for the reasons told.")
    return 0


def _work(judge: Judging, items: Sequence[Item], keep: Callable[[Sequence[Entry]], None], seed: int) -> list[Verdict]:
    from burnish.loop.judging import judge_items

    return judge_items(judge, items, keep, seed=seed)


def _refuse_draws_of_logprobs(args: argparse.Namespace, judge: Judging) -> None:
    """Raise InputError where draws were asked for and none would be made: log-probs are the same every time."""
    if getattr(judge, "by_logprobs", False) and args.temperature > 0:
        flag = "--repeats" if args.repeats > 1 else "--temperature"
        raise InputError(
            f"{flag}: {judge.author.partition('/')[0]} is read by log-probs, so nothing is drawn. Add --words."
        )


def _told(
    args: argparse.Namespace,
    author: str,
    verdicts: Sequence[Verdict],
    entries: Sequence[Entry],
    sampler: Remembered | None,
) -> Told:
    from burnish.judges.asking.verdict import count
    from burnish.loop.judging import with_verdicts

    cards = _cards(with_verdicts(entries, verdicts), author) if args.compare_with_people else []
    return Told(author, count(verdicts), cards, sampler.tally if sampler else None)


def _panel(
    args: argparse.Namespace, judges: Sequence[Judging], by_judge: Sequence[Sequence[Verdict]], entries: Sequence[Entry]
) -> ToldPanel:
    """Return what the judges say together. It is told and not stored: their own answers are, and count once."""
    from burnish.evaluation.judge_panel import panel_card
    from burnish.judges.panel import Panel

    panel = Panel(tuple(judges))
    agreement = panel_card({judge.author: said for judge, said in zip(judges, by_judge, strict=True)})
    return ToldPanel(_told(args, panel.author, panel.together(by_judge), entries, None), agreement)


def _cards(entries: Sequence[Entry], author: str) -> list[JudgeCard]:
    from burnish.evaluation.judge_card import judge_cards

    try:
        return judge_cards(entries, author)
    except InputError as error:
        progress.say(str(error))
        return []
