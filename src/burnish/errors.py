"""What can go wrong, as types: each message names the thing, the value, the expectation and the remedy.

Exit statuses of the command line: `InputError` -> 2, `StoppedOnRequest` -> 3; anything else is our defect -> 1.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class BurnishError(Exception):
    """Base of every error this library raises on purpose."""


class InputError(BurnishError, ValueError):
    """What was given is wrong: a flag, a config key, a file, a line of feedback. The user can mend it."""


class DamagedFileError(InputError):
    """A file we wrote, or a model file, does not match its manifest or its own header."""


class BusyError(InputError):
    """Another living process holds this run folder or store; the message names it."""


class UnreachableError(InputError):
    """A package index or another host could not be reached."""


class StoppedOnRequest(BurnishError):
    """The user asked to stop; everything is saved and the message says how to go on."""


class SpentError(StoppedOnRequest):
    """The user's cap on what may be spent is reached: that is a request to stop, too."""


def closest(wrong: str, known: Iterable[str]) -> str:
    """Return the known name that is most like a wrong one; empty when none is close."""
    return next(iter(difflib.get_close_matches(wrong, sorted(set(known)), n=1, cutoff=0.6)), "")


def nearest(wrong: str, known: Iterable[str]) -> str:
    """Return ` Did you mean 'x'?` for the closest known name, or a list of the known ones when none is close."""
    names = sorted(set(known))
    close = closest(wrong, names)
    if close:
        return f" Did you mean {close!r}?"
    return f" Known: {', '.join(names)}." if names else ""
