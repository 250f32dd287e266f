"""Writes the pages that follow from the code: docs/cli.md, docs/config.md, docs/methods.md, docs/methods/ and pictures.

python docs/generate.py           write them
python docs/generate.py --check   say which are out of date, exit 1 if any is (a test calls this)
"""

from __future__ import annotations

import argparse
import inspect
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from method_index import index_page
from method_pages import DOCS, NOTICE, method_page
from pictures import which_method

from burnish import config, methods
from burnish.cli.main import VERBS, help_text, parser_of
from burnish.cli.run import settings


def cli_page() -> str:
    """Return docs/cli.md: every verb with every flag."""
    parts = [
        "# Commands",
        NOTICE,
        "In the order of the ring. `burnish COMMAND --help` says the same in the terminal.",
        f"```text\n{help_text()}\n```",
    ]
    for name in VERBS:
        parser, _ = parser_of(name)
        parts += list(_command(parser, 2))
    return "\n\n".join(parts) + "\n"


def _command(parser: argparse.ArgumentParser, depth: int) -> Iterator[str]:
    yield f"{'#' * depth} `{parser.prog}`"
    if parser.description:
        yield f"```text\n{inspect.cleandoc(parser.description)}\n```"
    rows = [_row(action) for action in parser._actions if _is_told(action)]
    if rows:
        yield "| word or flag | what it does |\n|---|---|\n" + "\n".join(rows)
    if parser.epilog:
        yield f"```text\n{parser.epilog.strip()}\n```"
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for below in action.choices.values():
                yield from _command(below, depth + 1)


def _is_told(action: argparse.Action) -> bool:
    return not isinstance(action, argparse._HelpAction | argparse._SubParsersAction)


def _row(action: argparse.Action) -> str:
    if action.option_strings:
        word = ", ".join(action.option_strings)
        value = action.metavar or (action.dest.upper() if action.nargs != 0 else "")
    else:
        word, value = str(action.metavar or action.dest), ""
    if action.choices and not action.metavar:
        value = "{" + ",".join(map(str, action.choices)) + "}"
    told = f"{word} {value}".strip().replace("|", "\\|")
    return f"| `{told}` | {_help(action)} |"


def _help(action: argparse.Action) -> str:
    """Return the help as argparse would print it, with the default filled in."""
    text = (action.help or "").replace("|", "\\|")
    return text % {"default": action.default, "prog": "burnish", "choices": action.choices} if "%" in text else text


def config_page() -> str:
    """Return docs/config.md: every setting of a recipe."""
    parts = [
        "# Settings",
        NOTICE,
        "Every setting of `burnish run`, as `--set section.key=value` and as TOML files take it. The default is the "
        'tested value. A setting whose default is `"none"` is switched off.',
    ]
    section = ""
    rows: list[str] = []
    for key in config.describe(settings()):
        here = key.name.rpartition(".")[0]
        if here != section and rows:
            parts.append(_settings(section, rows))
            rows = []
        section = here
        rows.append(f"| `{key.name}` | `{key.default}` | {key.expects} | {key.doc} |".replace("\n", " "))
    parts.append(_settings(section, rows))
    return "\n\n".join(parts) + "\n"


def _settings(section: str, rows: list[str]) -> str:
    title = f"## `[{section}]`" if section else "## of the whole recipe"
    return f"{title}\n\n| setting | default | takes | meaning |\n|---|---|---|---|\n" + "\n".join(rows)


PAGES: dict[str, Callable[[], str]] = {
    "cli.md": cli_page,
    "config.md": config_page,
    "methods.md": index_page,
    "which-method.svg": partial(which_method, "en"),
    "which-method.zh.svg": partial(which_method, "zh"),
    **{f"methods/{name}.md": partial(method_page, name) for name in methods.names()},
}


def main(argv: list[str] | None = None) -> int:
    """Write or check the pages; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if a page is out of date")
    args = parser.parse_args(argv)
    stale = [name for name, page in PAGES.items() if _read(DOCS / name) != page()]
    for name in stale:
        if not args.check:
            (DOCS / name).parent.mkdir(exist_ok=True)
            (DOCS / name).write_text(PAGES[name](), encoding="utf-8")
        print(f"docs/{name} {'is out of date: make docs' if args.check else 'written'}")
    return 1 if args.check and stale else 0


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""


if __name__ == "__main__":
    sys.exit(main())
