"""`burnish feedback next`: which pairs to ask people about, whom, and how many answers an interval takes."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING, Any

from burnish.errors import InputError

if TYPE_CHECKING:
    from burnish.feedback.agenda import Ask, Features
    from burnish.feedback.words.queue import Reader
    from burnish.maths.sample_size import Spreads
    from burnish.records import Prompt
    from burnish.store import Entry

STRATEGIES = ("d_optimal", "double_thompson", "information_gain", "large_gap", "random", "uncertainty")
STRATEGY = "information_gain"
LANGUAGES = frozenset({"en", "zh"})
"""In which comments are told apart."""
HELP = "which pairs to ask people about next, and how many answers an interval takes"
DESCRIPTION = """\
Writes pairs of stored completions to compare, one JSON object a line: first a share drawn at random,
marked so, for statistics to rest on; then what a strategy picks, the most wanted first.
With --comments: comments that a person should read, first some drawn at random, then those whose
reading is likeliest wrong.
With --interval: how many items and answers give the mean rating a 95% interval that narrow."""
EXAMPLES = """\
strategies
  information_gain   answers that would tell most about the texts (default)
  d_optimal          pairs that together leave least unknown, of the texts or (--features) of what tells them apart
  double_thompson    what may be the best of each prompt
  large_gap          texts that probably differ much
  uncertainty        pairs that are nearest to even
  random             what the others have to beat

examples
  burnish feedback next --n 100 > ask.jsonl
  burnish feedback next --n 60 --people ana,bo,cy --overlap 2 --load 50
  burnish feedback next --comments --people ana,bo:zh,cy:en+zh --load 20
  burnish feedback next --strategy d_optimal --features minilm     for a reward learned from embeddings
  burnish feedback next --interval 0.1 --people ana,bo,cy,di"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Give the parser the flags of `burnish feedback next` (but for --db, --json and --quiet)."""
    parser.add_argument("--n", type=int, default=50, metavar="N", help="how many pairs or comments (default 50)")
    parser.add_argument("--strategy", choices=STRATEGIES, default=STRATEGY, help="how they are picked")
    parser.add_argument(
        "--features", metavar="NAME", help="d_optimal: what tells texts apart: style, minilm, or a model's folder"
    )
    parser.add_argument(
        "--random-share", type=float, default=0.2, metavar="X", help="share drawn at random, at least 0.1 (default 0.2)"
    )
    parser.add_argument(
        "--people",
        default="",
        metavar="A,B,C",
        help="whom to deal them out to; with --comments also what they read: bo:zh, cy:en+zh (without it en)",
    )
    parser.add_argument("--overlap", type=int, default=2, metavar="K", help="people who answer each pair (default 2)")
    parser.add_argument("--load", type=int, metavar="N", help="most pairs for one person")
    parser.add_argument("--comments", action="store_true", help="comments to read instead of pairs to compare")
    parser.add_argument(
        "--readings", metavar="FILE", help="with --comments: readings of `burnish feedback comments`, for the rules'"
    )
    parser.add_argument("--interval", type=float, metavar="W", help="plan a mean rating known to plus or minus W")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="another seed picks otherwise (default 0)")


def run(args: argparse.Namespace) -> int:
    """Write the agenda or the plan; returns the exit status."""
    from burnish.store import open_store

    for flag, least in (("n", 1), ("overlap", 1), ("load", 1), ("seed", 0)):
        if (given := getattr(args, flag)) is not None and given < least:
            raise InputError(f"--{flag}: {given} is less than {least}.")
    if args.interval is not None and not 0 < args.interval <= 0.5:
        raise InputError(
            f"--interval: {args.interval:g} is not in (0, 0.5]. Ratings lie between 0 and 1 here; try 0.05."
        )
    if args.comments and args.interval is not None:
        raise InputError("--comments: a plan is of ratings, not of comments. Leave --interval or --comments out.")
    if args.comments and args.strategy != STRATEGY:
        raise InputError("--strategy: picks pairs, and not comments. Leave --strategy or --comments out.")
    if args.readings and not args.comments:
        raise InputError("--readings: says nothing to pairs. Add --comments.")
    if args.features and (args.strategy != "d_optimal" or args.interval is not None):
        raise InputError("--features: only --strategy d_optimal picks by features. Add it, or leave --features out.")
    people = list(dict.fromkeys(filter(None, (name.strip() for name in args.people.split(",")))))
    if not args.comments:
        _refuse_languages(people)
    with open_store(args.db, create=False) as store:
        entries = list(store.entries())
    if args.comments:
        return _comments(args, entries, people)
    return _plan(args, entries, people) if args.interval is not None else _agenda(args, entries, people)


def _agenda(args: argparse.Namespace, entries: list[Entry], people: list[str]) -> int:
    from burnish.feedback.agenda import agenda, candidates_of, dealt

    features = features_named(args.features) if args.features else None
    pairs, candidates = candidates_of(entries, seed=args.seed, features=features)
    asks = agenda(pairs, candidates, args.n, strategy=args.strategy, random_share=args.random_share, seed=args.seed)
    if people:
        asks = dealt(asks, people, overlap=args.overlap, load=args.load, seed=args.seed)
    for ask in asks:
        print(json.dumps(_row(ask), ensure_ascii=False))
    return 0


def _comments(args: argparse.Namespace, entries: list[Entry], people: list[str]) -> int:
    """Write the comments that a person should read, one JSON object a line."""
    from burnish.feedback.answers import SignalConfig
    from burnish.feedback.comment_readers import comments_in, load
    from burnish.feedback.kinds.comment import read_all
    from burnish.feedback.words.queue import queue

    config = SignalConfig(readings=load(args.readings) if args.readings else {})
    given = {
        answer.feedback.id: (answer, reading) for answer, reading in read_all(comments_in(entries, config), config)
    }
    waiting = queue(
        {name: reading for name, (_, reading) in given.items()},
        [_reader(each, args.load) for each in people],
        authors={name: answer.feedback.author.id for name, (answer, _) in given.items()},
        most=args.n,
        random_share=args.random_share,
    )
    for each in waiting:
        answer, reading = given[each.id]
        row = {
            "feedback_id": each.id,
            "prompt": _asked(answer.prompt),
            "completion": answer.completions[0].text,
            "comment": reading.comment,
            "read_as": None if reading.whole is None else round(reading.whole.value, 3),
            "chance_wrong": round(each.chance_wrong, 4),
            "why": list(each.reasons),
            **({"people": [each.reader]} if each.reader else {}),
        }
        print(json.dumps(row, ensure_ascii=False))
    return 0


def _refuse_languages(people: list[str]) -> None:
    """Raise InputError for somebody who is said to read a language; another name may hold a colon."""
    for text in people:
        name, _, languages = text.partition(":")
        if languages and LANGUAGES.issuperset(languages.split("+")):
            raise InputError(
                f"--people: {text!r} says which comments {name} reads, and pairs go to everybody. "
                f"Write {name}, or add --comments."
            )


def _reader(text: str, load: int | None) -> Reader:
    """Return who `bo`, `bo:zh` or `bo:en+zh` is."""
    from burnish.feedback.words.queue import Reader

    name, _, languages = text.partition(":")
    known = frozenset(filter(None, languages.split("+"))) or frozenset({"en"})
    if unknown := sorted(known - LANGUAGES):
        raise InputError(
            f"--people: {text!r} reads {unknown[0]!r}; comments are told apart as en and zh. Write {name}:zh."
        )
    return Reader(name, known) if load is None else Reader(name, known, at_most=load)


def features_named(name: str) -> Features:
    """Return what tells texts apart: how they look, or where a model that embeds texts puts them."""
    if name == "style":
        from burnish.rewards.parts.style import style

        return style
    from burnish import corpora

    try:
        folder = corpora.resolve(name)  # first, so that a slip is told before torch is loaded
    except InputError as error:
        raise InputError(f"--features: {error} Or write style, which needs no model.") from None
    from burnish.models.text_encoder import Embedder

    return Embedder(folder)


def _row(ask: Ask) -> dict[str, Any]:
    return {
        "prompt": _asked(ask.pair.prompt),
        "completions": [completion.text for completion in ask.pair.completions],
        "completion_ids": [completion.id for completion in ask.pair.completions],
        "why": ask.why,
        "chance": round(ask.chance, 4),
        "gain": round(ask.gain, 5),
        **({"people": list(ask.people)} if ask.people else {}),
    }


def _asked(prompt: Prompt) -> Any:
    """Return a prompt as a row holds it: a text where it is one, else messages."""
    if len(prompt.messages) == 1 and prompt.messages[0].role == "user":
        return prompt.text
    return [{"role": turn.role, "content": turn.content} for turn in prompt.messages]


# ----------------------------------------------------------------------------------------------------------------- plan


def _plan(args: argparse.Namespace, entries: list[Entry], people: list[str]) -> int:
    from burnish.maths.sample_size import plans

    spreads, known = _spreads(entries)
    count = len(people) or known
    found = plans(args.interval, count, spreads)
    if args.json:
        rows = [{name: getattr(each, name) for name in (*each.__slots__, "answers")} for each in found]
        spread = {name: getattr(spreads, name) for name in spreads.__slots__}
        print(json.dumps({"spreads": spread, "people": count, "plans": rows}, indent=2))
        return 0
    print(f"on a scale from 0 to 1, texts spread by {spreads.item:.3f}, people by {spreads.person:.3f} and their")
    print(f"answers to one text by {spreads.noise:.3f} (standard deviations of the stored ratings)")
    print(f"a mean known to ±{args.interval:g} (95%) with {count} people:")
    for each in found:
        print(
            f"  {each.items:>7,} texts x {each.answers_each} answers = {each.answers:>8,}"
            f"   (one text's own mean then to ±{1.96 * each.item_error:.2f})"
        )
    return 0


def _spreads(entries: list[Entry]) -> tuple[Spreads, int]:
    """Return the spreads of people's ratings, and how many named people rated."""
    from burnish.feedback.answers import answers_of, rescale
    from burnish.maths.sample_size import spreads_of

    rated = [
        (rescale(a.feedback.value["rating"], a.feedback.value["scale"], (0, 1)), a.feedback)
        for entry in entries
        for a in answers_of(entry)
        if a.feedback.kind == "rating" and a.feedback.author.kind == "human" and a.feedback.author.id
    ]
    if not rated:
        raise InputError("--interval: no ratings by named people are stored, so nothing tells how far they spread.")
    if len({rating for rating, _ in rated}) == 1:
        raise InputError("--interval: all stored ratings are equal, so nothing tells how far they would spread.")
    names = [record.author.id for _, record in rated]
    return spreads_of([y for y, _ in rated], [r.completion_ids[0] for _, r in rated], names), len(set(names))
