"""`burnish feedback export --corrections`: what was changed, how near it was, how much each token counts."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from burnish.errors import InputError

if TYPE_CHECKING:
    from burnish.feedback.corrections import Embed
    from burnish.feedback.corrections.rows import OffsetsOf
    from burnish.store import Store


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Give the parser of `burnish feedback export` the flags of corrections."""
    parser.add_argument(
        "--corrections", action="store_true", help="write corrections aligned: edits, grade, weight of each token"
    )
    parser.add_argument("--tokenizer", metavar="M", help="with --corrections: whose tokens are weighed (default words)")
    parser.add_argument("--encoder", metavar="M", help="with --corrections: grade by meaning too, as it embeds texts")
    parser.add_argument(
        "--kept", type=float, default=0.1, metavar="X", help="with --corrections: weight of what stayed (default 0.1)"
    )


def refuse_slips(args: argparse.Namespace) -> None:
    """Raise InputError for flags that would say nothing, or have no meaning."""
    if not args.corrections:
        for flag, usual in (("tokenizer", None), ("encoder", None), ("kept", 0.1)):
            if getattr(args, flag) != usual:
                raise InputError(f"--{flag}: says nothing here. Add --corrections.")
        return
    if args.kind and args.kind != ["correction"]:
        raise InputError("--kind: --corrections are of one kind. Leave --kind out.")
    if not 0 <= args.kept <= 1:
        raise InputError(f"--kept: {args.kept:g} is not from 0 to 1, the weight of what changed. Use 0.1.")


def rows(store: Store, args: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Return one row for each correction that stands, a suggestion with edits among them."""
    from burnish import corpora
    from burnish.feedback.corrections.rows import rows_of, words
    from burnish.feedback.signals import SignalConfig, heard
    from burnish.models.spans import offsets_of

    given = heard(store.entries(), SignalConfig()).get("correction", [])
    offsets: OffsetsOf = offsets_of(corpora.resolve(args.tokenizer)) if args.tokenizer else words
    return rows_of(given, offsets=offsets, embed=_embed(args.encoder) if args.encoder else None, kept=args.kept)


def _embed(name: str) -> Embed:
    """Return a sentence encoder by name or folder."""
    from burnish import corpora
    from burnish.models.text_encoder import Embedder

    encoder = Embedder(corpora.resolve(name))
    return lambda texts: encoder(texts).tolist()
