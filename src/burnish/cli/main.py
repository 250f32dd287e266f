"""`burnish VERB ...`: finds the verb's module, reads its flags, calls it, and turns what went wrong into a status.

A verb is a module of this folder with `add_arguments(parser)` and `run(args) -> int`; its line in `VERBS` is all
that `burnish --help` needs, so that help never imports torch, numpy or a database.

Exit status: 0 done; 2 the input or the flags were wrong; 3 stopped on request with everything saved; 1 our defect.
"""

from __future__ import annotations

import argparse
import contextlib
import errno
import importlib
import os
import sys
from collections.abc import Sequence
from typing import Any, NoReturn, Protocol, cast

import burnish
from burnish.errors import InputError, StoppedOnRequest, nearest
from burnish.machine import spinning

VERBS = {
    "run": "the whole loop: feedback in, a better model and an honest report out",
    "fetch": "models and texts from packages, by name, checked by hash, cached",
    "feedback": "feedback in and out: import, export, stats, signals, judge, next, mask, doctor, delete",
    "studio": "the web app where people give feedback and see what it did",
    "train": "one method on one model: imitation, rewards, reinforcement, preferences, language",
    "bench": "side-by-side measurements against other libraries, in one run",
    "doctor": "is this machine fit, how fast is it, and which settings follow",
}
"""In the order of the ring. The value is the line in `burnish --help`."""

DONE, DEFECT, WRONG_INPUT, STOPPED = 0, 1, 2, 3

_PERMISSIONS = "Choose another place, or change its permissions."
_NAME = "Check the name, or choose another."
REFUSED = {
    errno.EACCES: _PERMISSIONS,
    errno.EPERM: _PERMISSIONS,
    errno.EROFS: _PERMISSIONS,
    errno.ENAMETOOLONG: _NAME,
    errno.ENOTDIR: _NAME,
    errno.EISDIR: _NAME,
    errno.ELOOP: _NAME,
    errno.EIO: "Check the disk, or choose another place.",
}
"""What the machine does not let us do, and what to do about it: the person can mend it, so it is told like wrong input,
without a traceback."""


class Verb(Protocol):
    """What a module of this folder offers."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None: ...
    def run(self, args: argparse.Namespace) -> int: ...


class Parser(argparse.ArgumentParser):
    """argparse that raises InputError, and offers the nearest flag or word for one it does not know."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        kwargs.setdefault("allow_abbrev", False)  # `--see` must not quietly mean `--seed`
        super().__init__(*args, **kwargs)

    def error(self, message: str) -> NoReturn:
        raise InputError(f"{message}\nTry `{self.prog} --help`.")

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        # Called for every subcommand's parser as well, so that the flags offered are those of the right one.
        if self._subparsers is None:
            self._refuse_unknown_flags(args or ())
        known, unknown = super().parse_known_args(args, namespace)
        if unknown:
            self.error(f"{self.prog}: {unknown[0]!r} is one word too many.")
        return known, unknown

    def _refuse_unknown_flags(self, words: Sequence[str]) -> None:
        """Look at the flags before argparse does, which would first complain about what is missing."""
        for word in words:
            flag = word.partition("=")[0]
            if word == "--":
                return
            if word.startswith("--") and flag not in self._option_string_actions:
                flags = [each for each in self._option_string_actions if each.startswith("--")]
                self.error(f"{self.prog}: unknown flag {flag!r}.{nearest(flag, flags)}")

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices:
            hint = nearest(str(value), map(str, action.choices))
            raise argparse.ArgumentError(action, f"{value!r} is not one of the choices.{hint}")


def main(argv: Sequence[str] | None = None) -> int:
    """Return the exit status of one command."""
    spinning.choose()
    try:
        status = _dispatch(list(sys.argv[1:] if argv is None else argv))
        sys.stdout.flush()
        return status
    except InputError as error:
        return _say(str(error), WRONG_INPUT)
    except StoppedOnRequest as stopped:
        return _say(str(stopped), STOPPED)
    except KeyboardInterrupt as stop:  # who was at work may have noted how far it came
        unsaved = "stopped by you before there was anything to save; start the same command again."
        return _say(getattr(stop, "__notes__", [unsaved])[0], STOPPED)
    except BrokenPipeError:
        # Whoever read our output has enough (`| head`). Python would complain once more when it closes the pipe.
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except Exception as error:  # noqa: BLE001 - the last frame: what nobody has a plan for is told as our defect
        return _say(remedy, WRONG_INPUT) if (remedy := _remedy(error)) else _defect()


def _remedy(error: Exception) -> str:
    """Return what to do about an error that the machine made and a person can mend; empty for all others."""
    from burnish import files

    if files.is_disk_full(error):
        place = getattr(error, "filename", None) or "the volume written to"
        return (
            f"{place}: the disk is full. What was saved before is intact. Free some room and start the same command "
            "again (`burnish run` goes on with --resume)."
        )
    if isinstance(error, OSError) and error.errno in REFUSED:
        return f"{error.filename or 'a file'}: {error.strerror}. {REFUSED[error.errno]}"
    if isinstance(error, ModuleNotFoundError) and (error.name or "burnish").split(".")[0] != "burnish":
        extra = "studio" if error.name in ("fastapi", "uvicorn", "starlette") else "train"
        return f"this command needs the package {error.name!r}: pip install 'burnish[{extra}]'."
    return ""


def _dispatch(argv: list[str]) -> int:
    if not argv or argv[0] in ("-h", "--help"):
        print(help_text())
        return DONE
    if argv[0] in ("-V", "--version"):
        print(f"burnish {burnish.__version__}")
        return DONE
    name = argv[0]
    if name not in VERBS:
        kind = "flag" if name.startswith("-") else "command"
        known = ["--help", "--version"] if kind == "flag" else list(VERBS)
        raise InputError(f"unknown {kind} {name!r}.{nearest(name, known)}\nTry `burnish --help`.")
    parser, verb = parser_of(name)
    args = parser.parse_args(argv[1:])
    from burnish import progress

    progress.configure(quiet=bool(getattr(args, "quiet", False)), json=bool(getattr(args, "json", False)))
    return verb.run(args)


def parser_of(name: str) -> tuple[Parser, Verb]:
    """Return the parser of a verb, and its module."""
    verb = cast(Verb, importlib.import_module(f"burnish.cli.{name}"))
    parser = Parser(prog=f"burnish {name}", description=f"{VERBS[name][:1].upper()}{VERBS[name][1:]}.")
    verb.add_arguments(parser)
    return parser, verb


def help_text() -> str:
    """Return what `burnish --help` prints."""
    width = max(map(len, VERBS))
    verbs = "\n".join(f"  {name:<{width}}  {line}" for name, line in VERBS.items())
    return f"""usage: burnish COMMAND ...

Makes a language model heed feedback: collects what people say about its texts, learns a
reward from it, trains on it, and measures honestly whether the model got better.

commands, in the order of the ring:
{verbs}

  burnish COMMAND --help   what a command does, its flags and examples
  burnish --version        the version

Start with:  burnish fetch smollm2-135m minilm ratings && burnish run reviews

Exit status: 0 done; 2 the input or the flags were wrong; 3 stopped on request, everything
saved; 1 a defect of ours."""


def _say(message: str, status: int) -> int:
    named = message.startswith("burnish ")  # a parser's message begins with the name of its command
    with contextlib.suppress(OSError):
        print(message if named else f"burnish: {message}", file=sys.stderr, flush=True)
    return status


def _defect() -> int:
    import traceback

    traceback.print_exc()
    return _say("this is a defect of ours, not of your input. Please report it with the lines above.", DEFECT)
