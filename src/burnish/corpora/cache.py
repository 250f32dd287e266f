"""The cache of fetched models and corpora: one published folder each, checked whenever it is used.

`$BURNISH_CACHE`, or `$XDG_CACHE_HOME/burnish`, or `~/.cache/burnish`. Package files as downloaded lie in `downloads/`
and are kept, so that a damaged entry is rebuilt without the network.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

from burnish import files
from burnish.errors import DamagedFileError


def folder() -> Path:
    """Return the cache folder; it may not exist yet."""
    if own := os.environ.get("BURNISH_CACHE"):
        return Path(own).expanduser().absolute()
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base).expanduser().absolute() / "burnish"


def entry(
    cache: Path,
    name: str,
    build: Callable[[Path], None],
    *,
    needs: int,
    check_content: bool = False,
    say: Callable[[str], None] = lambda _: None,
) -> Path:
    """Return the published folder `cache/name`, building it when it is missing or damaged.

    Sizes are checked each time; SHA-256 when asked (`check_content`), at the first use, and whenever a file's size,
    time or inode differs from the last full check. Another process building the same entry is waited for.
    """
    target = cache / name
    if _is_good(target, check_content, lambda _: None):
        return target
    with files.run_lock(cache, name=f".{name}.lock", wait=True):
        if not _is_good(target, check_content, say):
            with files.publish(target, needs=needs) as temporary:
                build(temporary)
            _is_good(target, True, say)
    return target


def _is_good(target: Path, check_content: bool, say: Callable[[str], None]) -> bool:
    if not target.exists():
        return False
    stamp = target.with_name(f".{target.name}.checked")
    try:
        full = check_content or _stamp(target) != _read(stamp)
        files.verify(target, hashes=full)
    except DamagedFileError as error:
        say(f"{error} It is built again.")
        return False
    if full:
        files.write_atomic(stamp, _stamp(target))
    return True


def _stamp(target: Path) -> str:
    """Return size, time and inode of every file of an entry: what changes when somebody writes to one."""
    found = {}
    for path in sorted(target.rglob("*")):
        if path.is_file():
            status = path.stat()
            found[path.relative_to(target).as_posix()] = [status.st_size, status.st_mtime_ns, status.st_ino]
    return json.dumps(found)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (FileNotFoundError, UnicodeDecodeError):
        return ""
