"""`burnish feedback judge`: a machine answers the same questions as people, as an author of kind ai."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from burnish import progress
from burnish.errors import InputError
from burnish.progress import counted

if TYPE_CHECKING:
    from burnish.evaluation.judge_card import JudgeCard
    from burnish.judges.asking.asker import Mask
    from burnish.judges.asking.remembered import Remembered
    from burnish.judges.asking.verdict import Count
    from burnish.loop.judging import Asked, Item
    from burnish.models.endpoint import Endpoint
    from burnish.records import Interval
    from burnish.store import Entry

FORMS = ("comparison", "rating", "rubric", "constitution")
DEFAULT_CACHE = "burnish-judges.db"
DEFAULT_KEY = "burnish-mask.key"
HELP = "have a model answer the same questions as people"
DESCRIPTION = """\
Asks a model about stored completions, or those of files, and stores its answers as feedback by
an author of kind ai. A judgement that fails is counted with its reason, and never a 0.
Comparisons are asked in both orders. Nothing is asked twice: answers are kept in --cache.
Personal data is masked in all that leaves the local network (--mask)."""
EXAMPLES = """\
M is a name of `burnish fetch`, a folder, or openai:URL#MODEL (any server that speaks OpenAI's
API; its key comes from OPENAI_API_KEY or BURNISH_KEY_<HOST>, and goes to that host only)

examples
  burnish feedback judge --judge smollm2-135m --form comparison --limit 200
  burnish feedback judge --judge openai:http://localhost:8000/v1#qwen3 --form rating --dry-run
  burnish feedback judge answers.jsonl --judge smollm2-135m --form rubric --rubric good.toml
  burnish feedback judge --judge smollm2-135m --form rating --compare-with-people"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Give the parser the flags of `burnish feedback judge` (but for --db, --json and --quiet)."""
    parser.add_argument("files", nargs="*", metavar="FILE", help="JSONL to judge instead of what --db holds")
    parser.add_argument("--judge", required=True, metavar="M", help="the model that is asked")
    parser.add_argument("--form", required=True, choices=FORMS, help="what it is asked")
    parser.add_argument("--criterion", default="", metavar="TEXT", help="what counts (comparison, rating)")
    parser.add_argument("--rubric", type=Path, metavar="FILE", help="TOML with [[criteria]] (rubric)")
    parser.add_argument("--constitution", type=Path, metavar="FILE", help="TOML with [[principles]]; we bring one")
    parser.add_argument("--scale", default="1,10", metavar="LOW,HIGH", help="of a rating (default 1,10)")
    parser.add_argument("--repeats", type=int, default=1, metavar="N", help="times each question is asked in words")
    parser.add_argument(
        "--adaptive", action="store_true", help="repeat a comparison until it is sure, --repeats times at most"
    )
    parser.add_argument(
        "--temperature", type=float, default=0.0, metavar="T", help="0 (default) is the likeliest answer"
    )
    parser.add_argument("--words", action="store_true", help="ask for words even where log-probs could be read")
    parser.add_argument("--limit", type=int, metavar="N", help="judge at most N items, chosen by hash")
    parser.add_argument("--budget", type=int, metavar="TOKENS", help="never take more tokens than this (endpoints)")
    parser.add_argument("--max-cost", type=float, metavar="MONEY", help="never spend more than this; needs --prices")
    parser.add_argument("--prices", metavar="IN,OUT", help="money for a million tokens of prompt, of completion")
    parser.add_argument(
        "--cache", default=DEFAULT_CACHE, metavar="FILE", help=f"kept answers (default {DEFAULT_CACHE})"
    )
    parser.add_argument("--replay", action="store_true", help="take answers from the cache only, and ask nothing")
    parser.add_argument(
        "--mask",
        choices=("outside", "always", "never"),
        default="outside",
        help="mask personal data in questions: to endpoints outside the local network (default), to all, to none",
    )
    parser.add_argument("--key-file", default=DEFAULT_KEY, metavar="FILE", help=f"of the mask (default {DEFAULT_KEY})")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="another seed draws other answers")
    parser.add_argument("--dry-run", action="store_true", help="tell what would be asked, and ask nothing")
    parser.add_argument("--compare-with-people", action="store_true", help="report how far it agrees with people")


def run(args: argparse.Namespace) -> int:
    """Judge, store, report; returns the exit status."""
    from burnish.loop import judging

    asked = _asked(args)
    entries = _entries(args)
    items = judging.items_of(entries, args.form, limit=args.limit)
    if not items:
        raise InputError(f"judge: nothing to judge by {args.form}. A comparison needs two completions of one prompt.")
    if args.dry_run:
        return _tell_estimate(args, asked, items)
    return _judge(args, asked, items, entries)


def _asked(args: argparse.Namespace) -> Asked:
    from burnish.loop.judging import Asked

    low, high = _two(args.scale, "--scale", "1,10")
    if args.repeats > 1 and args.temperature == 0:
        raise InputError("--repeats: at temperature 0 every answer is the same. Add --temperature 1.")
    if args.adaptive and (args.form != "comparison" or args.repeats < 2):
        raise InputError("--adaptive: repeats a comparison. Add --form comparison --repeats 6 --temperature 1.")
    file = {"rubric": args.rubric, "constitution": args.constitution}.get(args.form)
    return Asked(
        args.form,
        criterion=args.criterion,
        scale=(int(low), int(high)),
        file=file,
        repeats=args.repeats,
        temperature=args.temperature,
        adaptive=args.adaptive,
        use_logprobs=not args.words,
        mask=_mask(args),
    )


def _mask(args: argparse.Namespace) -> Mask | None:
    """Return what every question's texts pass through; the key is kept, so that the same text is the same question."""
    from burnish.models.endpoint_address import PREFIX, address_of

    leaves = args.judge.startswith(PREFIX) and not address_of(args.judge).is_local
    if args.dry_run or args.mask == "never" or (args.mask == "outside" and not leaves):
        return None
    from burnish.feedback.masking import Masker, read_key

    return Masker(read_key(args.key_file, create=True))


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


def _two(text: str, flag: str, example: str) -> tuple[float, float]:
    try:
        first, second = (float(part) for part in text.split(","))
    except ValueError:
        raise InputError(f"{flag}: {text!r} is not two numbers. Write {example}.") from None
    return first, second


# ------------------------------------------------------------------------------------------------------------- estimate


def _tell_estimate(args: argparse.Namespace, asked: Asked, items: Sequence[Item]) -> int:
    from burnish.loop.judging import estimate

    is_local = not args.judge.startswith("openai:")
    found = estimate(asked, items, tells_logprobs=is_local)
    money = None
    if args.prices:
        from burnish.models.spending import Prices

        money = Prices(*_two(args.prices, "--prices", "0.5,2")).of(found.prompt_tokens, found.completion_tokens)
    if args.json:
        _print_json({**{name: getattr(found, name) for name in found.__slots__}, "money": money})
        return 0
    print(f"{counted(found.items, 'item')} by {args.form}: {counted(found.questions, 'question')}")
    print(f"about {found.prompt_tokens:,} tokens of prompts, at most {found.completion_tokens:,} of answers")
    if money is not None:
        print(f"about {money:.2f} at these prices")
    if not is_local:
        print(f"--budget {found.most_tokens} is sure to suffice; nothing was asked")
    return 0


# ---------------------------------------------------------------------------------------------------------------- judge


def _judge(args: argparse.Namespace, asked: Asked, items: Sequence[Item], entries: Sequence[Entry]) -> int:
    from burnish.judges.asking.verdict import count
    from burnish.loop.judging import judge_items, with_verdicts
    from burnish.store import open_store
    from burnish.store.judge_cache import JudgeCache

    with JudgeCache(args.cache) as cache, open_store(args.db) as store:
        sampler, endpoint = _sampler(args, cache)
        judge = asked.judge(sampler)

        def keep(some: Sequence[Entry]) -> None:
            for _ in store.submit_many(some, on_duplicate="skip"):
                pass

        verdicts = judge_items(judge, items, keep, seed=args.seed)
    found = count(verdicts)
    cards = _cards(with_verdicts(entries, verdicts), judge.author) if args.compare_with_people else []
    if args.json:
        _print_json(_plain(judge.author, found, sampler, endpoint, cards))
    else:
        _tell(judge.author, found, sampler, endpoint, cards)
    return 0


def _sampler(args: argparse.Namespace, cache: Any) -> tuple[Remembered, Endpoint | None]:
    """Return the judge's model behind its memory, and the endpoint where it is one."""
    from burnish.judges.asking.remembered import Remembered

    if not args.judge.startswith("openai:"):
        if args.budget is not None or args.max_cost is not None:
            raise InputError("--budget: a model in this process costs no tokens. Use --limit.")
        from burnish.judges.asking.backends import local_name, local_sampler

        if args.replay:
            return Remembered(None, cache, name=local_name(args.judge)), None
        return Remembered(local_sampler(args.judge), cache), None
    from burnish.models.endpoint import Endpoint
    from burnish.models.spending import Prices, Purse

    if args.max_cost is not None and not args.prices:
        raise InputError("--max-cost: says nothing without prices. Add --prices IN,OUT, for a million tokens each.")
    prices = Prices(*_two(args.prices, "--prices", "0.5,2")) if args.prices else Prices()
    endpoint = Endpoint(args.judge, purse=Purse(prices, tokens=args.budget, money=args.max_cost))
    sampler = Remembered(None if args.replay else endpoint, cache, name=endpoint.name)
    if not args.words:
        sampler.probe()
    return sampler, endpoint


def _cards(entries: Sequence[Entry], author: str) -> list[JudgeCard]:
    from burnish.evaluation.judge_card import judge_cards

    try:
        return judge_cards(entries, author)
    except InputError as error:
        progress.say(str(error))
        return []


# ----------------------------------------------------------------------------------------------------------------- tell


def _tell(
    author: str, found: Count, sampler: Remembered, endpoint: Endpoint | None, cards: Sequence[JudgeCard]
) -> None:
    print(f"{author}: {found.judged:,} judged, {found.failed:,} failed")
    for reason, number in found.failures.items():
        print(f"  failed {number:,}: {reason}")
    print(f"{counted(sampler.tally.asked, 'question')} asked, {sampler.tally.recalled:,} answered from the cache")
    if found.consistent or found.inconsistent:
        both = found.consistent + found.inconsistent
        print(f"both orders named the same one in {found.consistent:,} of {both:,}")
    if endpoint is not None:
        spent = endpoint.purse.spent
        print(f"{spent.tokens:,} tokens in {counted(spent.calls, 'call')}, {spent.money:.4f} spent")
    if "budget" in found.failures:
        print("The budget ended it. The same command with a larger one goes on; what was answered costs nothing again.")
    for card in cards:
        _tell_card(card)


CARD_LINES = (
    ("accuracy", "agrees with people's order"),
    ("one_person", "one person does"),
    ("correlation", "rank correlation with people"),
    ("consistency", "both orders name the same"),
    ("first_place", "else it names the first shown"),
    ("length_bias", "likes length more than people by"),
)


def _tell_card(card: JudgeCard) -> None:
    print(f"\nbeside people, {card.form}: {card.n:,} of {card.judged:,} were answered by people too")
    for name, what in CARD_LINES:
        value: Interval | None = getattr(card, name)
        if value is not None:
            print(f"  {what:34} {value.mean:+.3f} [{value.low:+.3f}, {value.high:+.3f}] (n = {value.n:,})")
    for name, what in (("kappa", "Cohen's kappa"), ("alpha", "Krippendorff's alpha")):
        if getattr(card, name) is not None:
            print(f"  {what:34} {getattr(card, name):+.3f}")
    for name, what in (("corrected", "mean, corrected by people's"), ("corrected_rate", "share good, corrected")):
        one = getattr(card, name)
        if one is not None:
            each = one.corrected
            print(
                f"  {what:34} {each.mean:.3f} [{each.low:.3f}, {each.high:.3f}], the judge alone {one.uncorrected:.3f}"
            )
    for name, why in card.notes.items():
        print(f"  {name.replace('_', ' ')} not known: {why.removeprefix('corrected: ')}")


def _plain(
    author: str, found: Count, sampler: Remembered, endpoint: Endpoint | None, cards: Sequence[JudgeCard]
) -> dict[str, Any]:
    from burnish.plain import to_plain

    spent = endpoint.purse.spent if endpoint else None
    return {
        "author": author,
        "judged": found.judged,
        "failed": found.failed,
        "failures": dict(found.failures),
        "consistent": found.consistent,
        "inconsistent": found.inconsistent,
        "asked": sampler.tally.asked,
        "recalled": sampler.tally.recalled,
        "tokens": spent.tokens if spent else None,
        "money": spent.money if spent else None,
        "people": [to_plain(card) for card in cards],
    }


def _print_json(value: dict[str, Any]) -> None:
    json.dump(value, sys.stdout, ensure_ascii=False, indent=2)
    print()
