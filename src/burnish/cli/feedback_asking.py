"""Asking a model from the command line: behind its memory, masked where words leave, within a budget."""

from __future__ import annotations

import argparse
import json
import math
from typing import TYPE_CHECKING

from burnish.errors import InputError

if TYPE_CHECKING:
    from burnish.judges.asking.asker import Mask
    from burnish.judges.asking.remembered import Memory, Remembered
    from burnish.models.spending import Caps, Purse

DEFAULT_CACHE = "burnish-judges.db"
DEFAULT_KEY = "burnish-mask.key"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Give the parser the flags on what asking costs, what is kept of it, and what is masked."""
    add_cap_arguments(parser)
    parser.add_argument(
        "--cache", default=DEFAULT_CACHE, metavar="FILE", help=f"kept answers (default {DEFAULT_CACHE})"
    )
    parser.add_argument("--replay", action="store_true", help="take answers from the cache only, and ask nothing")
    add_mask_arguments(parser)


def add_cap_arguments(parser: argparse.ArgumentParser) -> None:
    """Give the parser the flags on what asking may cost."""
    parser.add_argument("--budget", type=int, metavar="TOKENS", help="never take more tokens than this (endpoints)")
    parser.add_argument("--max-cost", type=float, metavar="MONEY", help="never spend more than this; needs --prices")
    parser.add_argument("--prices", metavar="IN,OUT", help="money for a million tokens of prompt, of completion")


def add_mask_arguments(parser: argparse.ArgumentParser) -> None:
    """Give the parser the flags on what is masked in questions."""
    parser.add_argument(
        "--mask",
        choices=("outside", "always", "never"),
        default="outside",
        help="mask personal data in questions: to endpoints on other machines (default), to all, to none",
    )
    parser.add_argument("--key-file", default=DEFAULT_KEY, metavar="FILE", help=f"of the mask (default {DEFAULT_KEY})")


def refuse_slips(args: argparse.Namespace) -> None:
    """Raise InputError for a cap that caps nothing."""
    if args.budget is not None and args.budget < 1:
        raise InputError(f"--budget: {args.budget} is not positive. Use at least 1.")
    if args.max_cost is not None and not 0 < args.max_cost < math.inf:
        raise InputError(f"--max-cost: {args.max_cost} is no amount above 0. Name the most that may be spent.")


def is_endpoint(model: str) -> bool:
    """Whether a model is asked over HTTP."""
    return model.startswith("openai:")


def mask_of(args: argparse.Namespace, model: str, memory: Memory) -> Mask | None:
    """Return what every question's texts pass through; the key is kept, so that the same text is the same question."""
    if args.mask == "never" or (args.mask == "outside" and not (is_endpoint(model) and _leaves(args, model, memory))):
        return None
    from burnish.feedback.masking import Masker, read_key

    return Masker(read_key(args.key_file, create=True))


def _leaves(args: argparse.Namespace, model: str, memory: Memory) -> bool:
    """Whether questions leave this machine. A replay looks up no host: it goes by what was found when the answers
    were recorded, or where that is not known, by the address as it is written."""
    from burnish.models.endpoint_address import address_of, is_written_here, name_of
    from burnish.records import content_id

    key = content_id("q", [name_of(model), "local"])
    if not args.replay:
        is_here = address_of(model).is_here
        memory.put({key: json.dumps(is_here)}, {key: ()})
        return not is_here
    known = memory.get([key])
    return not (json.loads(known[key]) if key in known else is_written_here(model))


def purse_of(args: argparse.Namespace, models: list[str]) -> Purse:
    """Return the one purse of all endpoints: a cap is for the command."""
    from burnish.models.spending import Purse

    if (args.budget is not None or args.max_cost is not None) and not any(map(is_endpoint, models)):
        raise InputError("--budget: a model in this process costs no tokens. Use --limit.")
    caps = caps_of(args)
    return Purse(caps.prices, tokens=caps.tokens, money=caps.money)


def caps_of(args: argparse.Namespace) -> Caps:
    """Return what may be spent. Raises InputError for a cap on money without prices."""
    from burnish.models.spending import Caps, Prices

    if args.max_cost is not None and not args.prices:
        raise InputError("--max-cost: says nothing without prices. Add --prices IN,OUT, for a million tokens each.")
    prices = Prices(*two(args.prices, "--prices", "0.5,2")) if args.prices else Prices()
    return Caps(args.budget, args.max_cost, prices)


def sampler_of(args: argparse.Namespace, model: str, memory: Memory, purse: Purse, *, logprobs: bool) -> Remembered:
    """Return a model behind its memory; of a replay the memory alone."""
    from burnish.judges.asking.remembered import Remembered

    if not is_endpoint(model):
        from burnish.judges.asking.backends import local_name, local_sampler

        if args.replay:
            return Remembered(None, memory, name=local_name(model))
        return Remembered(local_sampler(model), memory)
    if args.replay:
        from burnish.models.endpoint_address import name_of

        sampler = Remembered(None, memory, name=name_of(model))
    else:
        from burnish.models.endpoint import Endpoint

        sampler = Remembered(Endpoint(model, purse=purse), memory)
    if logprobs:
        sampler.probe()
    return sampler


def two(text: str, flag: str, example: str) -> tuple[float, float]:
    """Return the two numbers of a flag."""
    try:
        first, second = (float(part) for part in text.split(","))
    except ValueError:
        raise InputError(f"{flag}: {text!r} is not two numbers. Write {example}.") from None
    if not (math.isfinite(first) and math.isfinite(second)):
        raise InputError(f"{flag}: {text!r} are no finite numbers. Write {example}.")
    return first, second
