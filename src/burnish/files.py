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
import fcntl
import fnmatch
import hashlib
import json
import os
import re
import secrets
import shutil
import socket
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from burnish.errors import BusyError, DamagedFileError, InputError

MANIFEST = "manifest.json"
LOCK = "lock.json"
_TEMPORARY = ".{name}.{token}.burnish-tmp"
_OLD = ".burnish-old-tmp"
_DISK_FULL = (errno.ENOSPC, errno.EDQUOT)
_NO_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS, errno.EINVAL)  # what some network file systems answer to flock
_MIB = 2**20

_held: set[int] = set()  # descriptors whose locks this process holds


def _forget_locks_in_child() -> None:
    """Close the locks' descriptors in a forked child: else a worker that outlives us would keep them held."""
    for descriptor in _held:
        with contextlib.suppress(OSError):
            os.close(descriptor)
    _held.clear()


os.register_at_fork(after_in_child=_forget_locks_in_child)


# --------------------------------------------------------------------------------------------------------- publishing


@contextlib.contextmanager
def publish(target: Path | str, *, needs: int = 0) -> Iterator[Path]:
    """Yield a temporary folder beside `target`; when the block ends well it becomes `target`, all of it or nothing.

    On success: fsync every file, write `manifest.json`, fsync it, rename, fsync the parent. A folder already at
    `target` is exchanged in one step and removed afterwards. On any failure the temporary is removed and the former
    target is untouched.

    `needs` is the room in bytes asked for beforehand, 0 for no check. Raises `InputError` when the disk is, or gets, full.
    """
    target = Path(os.path.abspath(target))
    _make_parents(target.parent)
    sweep(target.parent)
    if needs:
        need_space(target.parent, needs, f"publishing {target.name}")
    temporary, descriptor = _new_temporary(target)
    try:
        yield temporary
        _seal(temporary, sequence=_next_sequence(target.parent))
        _move_into_place(temporary, target)
    except BaseException as error:
        written = _bytes_under(temporary)
        shutil.rmtree(temporary, ignore_errors=True)
        if isinstance(error, Exception) and is_disk_full(error):
            raise _disk_full(target, max(needs, written), f"{written / _MIB:,.1f} MiB were written") from error
        raise
    finally:
        _close_lock(descriptor)


def write_atomic(path: Path | str, data: bytes | str) -> None:
    """Replace one file's content durably: readers see the old content or the new, never a part of it."""
    path = Path(os.path.abspath(path))
    content = data.encode() if isinstance(data, str) else data
    _make_parents(path.parent)
    temporary = path.parent / _TEMPORARY.format(name=path.name, token=secrets.token_hex(6))
    try:
        with temporary.open("xb") as file:
            _lock(file.fileno(), None)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
            os.replace(temporary, path)
        _fsync(path.parent)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if isinstance(error, Exception) and is_disk_full(error):
            raise _disk_full(path, len(content), "nothing was changed") from error
        raise


def sweep(folder: Path | str) -> list[Path]:
    """Remove what dead processes left half written in `folder` (not deeper); returns what was removed."""
    removed = []
    for left in Path(folder).glob(".*-tmp"):
        if not left.name.endswith((".burnish-tmp", _OLD)):
            continue
        with contextlib.suppress(OSError), _descriptor(left) as descriptor:
            if _lock(descriptor, False) is True:
                shutil.rmtree(left) if left.is_dir() else left.unlink()
                removed.append(left)
    return removed


def _new_temporary(target: Path) -> tuple[Path, int]:
    while True:
        temporary = target.parent / _TEMPORARY.format(name=target.name, token=secrets.token_hex(6))
        temporary.mkdir()
        descriptor = os.open(temporary, os.O_RDONLY | os.O_DIRECTORY)
        locked = _lock(descriptor, None)
        if locked is not False and temporary.exists():  # else a sweeper was quicker than our lock: take another name
            _held.add(descriptor)
            return temporary, descriptor
        os.close(descriptor)


def _seal(folder: Path, sequence: int) -> None:
    """Fsync every file and folder, and write the manifest last."""
    files: dict[str, dict[str, Any]] = {}
    for root, folders, names in os.walk(folder):
        for name in sorted(names):
            path = Path(root, name)
            if not stat.S_ISREG(path.lstat().st_mode):
                raise InputError(f"{path}: only plain files can be published, not links or devices. Copy the content.")
            files[path.relative_to(folder).as_posix()] = {"size": path.stat().st_size, "sha256": sha256_of(path)}
            _fsync(path)
        for name in folders:
            _fsync(Path(root, name))
    manifest = {"schema": 1, "sequence": sequence, "files": dict(sorted(files.items()))}
    (folder / MANIFEST).write_text(json.dumps(manifest, separators=(",", ":")) + "\n", encoding="utf-8")
    _fsync(folder / MANIFEST)
    _fsync(folder)


def _move_into_place(temporary: Path, target: Path) -> None:
    if not target.exists():
        os.rename(temporary, target)
        _fsync(target.parent)
        return
    if not _exchange(temporary, target):
        old = temporary.with_name(temporary.name.removesuffix(".burnish-tmp") + _OLD)
        os.rename(target, old)  # a kill between these two leaves no target: the price of a kernel without exchange
        os.rename(temporary, target)
        temporary = old
    _fsync(target.parent)
    shutil.rmtree(temporary) if temporary.is_dir() else temporary.unlink()


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
        names = list(manifest["files"])
        whole = manifest["schema"] == 1 and type(manifest["sequence"]) is int
        whole = whole and all(set(promised) == {"size", "sha256"} for promised in manifest["files"].values())
    except (FileNotFoundError, NotADirectoryError):
        raise DamagedFileError(f"{folder}: no {MANIFEST} in it, so it was never published whole.") from None
    except (ValueError, TypeError, KeyError, AttributeError):
        whole, names = False, []
    if not whole or any(name.startswith("/") or ".." in name.split("/") for name in names):
        raise DamagedFileError(f"{path}: cut or overwritten; what it should list cannot be checked.")
    return dict(manifest)


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


def _disk_full(path: Path, needed: int, more: str) -> InputError:
    return InputError(
        f"{path}: the disk is full. At least {needed / _MIB:,.1f} MiB are needed ({more}) and "
        f"{free_bytes(path) / _MIB:,.1f} MiB are free. What was there before is untouched. "
        "Free some room on that volume, or choose a folder on another one."
    )


def _bytes_under(folder: Path) -> int:
    total = 0
    for root, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                total += Path(root, name).lstat().st_size
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
    descriptor = _take(path, wait)
    _held.add(descriptor)
    try:
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, (json.dumps(_who_we_are()) + "\n").encode(), 0)
        os.fsync(descriptor)
        sweep(path.parent)
        yield path
    finally:
        path.unlink(missing_ok=True)  # while still held, so that nobody can hold a file that has no name
        _close_lock(descriptor)


def _take(path: Path, wait: bool) -> int:
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        locked = _lock(descriptor, wait)
        if locked is False or (locked is None and _may_be_alive(_holder(path))):
            os.close(descriptor)
            raise _busy(path)
        with contextlib.suppress(FileNotFoundError):
            if os.fstat(descriptor).st_ino == path.stat().st_ino:
                return descriptor
        os.close(descriptor)  # the holder removed the name between our open and our lock


def _lock(descriptor: int, wait: bool | None) -> bool | None:
    """Return True when the lock is ours, False when another holds it, None where the file system has no locks."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno in _NO_LOCKS:
            return None
        raise
    return True


def _close_lock(descriptor: int) -> None:
    if descriptor in _held:
        _held.discard(descriptor)
        os.close(descriptor)


def _who_we_are() -> dict[str, Any]:
    started = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    return {"pid": os.getpid(), "host": socket.gethostname(), "boot_id": _boot_id(), "started": started}


def _boot_id() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def _holder(path: Path) -> dict[str, Any]:
    try:
        record = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


def _may_be_alive(holder: dict[str, Any]) -> bool:
    """Return whether the holder may still run; asked only where the file system has no locks."""
    if not holder:
        return False
    if holder.get("host") != socket.gethostname():
        return True  # cannot be known from here: refuse rather than write over another machine's run
    if holder.get("boot_id") != _boot_id() or not isinstance(holder.get("pid"), int):
        return False
    try:
        os.kill(holder["pid"], 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _busy(path: Path) -> BusyError:
    for _ in range(20):  # the holder may be between taking the lock and writing its name
        holder = _holder(path)
        if holder:
            break
        time.sleep(0.01)
    return BusyError(
        f"{path.parent}: in use by process {holder.get('pid', 'unknown')} on host {holder.get('host', 'unknown')} "
        f"(since {holder.get('started', 'unknown')}). Wait for it, stop it, or choose another folder. "
        f"If no such process exists on any machine that shares this folder, delete {path}."
    )
