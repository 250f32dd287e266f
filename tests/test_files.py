from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from burnish import files
from burnish.errors import DamagedFileError, InputError


def publish(target: Path, content: str = "new") -> None:
    with files.publish(target) as folder:
        (folder / "weights.bin").write_bytes(content.encode() * 1000)
        (folder / "deep").mkdir()
        (folder / "deep" / "config.json").write_text(json.dumps({"content": content}))


def content_of(target: Path) -> str:
    return str(json.loads((target / "deep" / "config.json").read_text())["content"])


def hidden(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name.startswith("."))


def in_python(code: str, *arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


# ----------------------------------------------------------------------------------------------------------- publishing


def test_a_published_folder_is_whole_and_nothing_else_is_left(tmp_path: Path) -> None:
    publish(tmp_path / "a" / "checkpoint")
    files.verify(tmp_path / "a" / "checkpoint")
    assert hidden(tmp_path / "a") == []
    manifest = json.loads((tmp_path / "a" / "checkpoint" / "manifest.json").read_text())
    assert set(manifest["files"]) == {"weights.bin", "deep/config.json"}
    assert manifest["files"]["weights.bin"]["size"] == 3000


def test_a_second_publication_takes_the_place_of_the_first(tmp_path: Path) -> None:
    publish(tmp_path / "checkpoint", "old")
    publish(tmp_path / "checkpoint", "new")
    files.verify(tmp_path / "checkpoint")
    assert content_of(tmp_path / "checkpoint") == "new"
    assert hidden(tmp_path) == []


def test_without_an_exchange_in_one_step_the_result_is_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "_exchange", lambda one, other: False)
    test_a_second_publication_takes_the_place_of_the_first(tmp_path)


@pytest.mark.parametrize("error", [ValueError("mine"), KeyboardInterrupt()])
def test_a_failure_removes_the_temporary_and_leaves_the_former_one(tmp_path: Path, error: BaseException) -> None:
    publish(tmp_path / "checkpoint", "old")

    def fail() -> None:
        with files.publish(tmp_path / "checkpoint") as folder:
            (folder / "half").write_text("half")
            raise error

    with pytest.raises(type(error)):
        fail()
    files.verify(tmp_path / "checkpoint")
    assert content_of(tmp_path / "checkpoint") == "old"
    assert hidden(tmp_path) == []


def test_links_are_not_published(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="only plain files"), files.publish(tmp_path / "checkpoint") as folder:
        (folder / "link").symlink_to("/etc/hostname")
    assert not (tmp_path / "checkpoint").exists()


def test_a_copied_folder_gets_its_own_manifest(tmp_path: Path) -> None:
    publish(tmp_path / "one")
    with files.publish(tmp_path / "two") as folder:
        for name in ("weights.bin", "manifest.json"):
            (folder / name).write_bytes((tmp_path / "one" / name).read_bytes())
    files.verify(tmp_path / "two")


def test_private_files_of_other_writers_become_readable_like_the_folder(tmp_path: Path) -> None:
    with files.publish(tmp_path / "checkpoint") as folder:
        (folder / "weights").write_text("x")
        (folder / "weights").chmod(0o600)
    folder_mode = (tmp_path / "checkpoint").stat().st_mode & 0o666
    assert (tmp_path / "checkpoint" / "weights").stat().st_mode & 0o777 == folder_mode | 0o600


def test_a_failing_fsync_is_fatal_and_keeps_the_former_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """S4: whichever fsync fails, the call fails, once, and what was published before stays."""
    real = os.fsync
    for fatal in range(1, 12):
        publish(tmp_path / "checkpoint", "old")
        calls = 0

        def fsync(descriptor: int, fatal: int = fatal) -> None:
            nonlocal calls
            calls += 1
            if calls == fatal:
                raise OSError(5, "Input/output error")
            real(descriptor)

        with monkeypatch.context() as patched:
            patched.setattr(os, "fsync", fsync)
            failed = False
            with contextlib.suppress(OSError):
                failed = True
                publish(tmp_path / "checkpoint", "new")
                failed = False
        assert failed == (calls >= fatal)
        if not failed:
            break
        files.verify(tmp_path / "checkpoint")
        assert content_of(tmp_path / "checkpoint") == "old"
    else:
        pytest.fail("an fsync failed at every step tried; the loop is too short")
    assert fatal > 5


def test_nothing_is_named_before_it_is_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The order that survives a power cut: files, the manifest, the folder, its name, the parent."""
    events: list[str] = []
    real_fsync, real_rename = os.fsync, os.rename

    def fsync(descriptor: int) -> None:
        events.append(Path(os.readlink(f"/proc/self/fd/{descriptor}")).name)
        real_fsync(descriptor)

    def rename(source: Path, target: Path) -> None:
        events.append("rename")
        real_rename(source, target)

    if not Path("/proc/self/fd").exists():
        pytest.skip("what is fsynced is read from /proc, which is not here")
    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "rename", rename)
    publish(tmp_path / "checkpoint")
    temporary = next(name for name in events if name.endswith(".burnish-tmp"))
    assert set(events[:3]) == {"weights.bin", "config.json", "deep"}
    assert events[3:] == ["manifest.json", temporary, "rename", tmp_path.name]


KILLED = """
    import os, signal, sys
    from pathlib import Path
    from burnish import files
    target, fatal = Path(sys.argv[1]), int(sys.argv[2])
    if sys.argv[3] == "two steps":
        files._exchange = lambda one, other: False
    calls = 0
    def deadly(real):
        def call(*arguments, **more):
            global calls
            calls += 1
            if calls == fatal:
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*arguments, **more)
        return call
    for name in ("fsync", "rename", "chmod", "mkdir", "rmdir", "unlink"):
        setattr(os, name, deadly(getattr(os, name)))
    files._exchange = deadly(files._exchange)
    with files.publish(target) as folder:
        (folder / "weights.bin").write_bytes(b"new" * 1000)
        (folder / "deep").mkdir()
        (folder / "deep" / "config.json").write_text('{"content": "new"}')
"""


@pytest.mark.parametrize("how", ["one step", "two steps"])
def test_kill_9_at_every_step_leaves_the_old_or_the_new(tmp_path: Path, how: str) -> None:
    seen = set()
    for fatal in range(1, 60):
        target = tmp_path / str(fatal) / "checkpoint"
        publish(target, "old")
        process = in_python(KILLED, target, fatal, how)
        _, complaint = process.communicate(timeout=60)
        files.sweep(target.parent)
        files.verify(target)
        seen.add(content_of(target))
        assert hidden(target.parent) == []
        if process.returncode == 0:
            break
        assert process.returncode == -signal.SIGKILL, complaint
    else:
        pytest.fail("it was killed at every step tried; the loop is too short")
    assert fatal > 10
    assert seen == {"old", "new"}


def test_work_in_progress_is_not_swept_but_left_overs_are(tmp_path: Path) -> None:
    dead = tmp_path / ".checkpoint.0123456789ab.burnish-tmp"
    dead.mkdir()
    (dead / "half").write_text("half")
    with files.publish(tmp_path / "one") as one:
        assert not dead.exists()
        publish(tmp_path / "two")
        assert files.sweep(tmp_path) == []
        assert one.exists()
    assert hidden(tmp_path) == []


def test_write_atomic_replaces_the_content_or_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a" / "status.json"
    files.write_atomic(path, "one")
    files.write_atomic(path, b"two")
    assert path.read_bytes() == b"two"

    def refuse(*_: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(OSError, match="Input/output"):
        files.write_atomic(path, "three")
    assert path.read_bytes() == b"two"
    assert hidden(path.parent) == []


# ------------------------------------------------------------------------------------------------------------- checking


def test_sha256_is_the_standard_one(tmp_path: Path) -> None:
    (tmp_path / "abc").write_text("abc")
    # FIPS 180-2, appendix B.1
    assert files.sha256_of(tmp_path / "abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


@pytest.mark.parametrize("keep", [lambda n: 0, lambda n: 1, lambda n: n // 2, lambda n: n - 1])
@pytest.mark.parametrize("name", ["weights.bin", "deep/config.json", "manifest.json"])
def test_truncation_is_found(tmp_path: Path, name: str, keep: Callable[[int], int]) -> None:
    publish(tmp_path / "checkpoint")
    path = tmp_path / "checkpoint" / name
    content = path.read_bytes()
    path.write_bytes(content[: keep(len(content.rstrip(b"\n")))])
    with pytest.raises(DamagedFileError, match=path.name):
        files.verify(tmp_path / "checkpoint")
    assert not files.is_whole(tmp_path / "checkpoint")


@pytest.mark.parametrize("name", ["weights.bin", "deep/config.json", "manifest.json"])
def test_single_flipped_bits_are_found(tmp_path: Path, name: str) -> None:
    publish(tmp_path / "checkpoint")
    path = tmp_path / "checkpoint" / name
    content = path.read_bytes().rstrip(b"\n")
    path.write_bytes(content)
    files.verify(tmp_path / "checkpoint")
    bits = range(8 * len(content))
    for bit in random.Random(0).sample(bits, 200) if len(bits) > 300 else bits:
        flipped = bytearray(content)
        flipped[bit // 8] ^= 1 << bit % 8
        path.write_bytes(flipped)
        assert not files.is_whole(tmp_path / "checkpoint"), f"bit {bit}"


def test_a_missing_file_is_found_and_an_added_one_is_no_damage(tmp_path: Path) -> None:
    publish(tmp_path / "checkpoint")
    (tmp_path / "checkpoint" / "notes.txt").write_text("mine")
    files.verify(tmp_path / "checkpoint")
    (tmp_path / "checkpoint" / "weights.bin").unlink()
    with pytest.raises(DamagedFileError, match=r"weights\.bin: missing"):
        files.verify(tmp_path / "checkpoint", hashes=False)


def test_a_folder_that_was_never_published_is_not_whole(tmp_path: Path) -> None:
    with pytest.raises(DamagedFileError, match="never published"):
        files.verify(tmp_path)


def test_newest_whole_goes_by_publication_and_skips_the_damaged_aloud(tmp_path: Path) -> None:
    for name in ("c-first", "a-second", "b-third", "other"):
        publish(tmp_path / name, name)
    os.utime(tmp_path / "c-first" / "manifest.json")  # neither names nor times decide
    assert files.newest_whole(tmp_path, "?-*") == (tmp_path / "b-third", [])
    (tmp_path / "b-third" / "weights.bin").write_bytes(b"")
    newest, messages = files.newest_whole(tmp_path, "?-*")
    assert newest == tmp_path / "a-second"
    assert len(messages) == 1
    assert "skipped b-third" in messages[0]
    assert "weights.bin" in messages[0]
    for name in ("c-first", "a-second"):
        (tmp_path / name / "manifest.json").write_text("{")
    newest, messages = files.newest_whole(tmp_path, "?-*")
    assert newest is None
    assert len(messages) == 3
    assert files.newest_whole(tmp_path / "nowhere") == (None, [])


# --------------------------------------------------------------------------------------------------------- room on disk


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "small"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"a small tmpfs cannot be mounted here: {mounted.stderr.strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)


def fill(target: Path, chunk: int) -> None:
    with files.publish(target) as folder:
        for number in range(400):
            (folder / f"part-{number}").write_bytes(os.urandom(chunk))


def test_a_full_disk_is_one_clear_message_and_the_former_one_stays(small_disk: Path) -> None:
    target = small_disk / "checkpoint"
    publish(target, "old")
    for chunk in (4096, 60_000, 400_000):  # the write that fails is another one each time
        with pytest.raises(InputError, match=r"checkpoint: the disk is full.*MiB are needed.*MiB are free"):
            fill(target, chunk)
        files.verify(target)
        assert content_of(target) == "old"
        assert hidden(small_disk) == []
    publish(target, "new")
    assert content_of(target) == "new"


def test_a_full_disk_keeps_the_old_content_of_a_single_file(small_disk: Path) -> None:
    files.write_atomic(small_disk / "status.json", "old")
    with pytest.raises(InputError, match="the disk is full"):
        files.write_atomic(small_disk / "status.json", os.urandom(2**21))
    assert (small_disk / "status.json").read_text() == "old"
    assert hidden(small_disk) == []


def test_the_full_disk_of_a_library_in_another_language_is_understood(small_disk: Path) -> None:
    save_file = pytest.importorskip("safetensors.numpy").save_file
    numpy = pytest.importorskip("numpy")
    with pytest.raises(InputError, match="the disk is full"), files.publish(small_disk / "checkpoint") as folder:
        save_file({"weight": numpy.zeros(2**19, dtype=numpy.float32)}, folder / "model.safetensors")


def test_room_is_checked_beforehand_on_the_target_volume(small_disk: Path) -> None:
    free = files.free_bytes(small_disk / "not" / "there")
    assert 0 < free <= 2**20
    files.need_space(small_disk, free, "a checkpoint")
    with pytest.raises(InputError, match=r"a checkpoint needs 3 MiB but the volume has 1 MiB free.*another volume"):
        files.need_space(small_disk, 3 * 2**20, "a checkpoint")
    with pytest.raises(InputError, match="needs 1,024 MiB"), files.publish(small_disk / "checkpoint", needs=2**30):
        pytest.fail("the block must not be entered")
    assert list(small_disk.iterdir()) == []


def test_quota_and_disk_full_are_told_from_other_errors() -> None:
    assert files.is_disk_full(OSError(28, "No space left on device"))
    assert files.is_disk_full(OSError(122, "Disk quota exceeded"))
    assert files.is_disk_full(RuntimeError("I/O error: No space left on device (os error 28)"))
    assert not files.is_disk_full(OSError(5, "Input/output error"))
    with pytest.raises(RuntimeError) as caught:  # noqa: PT012 -- raised while another is handled
        try:
            raise OSError(28, "full")
        except OSError as error:
            raise RuntimeError("could not save") from error
    assert files.is_disk_full(caught.value)
