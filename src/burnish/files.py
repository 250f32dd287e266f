"""Durable publication, integrity checks, locks and room on disk. Standard library only.

A folder is *published*: written under a temporary name beside its target, every file fsynced, a manifest of sizes and
SHA-256 written last, the whole renamed into place, the parent fsynced. So under the target name there is never a half:
a kill or a power cut leaves what was there before, or the new one. Left-overs of dead processes are told from work in
progress by an OS lock on the temporary itself, never by guessing from a process id.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fnmatch
import hashlib
import json
import os
import re
import secrets
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from burnish import locks
from burnish.errors import DamagedFileError, InputError

MANIFEST = "manifest.json"
LOCK = "lock.json"
_OLD = ".old-"
_TEMPORARY = ".{name}.{token}.burnish-tmp"
_DISK_FULL = (errno.ENOSPC, errno.EDQUOT)
_MIB = 2**20


# --------------------------------------------------------------------------------------------------------- publishing


@contextlib.contextmanager
def publish(target: Path | str, *, needs: int = 0) -> Iterator[Path]:
    """Yield a temporary folder beside `target`; when the block ends well it becomes `target`, all of it or nothing.

    On success: fsync every file, write `manifest.json`, fsync it, rename, fsync the parent. A folder already at
    `target` is exchanged in one step and removed afterwards. On any failure the temporary is removed and the former
    target is untouched.

    `needs` is the room in bytes asked for beforehand, 0 for no check. Raises `InputError` when the disk is full, or
    becomes so.
    """
    target = Path(os.path.abspath(target))
    with _temporary(target, needs) as (temporary, _):
        yield temporary
        _seal(temporary, sequence=_next_sequence(target.parent))
        _move_into_place(temporary, target)


def write_atomic(path: Path | str, data: bytes | str) -> None:
    """Replace one file's content durably: readers see the old content or the new, never a part of it."""
    path = Path(os.path.abspath(path))
    content = data.encode() if isinstance(data, str) else data
    with _temporary(path, 0, is_folder=False) as (temporary, descriptor):
        with open(descriptor, "wb", closefd=False) as file:
            file.write(content)
        os.fsync(descriptor)
        os.replace(temporary, path)
        _fsync(path.parent)


@contextlib.contextmanager
def made(folder: Path) -> Iterator[None]:
    """Make a folder where there is none, and take it away again if what follows leaves nothing in it."""
    was_there = folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    try:
        yield
    finally:
        if not was_there:
            with contextlib.suppress(OSError):  # something is in it
                folder.rmdir()


def sweep(folder: Path | str) -> list[Path]:
    """Remove what dead processes left half written in `folder` (not deeper); returns what was removed."""
    removed = []
    for left in Path(folder).glob(_TEMPORARY.format(name="*", token="*")):
        with contextlib.suppress(OSError), _descriptor(left) as descriptor:
            if locks.try_lock(descriptor) is not True:
                continue
            former = left.with_name(left.name[1:].split(_OLD)[0])
            if _OLD in left.name and not former.exists():
                os.rename(left, former)  # killed between two renames: the former folder is the good one
            else:
                _remove(left)
                removed.append(left)
    return removed


@contextlib.contextmanager
def _temporary(target: Path, needs: int, *, is_folder: bool = True) -> Iterator[tuple[Path, int]]:
    """Yield a locked temporary beside the target and its descriptor; it is removed when the block fails."""
    _make_parents(target.parent)
    if is_folder:
        sweep(target.parent)
    need_space(target.parent, needs, f"writing {target.name}")
    written = 0
    try:
        temporary, descriptor = _new_temporary(target, is_folder)
        try:
            yield temporary, descriptor
        except BaseException:
            written = _bytes_under(temporary)
            _remove(temporary)
            raise
        finally:
            locks.release(descriptor)
    except Exception as error:
        if is_disk_full(error):
            raise disk_full_error(target, max(needs, written), written) from error
        raise


def _new_temporary(target: Path, is_folder: bool) -> tuple[Path, int]:
    how = os.O_RDONLY | os.O_DIRECTORY if is_folder else os.O_WRONLY | os.O_CREAT | os.O_EXCL
    while True:
        temporary = target.parent / _TEMPORARY.format(name=target.name, token=secrets.token_hex(6))
        if is_folder:
            temporary.mkdir()
        with contextlib.suppress(FileNotFoundError):
            descriptor = os.open(temporary, how, 0o666)
            if locks.try_lock(descriptor) is not False and temporary.exists():
                locks.keep(descriptor)
                return temporary, descriptor
            os.close(descriptor)
        # a sweeper was quicker than our lock: leave this name to it and take another


def _seal(folder: Path, sequence: int) -> None:
    """Fsync every file and folder, and write the manifest last."""
    files: dict[str, dict[str, Any]] = {}
    for root, folders, names in os.walk(folder):
        for name in sorted(names):
            path = Path(root, name)
            if not stat.S_ISREG(path.lstat().st_mode):
                raise InputError(f"{path}: only plain files can be published, not links or devices. Copy the content.")
            if path == folder / MANIFEST:  # came with a copied folder; ours replaces it
                continue
            path.chmod(path.stat().st_mode | folder.stat().st_mode & 0o666)  # some writers leave 0600 behind
            files[path.relative_to(folder).as_posix()] = {"size": path.stat().st_size, "sha256": sha256_of(path)}
            _fsync(path)
        for name in folders:
            _fsync(Path(root, name))
    manifest: dict[str, Any] = {"schema": 1, "sequence": sequence, "files": dict(sorted(files.items()))}
    manifest["sha256"] = _own_hash(manifest)
    (folder / MANIFEST).write_text(json.dumps(manifest, separators=(",", ":")) + "\n", encoding="utf-8")
    _fsync(folder / MANIFEST)
    _fsync(folder)


def _move_into_place(temporary: Path, target: Path) -> None:
    if not target.exists():
        os.rename(temporary, target)
        _fsync(target.parent)
        return
    if _exchange(temporary, target):
        try:
            _fsync(target.parent)
        except OSError:
            _exchange(temporary, target)  # so that the former one is not removed for one that may not be on the disk
            raise
    else:
        old = target.parent / (f".{target.name}{_OLD}" + temporary.name.removeprefix(f".{target.name}."))
        os.rename(target, old)  # a kill between these two leaves no target; `sweep` then puts the former one back
        os.rename(temporary, target)
        _fsync(target.parent)
        temporary = old
    _remove(temporary)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _exchange(one: Path, other: Path) -> bool:
    """Swap two names in one step (Linux renameat2 with RENAME_EXCHANGE); False where the system cannot."""
    try:
        renameat2 = ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError):
        return False
    at_cwd, exchange = -100, 2
    return bool(renameat2(at_cwd, os.fsencode(one), at_cwd, os.fsencode(other), exchange) == 0)


def _make_parents(folder: Path) -> None:
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    for each in reversed(missing):
        each.mkdir(exist_ok=True)
        _fsync(each.parent)


def _fsync(path: Path) -> None:
    with _descriptor(path) as descriptor:
        os.fsync(descriptor)  # an error here is fatal for this file: a second fsync would lie (fsyncgate, 2018)


@contextlib.contextmanager
def _descriptor(path: Path) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


# ----------------------------------------------------------------------------------------------------------- checking


def sha256_of(path: Path | str) -> str:
    """Return the SHA-256 of a file's content, as 64 hexadecimal digits."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def verify(folder: Path | str, *, hashes: bool = True) -> None:
    """Check a published folder against its manifest: every file there, its size, and (with `hashes`) its SHA-256.

    Raises `DamagedFileError` naming the file and what is wrong. Files that the manifest does not know are no damage.
    """
    folder = Path(folder)
    for name, promised in _manifest(folder)["files"].items():
        path = folder / name
        try:
            found = path.stat().st_size
        except FileNotFoundError:
            raise DamagedFileError(f"{path}: missing, although {MANIFEST} lists it.") from None
        if found != promised["size"]:
            raise DamagedFileError(f"{path}: {found:,} bytes long, but {promised['size']:,} were written.")
        if hashes and sha256_of(path) != promised["sha256"]:
            raise DamagedFileError(f"{path}: its content changed since it was written (SHA-256 differs).")


def is_whole(folder: Path | str, *, hashes: bool = True) -> bool:
    """Return whether `verify` finds nothing wrong."""
    try:
        verify(folder, hashes=hashes)
    except DamagedFileError:
        return False
    return True


def newest_whole(folder: Path | str, pattern: str = "*") -> tuple[Path | None, list[str]]:
    """Return the last published undamaged folder that matches, and one message for each damaged one skipped.

    The order is that of publication (a number in the manifest), so neither names nor clocks decide.
    """
    found = [path for path in Path(folder).glob("*") if path.is_dir() and fnmatch.fnmatch(path.name, pattern)]
    messages = []
    for path in sorted((path for path in found if not path.name.startswith(".")), key=_age, reverse=True):
        try:
            verify(path)
        except DamagedFileError as error:
            messages.append(f"skipped {path.name}: {error}")
        else:
            return path, messages
    return None, messages


def _manifest(folder: Path) -> dict[str, Any]:
    path = folder / MANIFEST
    try:
        manifest = json.loads(path.read_bytes())
        if manifest.pop("sha256") == _own_hash(manifest) and manifest["schema"] == 1:
            return dict(manifest)
    except (FileNotFoundError, NotADirectoryError):
        raise DamagedFileError(f"{folder}: no {MANIFEST} in it, so it was never published whole.") from None
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        pass
    raise DamagedFileError(f"{path}: cut or overwritten, so that nothing in the folder can be checked.")


def _own_hash(manifest: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()


def _age(folder: Path) -> tuple[int, int, str]:
    """Sort key of publication; folders whose manifest cannot be read come by time, after (= newer than) the rest."""
    try:
        return (0, _manifest(folder)["sequence"], folder.name)
    except DamagedFileError:
        return (1, folder.stat().st_mtime_ns, folder.name)


def _next_sequence(parent: Path) -> int:
    sequences = [0]
    for path in parent.glob(f"*/{MANIFEST}"):
        with contextlib.suppress(DamagedFileError):
            sequences.append(_manifest(path.parent)["sequence"])
    return max(sequences) + 1


# -------------------------------------------------------------------------------------------------------- room on disk


def free_bytes(path: Path | str) -> int:
    """Return the bytes this user may still write on the volume of `path` (or of its nearest existing parent)."""
    place = Path(os.path.abspath(path))
    while not place.exists():
        place = place.parent
    return shutil.disk_usage(place).free


def need_space(path: Path | str, needed: int, what: str) -> None:
    """Raise `InputError` when the volume of `path` has fewer than `needed` bytes free."""
    free = free_bytes(path)
    if free < needed:
        raise InputError(
            f"{path}: {what} needs {needed / _MIB:,.0f} MiB but the volume has {free / _MIB:,.0f} MiB free. "
            f"Free {(needed - free) / _MIB:,.0f} MiB there, or choose a folder on another volume."
        )


def is_disk_full(error: BaseException | None) -> bool:
    """Return whether an error, or what caused it, says that the disk or a quota is full.

    Libraries written in other languages (safetensors, torch) raise their own types: their words are read too.
    """
    while error is not None:
        if isinstance(error, OSError) and error.errno in _DISK_FULL:
            return True
        if re.search(r"no space left on device|disk quota exceeded|os error (28|122)\b", str(error), re.IGNORECASE):
            return True
        error = error.__cause__ or error.__context__
    return False


def disk_full_error(path: Path, needed: int, written: int) -> InputError:
    """Return what to tell the user when writing `path` failed for want of room (`needed` and `written` in bytes)."""
    free = f"{free_bytes(path) / _MIB:,.1f} MiB are free"
    known = needed >= _MIB / 10  # a library that failed before it wrote anything does not say how much it wanted
    room = (
        f"At least {needed / _MIB:,.1f} MiB are needed ({written / _MIB:,.1f} MiB were written) and " if known else ""
    )
    return InputError(
        f"{path}: the disk is full. {room}{free}. What was there before is untouched. "
        "Free some room on that volume, or choose a folder on another one."
    )


def _bytes_under(path: Path) -> int:
    total = 0
    for each in (path, *path.rglob("*")):
        with contextlib.suppress(OSError):
            total += 0 if each.is_dir() else each.lstat().st_size
    return total


# --------------------------------------------------------------------------------------------------------------- locks


@contextlib.contextmanager
def run_lock(folder: Path | str, *, name: str = LOCK, wait: bool = False) -> Iterator[Path]:
    """Hold the folder for this process while the block runs: an OS lock on `lock.json` {pid, host, boot_id, started}.

    A second process leaves at once with `BusyError` naming the holder's pid and host (with `wait`, it waits instead).
    The kernel drops the lock of a process that dies, so a stale file is simply taken over. Left-over temporaries in
    the folder are swept once it is held.
    """
    path = Path(os.path.abspath(folder)) / name
    _make_parents(path.parent)
    descriptor = locks.take(path, wait=wait)
    try:
        sweep(path.parent)
        yield path
    finally:
        if locks.is_kept(descriptor):  # not in a forked child, where the lock is its parent's
            path.unlink(missing_ok=True)  # while still held, so that nobody can hold a file that has no name
            locks.release(descriptor)
