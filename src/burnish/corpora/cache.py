"""The cache of fetched models and corpora: one published folder each, checked whenever it is used.

`$BURNISH_CACHE`, or `$XDG_CACHE_HOME/burnish`, or `~/.cache/burnish`. Package files as downloaded lie in `downloads/`
and are kept, so that a damaged entry is rebuilt without the network.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from burnish import files, progress
from burnish.errors import BusyError, DamagedFileError, InputError


def folder() -> Path:
    """Return the cache folder; it may not exist yet."""
    if own := os.environ.get("BURNISH_CACHE"):
        return Path(own).expanduser().absolute()
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base).expanduser().absolute() / "burnish"


def entry(cache: Path, name: str, build: Callable[[Path], None], *, needs: int, check_content: bool = False) -> Path:
    """Return the published folder `cache/name`, building it when it is missing or damaged.

    Sizes are checked each time; SHA-256 when asked (`check_content`), at the first use, and whenever a file's size,
    time or inode differs from the last full check. Another process building the same entry is waited for.
    needs: bytes of room that building takes.
    """
    target = cache / name
    if damage_of(target, check_content) is None:
        return target
    with _our_turn(cache, name):
        damage = damage_of(target, check_content)
        if damage is not None:
            if target.exists():
                progress.say(f"{damage} It is made again.")
            files.need_space(cache, needs, f"making {name} (BURNISH_CACHE says where)")
            with files.publish(target) as temporary:
                build(temporary)
            _remember_check(target)
            _remove_older_formats(target)
    return target


def damage_of(target: Path, check_content: bool = False) -> str | None:
    """Return what is wrong with a cache entry, None when nothing is."""
    try:
        full = check_content or _stamp(target) != _last_check(target)
        files.verify(target, hashes=full)
    except DamagedFileError as error:
        with contextlib.suppress(OSError):
            _stamp_path(target).unlink()  # so that the cheap check does not pass it should mending fail
        return str(error)
    if full:
        _remember_check(target)
    return None


@contextlib.contextmanager
def _our_turn(cache: Path, name: str) -> Iterator[None]:
    """Hold the lock of one entry; when another process has it, say so once and wait."""
    lock = f".{name}.lock"
    with contextlib.ExitStack() as held:
        try:
            held.enter_context(files.run_lock(cache, name=lock))
        except BusyError as busy:
            progress.say(f"waiting for another process that makes {name} ({busy})")
            held.enter_context(files.run_lock(cache, name=lock, wait=True))
        yield


def _remove_older_formats(target: Path) -> None:
    """Remove what former versions of burnish made under the same name: `ratings-1` when `ratings-2` was just made."""
    name, _, number = target.name.rpartition("-")
    for older in target.parent.glob(f"{name}-*"):
        other = older.name.rpartition("-")[2]
        if number.isdigit() and other.isdigit() and int(other) < int(number):
            shutil.rmtree(older, ignore_errors=True)
            _stamp_path(older).unlink(missing_ok=True)


def _remember_check(target: Path) -> None:
    """Write down that an entry was checked in full; where nothing can be written, it is checked in full each time."""
    with contextlib.suppress(OSError, InputError):
        files.write_atomic(_stamp_path(target), _stamp(target))


def _last_check(target: Path) -> str:
    try:
        return _stamp_path(target).read_text(encoding="utf-8")
    except (FileNotFoundError, UnicodeDecodeError):
        return ""


def _stamp_path(target: Path) -> Path:
    return target.with_name(f".{target.name}.checked")


def _stamp(target: Path) -> str:
    """Return size, time and inode of every file of an entry: what changes when somebody writes to one."""
    found = {}
    for path in sorted(target.rglob("*")):
        if path.is_file():
            status = path.stat()
            found[path.relative_to(target).as_posix()] = [status.st_size, status.st_mtime_ns, status.st_ino]
    return json.dumps(found)
