"""`burnish feedback VERB`: feedback in and out of the store, what is in it, who else answers, and what to ask next."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, cast

from burnish import progress
from burnish.cli import (
    feedback_asking,
    feedback_comments,
    feedback_corrections,
    feedback_doctor,
    feedback_judge,
    feedback_mask,
    feedback_next,
    feedback_stats,
)
from burnish.errors import InputError, nearest
from burnish.progress import counted

if TYPE_CHECKING:
    from burnish.feedback.intake import ImportResult
    from burnish.records import AuthorKind, Feedback
    from burnish.store import Erasure, Store

DEFAULT_DB = "sqlite:///burnish.db"
SHOWN_PROBLEMS = 20

SHAPES = """\
one JSON object a line (a bad line is reported and never takes the good ones with it):
  {"prompt": "...", "completion": "...", "rating": 4, "scale": [1, 5], "author": "ana"}
  {"prompt": "...", "completion": "...", "thumb": true}
  {"prompt": "...", "chosen": "...", "rejected": "...", "strength": 2}     or "tie": "good" | "bad"
  {"prompt": "...", "completions": ["...", "...", "..."], "ranking": [2, 0, 1]}
  {"prompt": "...", "completion": "...", "comment": "too long"}
  {"prompt": "...", "completion": "...", "correction": "the text as it should be"}
  {"prompt": "...", "completion": "...", "spans": [{"start": 0, "end": 5, "label": "wrong"}]}
  {"prompt": "...", "completions": ["...", "...", "...", "..."], "best": 2, "worst": 0}
  {"prompt": "...", "completion": "...", "suggestion": "name the price first"}
  {"prompt": "...", "completion": "...", "rubric": [{"criterion": "cites a source", "answer": true}]}
  {"prompt": "...", "reference": "a known good answer"}
  {"prompt": "...", "completion": "...", "click": true, "exposure": {"position": 2}}
Also TRL's prompt/chosen/rejected and prompt/completion/label, with texts or lists of messages.
"""

EXPORT = """\
Writes one JSON object a line for every answer that stands: replaced and erased ones stay behind.
What goes out comes in again: importing an export adds nothing to the store it came from.
--corrections writes what can be learned from corrections instead: each edit, how near the original
was (grade, 0 to 1), and the weight of each token of both texts ([start, end, weight])."""
EXPORT_EXAMPLES = """\
examples
  burnish feedback export > all.jsonl
  burnish feedback export --kind rating --kind thumb --out votes.jsonl.gz
  burnish feedback export --quiet | wc -l
  burnish feedback export --corrections --tokenizer smollm2-135m --encoder minilm"""
DELETE = """\
Erases words for good: they leave the rows and the file, a tombstone stays. Snapshots and
checkpoints that used them are named, because weights cannot forget. Asks first."""
DELETE_EXAMPLES = """\
examples
  burnish feedback delete --author ana            all that ana said and wrote
  burnish feedback delete --author gpt --author-kind ai
  burnish feedback delete --id f_12ab --yes       one answer, without asking"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="feedback_verb", metavar="VERB", required=True)

    raw = argparse.RawDescriptionHelpFormatter
    into = verbs.add_parser("import", help="store JSONL files", description=SHAPES, formatter_class=raw)
    into.add_argument("files", nargs="+", metavar="FILE", help="JSONL, also gzip; - is standard input")
    _db(into)
    into.add_argument("--strict", action="store_true", help="store nothing, and exit 2, if any line is wrong")
    into.add_argument(
        "--on-duplicate",
        choices=("error", "skip", "replace"),
        default="error",
        help="what to do when an id stands for other content: refuse the line (default), keep the old, replace it",
    )
    into.add_argument("--author", default="", metavar="NAME", help="author of lines that name none (else anonymous)")
    into.add_argument("--source", default="", metavar="NAME", help="where lines come from that do not say so")
    into.add_argument("--mask", action="store_true", help="take personal data out before anything is stored")
    feedback_mask.add_key_arguments(into)
    _output(into)

    def verb(name: str, help: str, description: str, examples: str) -> argparse.ArgumentParser:
        return verbs.add_parser(name, help=help, description=description, epilog=examples, formatter_class=raw)

    out = verb("export", "write feedback as JSONL, in the shapes that import reads", EXPORT, EXPORT_EXAMPLES)
    _db(out)
    out.add_argument("--kind", action="append", metavar="KIND", help="only this kind; may be given again")
    out.add_argument("--out", metavar="FILE", help="write here instead of standard output; .gz is packed")
    feedback_corrections.add_arguments(out)
    _output(out, "progress as JSON lines; with --out, the count as one JSON object on standard output")

    for name, part in (("stats", feedback_stats), ("doctor", feedback_doctor)):
        below = verb(name, part.HELP, part.DESCRIPTION, part.EXAMPLES)
        _db(below)
        part.add_arguments(below)
        _output(below)

    judge = verb("judge", feedback_judge.HELP, feedback_judge.DESCRIPTION, feedback_judge.EXAMPLES)
    feedback_judge.add_arguments(judge)
    _db(judge)
    _output(judge)

    mask = verb("mask", feedback_mask.HELP, feedback_mask.DESCRIPTION, feedback_mask.EXAMPLES)
    _db(mask)
    feedback_mask.add_arguments(mask)
    _output(mask)

    comments = verb("comments", feedback_comments.HELP, feedback_comments.DESCRIPTION, feedback_comments.EXAMPLES)
    feedback_comments.add_arguments(comments)
    _db(comments)
    _output(comments)

    following = verb("next", feedback_next.HELP, feedback_next.DESCRIPTION, feedback_next.EXAMPLES)
    feedback_next.add_arguments(following)
    _db(following)
    _output(following)

    about = "erase a person's words, or one record; models trained on them are named"
    delete = verb("delete", about, DELETE, DELETE_EXAMPLES)
    _db(delete)
    which = delete.add_mutually_exclusive_group(required=True)
    which.add_argument("--author", metavar="NAME", help="everything this author said")
    which.add_argument("--id", metavar="ID", help="this record, its versions and what came in its line (ID/comment)")
    delete.add_argument("--author-kind", choices=("human", "ai", "rule"), default="human", help="default: human")
    delete.add_argument("--yes", action="store_true", help="do not ask first")
    delete.add_argument("--key-file", metavar="FILE", help="find an author whose name `import --mask` masked")
    cache = feedback_asking.DEFAULT_CACHE
    delete.add_argument(
        "--cache", default=cache, metavar="FILE", help=f"judges' answers that forget with it (default {cache})"
    )
    _output(delete)


def run(args: argparse.Namespace) -> int:
    verbs = {
        "import": _import,
        "export": _export,
        "stats": feedback_stats.run,
        "doctor": feedback_doctor.run,
        "judge": feedback_judge.run,
        "comments": feedback_comments.run,
        "next": feedback_next.run,
        "mask": feedback_mask.run,
        "delete": _delete,
    }
    return verbs[args.feedback_verb](args)


def _db(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--db", default=DEFAULT_DB, metavar="URL", help=f"where feedback is kept (default {DEFAULT_DB})"
    )


def _output(parser: argparse.ArgumentParser, json_help: str = "one JSON object on standard output") -> None:
    parser.add_argument("--json", action="store_true", help=json_help)
    parser.add_argument("--quiet", action="store_true", help="no progress")


# -------------------------------------------------------------------------------------------------------------- import


def _import(args: argparse.Namespace) -> int:
    from burnish.feedback.intake import check_given, import_files, need_files
    from burnish.records import Author
    from burnish.store import open_store

    author = Author(args.author)
    check_given(author, args.source)
    need_files(args.files)
    masker = feedback_mask.masker_if_asked(args)
    with open_store(args.db) as store:
        result = import_files(
            store,
            args.files,
            strict=args.strict,
            on_duplicate=args.on_duplicate,
            author=author,
            source=args.source,
            masker=masker,
        )
    if masker:
        feedback_mask.finish(masker)
    if args.json:
        _print_json(_plain_result(result) | ({"masked": masker.tally.to_plain()} if masker else {}))
    else:
        if masker:
            feedback_mask.print_tally(masker.tally)
        _print_result(result, args.strict)
    return 2 if args.strict and result.refused else 0


def _print_result(result: ImportResult, strict: bool) -> None:
    for shown, total, what in ((result.problems, result.refused, "problems"), (result.notes, result.noted, "notes")):
        for each in shown[:SHOWN_PROBLEMS]:
            print(each)
        if total > SHOWN_PROBLEMS:
            print(f"... and {counted(total - SHOWN_PROBLEMS, 'more line')} with {what}")
    nothing = " Nothing was stored (--strict)." if strict and result.refused else ""
    print(f"{result}.{nothing}")


def _plain_result(result: ImportResult) -> dict[str, Any]:
    counts = {
        name: getattr(result, name) for name in ("stored", "known", "replaced", "kept", "refused", "lines", "noted")
    }
    told = {
        name: [
            {"file": each.file, "line": each.line, "offset": each.offset, "reason": each.reason}
            for each in getattr(result, name)
        ]
        for name in ("problems", "notes")
    }
    return {**counts, **told}


# -------------------------------------------------------------------------------------------------------------- export


def _export(args: argparse.Namespace) -> int:
    from burnish.feedback.outgoing import export_rows
    from burnish.store import open_store, write_objects

    feedback_corrections.refuse_slips(args)
    with open_store(args.db, create=False) as store:
        if args.corrections:
            rows: Iterable[dict[str, Any]] = feedback_corrections.rows(store, args)
        else:
            rows = export_rows(store, kinds_wanted=args.kind)
        if args.out not in (None, "-") or not sys.stdout.isatty():  # a bar among the rows would make both unreadable
            kinds = store.stats()["by_kind"]
            wanted = ["correction"] if args.corrections else args.kind
            rows = _watched(rows, sum(number for kind, number in kinds.items() if not wanted or kind in wanted))
        count = write_objects(rows, args.out)
    if args.json and args.out not in (None, "-"):
        _print_json({"records": count, "out": args.out})
    else:
        progress.say(f"{counted(count, 'record')} written{f' to {args.out}' if args.out else ''}.")
    return 0


def _watched(rows: Iterable[dict[str, Any]], total: int) -> Iterator[dict[str, Any]]:
    with progress.bar(total, "exporting", "records") as bar:
        for row in rows:
            yield row
            bar.advance()


# -------------------------------------------------------------------------------------------------------------- delete


def _delete(args: argparse.Namespace) -> int:
    from burnish.store import open_store

    if args.author and args.key_file:
        args.author = feedback_mask.masked_name(args.author, args.key_file)
    with open_store(args.db, create=False) as store:
        if args.author is not None:
            what = _whom(store, args.author, args.author_kind)
        else:
            what = _which(store.feedback(args.id), args.id)
        if not args.yes:
            _ask(what)
        with progress.bar(None, "erasing", "records") as bar:
            if args.author is not None:
                erased = store.erase_author(args.author, author_kind=args.author_kind)
            else:
                erased = store.erase(args.id)
            bar.advance(erased.records)
    answers = _forget_answers(args.cache, erased)
    if args.json:
        lineage = {"snapshots": list(erased.snapshots), "checkpoints": list(erased.checkpoints)}
        told = {"purged": erased.purged, "texts_kept": erased.texts_kept, "judge_answers": answers}
        _print_json({"tombstones": erased.records, **lineage, **told})
    else:
        _print_erasure(erased)
        if answers:
            print(f"{counted(answers, 'answer')} of judges about their words left {args.cache}.")
    return 0


def _forget_answers(cache: str, erased: Erasure) -> int:
    """Delete from the judges' cache what was answered about erased words, as they were and as a judge saw them."""
    from burnish.feedback.masking import Masker
    from burnish.store.judge_cache import forget

    if not os.path.exists(cache):
        return 0
    masker = Masker(bytes(32))  # the placeholders differ from the judge's; what stands between them is the same
    return forget(cache, [*erased.words, *(masker.text(each) for each in erased.words)])


def _whom(store: Store, author: str, author_kind: str) -> str:
    """Return what would be erased, in words; raises InputError for an author nobody knows, with the nearest one."""
    if not author:
        raise InputError("--author: empty. Anonymous answers cannot be told apart; erase them one by one with --id.")
    known = store.authors(author_kind=cast("AuthorKind", author_kind))
    if author not in known:
        hint = nearest(author, known) if len(known) <= SHOWN_PROBLEMS else ""
        raise InputError(f"--author: no {author_kind} called {author!r} has said anything here.{hint}")
    return f"{counted(known[author], 'record')} of {author!r}"


def _which(record: Feedback | None, name: str) -> str:
    if record is None:
        raise InputError(f"--id: no record is called {name!r}, or it was erased before. `export` shows the ids.")
    from burnish.feedback.signals import said
    from burnish.store.entry import BESIDE

    beside = record.metadata.get(BESIDE)
    line = f", with what came in its line: {', '.join(map(str, beside))}" if isinstance(beside, list) else ""
    return f"{name!r} of {record.author.id or 'an anonymous author'} ({said(record)[:60]}){line}"


def _ask(what: str) -> None:
    question = f"Erase {what}? This cannot be undone. [y/N] "
    if not sys.stdin.isatty():
        raise InputError(f"delete: {question.removesuffix(' [y/N] ')} Say so with --yes.")
    print(question, end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise InputError("delete: nothing was erased.")


def _print_erasure(erased: Erasure) -> None:
    print(f"{counted(erased.records, 'record')} erased; a tombstone stays for each.")
    if erased.texts_kept:
        print(f"{counted(erased.texts_kept, 'text')} of theirs kept, because what others said speaks of it.")
    for name, ids in (("snapshot", erased.snapshots), ("checkpoint", erased.checkpoints)):
        print(f"{counted(len(ids), name)} used them{':' if ids else '.'}")
        for each in ids:
            print(f"  {each}")
    if erased.checkpoints:
        print("Weights cannot forget: train these checkpoints again from what is left.")
    if not erased.purged:
        print("Another process still reads an older state; the file's bytes go when the store is next opened.")


def _print_json(value: dict[str, Any]) -> None:
    print(json.dumps(value, ensure_ascii=False, indent=2))
