"""What a check of somebody's model or data found: a line of the table that `burnish doctor --model M` prints."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Result = Literal["ok", "note", "fault"]


@dataclass(frozen=True)
class Finding:
    """One check and what came of it."""

    check: str
    """What was looked at: a trap's name, or "data"."""
    result: Result
    """"ok"; "note": worth knowing; "fault": training would go wrong."""
    said: str
    """What holds, or what is wrong."""
    remedy: str = ""
    """What to do about it; empty where nothing is to be done, or where `said` says it already."""
