"""`burnish feedback mask`, and `--mask` of `burnish feedback import`: personal data out of what is stored or sent."""

from __future__ import annotations

import argparse
import json
from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from burnish import progress
from burnish.errors import InputError, nearest
from burnish.progress import counted

if TYPE_CHECKING:
    from burnish.feedback.masking import Finder, Masker, Tally, Vault
    from burnish.store import Entry, Line, Store

DEFAULT_KEY = "burnish-mask.key"
HELP = "take personal data out of files or of what is stored, and say what there was"
DESCRIPTION = """\
Replaces e-mail addresses, phone numbers, cards, IBANs, national ids, IP addresses, keys and
passwords, addresses and more, in English and Chinese, by placeholders such as [EMAIL_k3v9m2qa].
Reads files, or without any the store of --db. Writes to --out or into another store; without
either it only says what there is. A store is never rewritten in place: ids follow from texts."""
EXAMPLES = """\
The same value in one prompt's texts is the same placeholder. The key in --key-file makes them:
keep it, and masking a file again gives the same; lose it, and nothing leads back. With --vault
what was taken out is kept beside, sealed by the key, and --reveal puts it back.

examples
  burnish feedback mask rows.jsonl                       what is in there; nothing is written
  burnish feedback mask rows.jsonl --out masked.jsonl
  burnish feedback mask --into sqlite:///masked.db       all that --db holds, masked
  burnish feedback mask rows.jsonl --out masked.jsonl --vault rows.vault
  burnish feedback mask masked.jsonl --out rows.jsonl --vault rows.vault --reveal"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Give the parser the flags of `burnish feedback mask` (but for --db, --json and --quiet)."""
    parser.add_argument("files", nargs="*", metavar="FILE", help="JSONL, also gzip; - is standard input")
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--out", metavar="FILE", help="write the masked lines here; .gz is packed, - is standard output")
    where.add_argument("--into", metavar="URL", help="store what is masked here")
    parser.add_argument("--types", metavar="A,B", help="mask only these, such as EMAIL,PHONE (default: all)")
    parser.add_argument("--reveal", action="store_true", help="put back what --vault holds, instead of masking")
    add_key_arguments(parser)


def add_key_arguments(parser: argparse.ArgumentParser, *, vault: bool = True) -> None:
    """Give a parser the flags that say how placeholders are made, and (`vault`) whether there is a way back."""
    parser.add_argument(
        "--key-file", default=DEFAULT_KEY, metavar="FILE", help=f"key of the placeholders (default {DEFAULT_KEY}; made)"
    )
    if vault:
        parser.add_argument("--vault", metavar="FILE", help="keep what was masked here, sealed by the key")
    parser.add_argument(
        "--engine",
        metavar="ENGINE",
        help="people's names too: names (needs burnish[names]), or MODULE:FUNCTION, text -> (start, end, type)s",
    )


def masker_of(args: argparse.Namespace, *, keep: bool = True) -> Masker:
    """Return the masker that the flags ask for; its key file is made where it is missing, and told.

    `keep`: whether placeholders will be kept; a look at what there is needs no key file.
    """
    from pathlib import Path

    from burnish.feedback.masking import TYPES, Masker, Vault, make_key, read_key

    types = [name.strip().upper() for name in args.types.split(",")] if getattr(args, "types", None) else None
    for name in types or ():
        if name not in TYPES:
            raise InputError(f"--types: {name!r} is unknown.{nearest(name, TYPES)}")
    engines = [_engine(args.engine)] if args.engine else []
    if not keep:
        return Masker(make_key(), types, engines)
    if not Path(args.key_file).exists():
        progress.say(f"{args.key_file}: a key was made for the placeholders; keep it, or nothing is masked alike again")
    key = read_key(args.key_file, create=True)
    return Masker(key, types, engines, Vault(args.vault, key) if getattr(args, "vault", None) else None)


def masker_if_asked(args: argparse.Namespace) -> Masker | None:
    """Return the masker where --mask is given. Raises InputError for flags that would say nothing without it."""
    if args.mask:
        return masker_of(args)
    for flag, usual in (("engine", None), ("vault", None), ("key_file", DEFAULT_KEY)):
        if getattr(args, flag, usual) != usual:
            raise InputError(f"--{flag.replace('_', '-')}: nothing is masked without --mask. Add it.")
    return None


def _engine(name: str) -> Finder:
    """Return our finder of names, or one made of somebody's function; raises InputError where there is none."""
    import importlib

    from burnish.feedback.masking import Finding

    if name == "names":
        from burnish.feedback.masking.people import engine

        return engine()
    module, _, function = name.partition(":")
    try:
        found = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError, ValueError) as error:
        raise InputError(f"--engine: {name!r} cannot be used ({error}). Write names, or MODULE:FUNCTION.") from None
    return lambda text: [Finding(start, end, type_) for start, end, type_ in found(text)]


def masked_name(author: str, key_file: str) -> str:
    """Return the name under which an author's records were stored by `import --mask`."""
    from burnish.feedback.masking import Masker, read_key
    from burnish.records import Author

    return Masker(read_key(key_file)).author(Author(author)).id


def finish(masker: Masker) -> None:
    """Write down what the masker's vault learned."""
    if masker.vault is not None:
        masker.vault.save()


def print_tally(tally: Tally) -> None:
    """Print what was masked, by type and by where it stood."""
    places = f"personal data: {counted(tally.places, 'place')}, {counted(len(tally.placeholders), 'value')}"
    print(f"{places}; entries with any: {tally.touched:,} of {tally.entries:,}")
    for name, count in tally.by_type.most_common():
        print(f"  {name.lower():<12} {count:>9,}")
    if tally.by_part:
        print("where: " + ", ".join(f"{part} {count:,}" for part, count in tally.by_part.most_common()))


def run(args: argparse.Namespace) -> int:
    """Mask, or with --reveal put back."""
    if args.reveal:
        return _reveal(args)
    if args.out == "-" and args.json:
        raise InputError("--json: would stand among the lines that --out - writes. Write them to a file.")
    masker = masker_of(args, keep=bool(args.out or args.into))
    refused = _files(args, masker) if args.files else _stored(args, masker)
    finish(masker)
    if args.json:
        print(json.dumps({**masker.tally.to_plain(), "refused": refused}, ensure_ascii=False, indent=2))
    elif args.out != "-":
        print_tally(masker.tally)
        if not (args.out or args.into):
            print("nothing was written: --out FILE or --into URL would")
    return 0


def _stored(args: argparse.Namespace, masker: Masker) -> int:
    """Mask what the store holds."""
    from burnish.store import open_store

    with open_store(args.db, create=False) as store:
        if args.into:
            with open_store(_another(args.into, store)) as target:
                deque(target.submit_many(_alone(_masked(store, masker))), maxlen=0)
            return 0
        _write(args.out, _rows(store, masker))
    return 0


def _alone(entries: Iterator[Entry]) -> Iterator[Entry]:
    """Yield entries whose records supersede nothing: what they superseded stays behind."""
    for entry in entries:
        yield replace(entry, feedback=tuple(replace(record, supersedes="") for record in entry.feedback))


def _another(url: str, store: Store) -> str:
    if url == store.url:
        raise InputError(f"--into: {url} is the store that is read. Name another: a store is not rewritten in place.")
    return url


def _masked(store: Store, masker: Masker) -> Iterator[Entry]:
    with progress.bar(store.stats()["records"], "masking", "records") as bar:
        for entry in store.entries():
            yield masker.entry(entry)
            bar.advance(len(entry.feedback))


def _rows(store: Store, masker: Masker) -> Iterator[dict[str, Any]]:
    from burnish.feedback.answers import answers_of
    from burnish.feedback.rows import to_row

    return (to_row(answer) for entry in _masked(store, masker) for answer in answers_of(entry))


def _write(out: str | None, rows: Iterator[dict[str, Any]]) -> None:
    """Draw all rows; write them where that was asked for."""
    from burnish.store import write_objects

    if out is None:
        deque(rows, maxlen=0)
    else:
        write_objects(rows, out)


def _files(args: argparse.Namespace, masker: Masker) -> int:
    """Mask files; return how many lines were refused."""
    from burnish.feedback.intake import import_files, need_files

    need_files(args.files)
    if args.into:
        from burnish.store import open_store

        with open_store(args.into) as store:
            result = import_files(store, args.files, masker=masker)
        for problem in result.problems:
            progress.say(str(problem))
        return result.refused
    refused: list[str] = []
    _write(args.out, _file_rows(args.files, masker, refused))
    for reason in refused:
        progress.say(reason)
    return len(refused)


def _file_rows(files: list[str], masker: Masker, refused: list[str]) -> Iterator[dict[str, Any]]:
    """Yield each line's rows, masked; one for each kind of feedback in it."""
    from burnish.feedback.answers import answers_of
    from burnish.feedback.intake import Problem, read_entries
    from burnish.feedback.rows import to_row

    for name in files:
        for found in read_entries(name, masker=masker):
            if isinstance(found, Problem):
                refused.append(str(found))
            else:
                yield from (to_row(answer) for answer in answers_of(found))


# --------------------------------------------------------------------------------------------------------------- reveal


def _reveal(args: argparse.Namespace) -> int:
    """Put back into lines what the vault holds."""
    from burnish.feedback.masking import Vault, read_key
    from burnish.store import read_objects, write_objects

    if not (args.vault and args.files and args.out):
        raise InputError("--reveal: needs FILE, --vault FILE and --out FILE. Name all three.")
    vault = Vault(args.vault, read_key(args.key_file))
    lines = (line for name in args.files for line in read_objects(name))
    count = write_objects((_revealed(line, vault) for line in lines), args.out)
    progress.say(f"{counted(count, 'line')} written to {args.out}")
    return 0


def _revealed(line: Line, vault: Vault) -> dict[str, Any]:
    if line.value is None:
        raise InputError(f"{line.where}: {line.error}")
    return {key: _put_back(value, vault) for key, value in line.value.items()}


def _put_back(value: Any, vault: Vault) -> Any:
    if isinstance(value, str):
        return vault.reveal(value)
    if isinstance(value, list):
        return [_put_back(each, vault) for each in value]
    return {key: _put_back(each, vault) for key, each in value.items()} if isinstance(value, dict) else value
