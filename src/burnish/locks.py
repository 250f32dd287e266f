"""OS locks on files and folders that die with their process. Standard library only.

`flock` is held by an open descriptor, so the kernel drops it when the process ends, however it ends: no process id is
ever guessed to be alive or dead.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import socket
import time
from pathlib import Path
from typing import Any

from burnish.errors import BusyError, InputError

_NO_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS, errno.EINVAL)  # what some network file systems answer to flock
_held: set[int] = set()  # descriptors whose locks this process keeps


def _forget_in_child() -> None:
    """Close the locks' descriptors in a forked child: else a worker that outlives us would keep them held."""
    for descriptor in _held:
        with contextlib.suppress(OSError):
            os.close(descriptor)
    _held.clear()


os.register_at_fork(after_in_child=_forget_in_child)


def try_lock(descriptor: int, *, wait: bool = False) -> bool | None:
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


def keep(descriptor: int) -> None:
    """Count a locked descriptor as ours until `release`."""
    _held.add(descriptor)


def is_kept(descriptor: int) -> bool:
    """Return whether this very process keeps the lock: False in its forked children."""
    return descriptor in _held


def release(descriptor: int) -> None:
    """Close a kept descriptor and so drop its lock; a forked child's call changes nothing."""
    if descriptor in _held:
        _held.discard(descriptor)
        os.close(descriptor)


def take(path: Path, *, wait: bool = False) -> int:
    """Return the descriptor of a lock file that is now ours, created when missing, with our name written in it.

    Raises `BusyError` naming the holder, unless `wait`; `InputError` where the file system has no locks.
    """
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        locked = try_lock(descriptor, wait=wait)
        with contextlib.suppress(FileNotFoundError):
            if locked is True and os.fstat(descriptor).st_ino == path.stat().st_ino:
                keep(descriptor)
                os.ftruncate(descriptor, 0)
                os.pwrite(descriptor, (json.dumps(_who_we_are()) + "\n").encode(), 0)
                os.fsync(descriptor)
                return descriptor
        os.close(descriptor)
        if locked is None:
            raise InputError(f"{path.parent}: this file system has no file locks. Choose a folder on a local disk.")
        if locked is False:
            raise _busy(path)
        # else the holder removed the name between our open and our lock: begin again


def _who_we_are() -> dict[str, Any]:
    started = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    return {"pid": os.getpid(), "host": socket.gethostname(), "boot_id": _boot_id(), "started": started}


def _boot_id() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def _busy(path: Path) -> BusyError:
    holder: dict[str, Any] = {}
    for _ in range(20):  # the holder may be between taking the lock and writing its name
        with contextlib.suppress(OSError, ValueError):
            holder = json.loads(path.read_bytes())
            break
        time.sleep(0.01)
    return BusyError(
        f"{path.parent}: in use by process {holder.get('pid', 'unknown')} on host {holder.get('host', 'unknown')} "
        f"(since {holder.get('started', 'unknown')}). Wait for it, stop it, or choose another folder."
    )
