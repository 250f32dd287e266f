from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from burnish import files
from burnish.corpora import cache as caches
from burnish.errors import InputError


class Maker:
    """Builds an entry and counts how often."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self, folder: Path) -> None:
        self.times += 1
        (folder / "content").write_text("good content")


@pytest.fixture
def maker() -> Maker:
    return Maker()


def entry(cache: Path, maker: Callable[[Path], None], **more: bool) -> Path:
    return caches.entry(cache, "thing-1", maker, needs=0, **more)


def test_the_folder_follows_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BURNISH_CACHE", str(tmp_path / "own"))
    assert caches.folder() == tmp_path / "own"
    monkeypatch.delenv("BURNISH_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert caches.folder() == tmp_path / "xdg" / "burnish"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert caches.folder() == tmp_path / ".cache" / "burnish"


def test_an_entry_is_made_once(tmp_path: Path, maker: Maker) -> None:
    assert entry(tmp_path, maker) == entry(tmp_path, maker) == tmp_path / "thing-1"
    assert maker.times == 1
    assert not list(tmp_path.glob(".*.lock"))


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_text(""),
        lambda path: path.write_text("GOOD content"),
        lambda path: path.unlink(),
        lambda path: path.with_name("manifest.json").write_text("{"),
        lambda path: path.with_name("manifest.json").unlink(),
    ],
)
def test_damage_is_found_at_the_next_use_and_mended_aloud(
    tmp_path: Path, maker: Maker, damage: Callable[[Path], object], capsys: pytest.CaptureFixture[str]
) -> None:
    content = entry(tmp_path, maker) / "content"
    damage(content)
    assert caches.damage_of(tmp_path / "thing-1") is not None
    assert (entry(tmp_path, maker) / "content").read_text() == "good content"
    assert maker.times == 2
    assert "made again" in capsys.readouterr().err
    files.verify(tmp_path / "thing-1")


def test_a_change_that_keeps_size_and_time_is_found_when_content_is_asked_for(tmp_path: Path, maker: Maker) -> None:
    content = entry(tmp_path, maker) / "content"
    times = content.stat()
    with content.open("r+b") as file:  # in place: the same inode
        file.write(b"G")
    os.utime(content, ns=(times.st_atime_ns, times.st_mtime_ns))
    entry(tmp_path, maker)
    assert maker.times == 1  # the cheap check cannot see it
    assert "SHA-256 differs" in str(caches.damage_of(tmp_path / "thing-1", check_content=True))
    entry(tmp_path, maker)  # and once seen, it is not forgotten
    assert maker.times == 2
    assert content.read_text() == "good content"


def test_content_is_compared_at_the_first_use_and_not_at_each(
    tmp_path: Path, maker: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry(tmp_path, maker)
    hashed: list[Path] = []
    real = files.sha256_of

    def counting(path: Path) -> str:
        hashed.append(path)
        return real(path)

    monkeypatch.setattr(files, "sha256_of", counting)
    entry(tmp_path, maker)
    assert hashed == []
    (tmp_path / ".thing-1.checked").unlink()  # as on a cache that was copied here
    entry(tmp_path, maker)
    assert hashed == [tmp_path / "thing-1" / "content"]


def test_a_cache_that_may_only_be_read_serves(tmp_path: Path, maker: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    entry(tmp_path, maker)
    (tmp_path / ".thing-1.checked").unlink()

    def refuse(path: Path, data: str) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(files, "write_atomic", refuse)
    assert entry(tmp_path, maker) == tmp_path / "thing-1"
    assert maker.times == 1


def test_a_failed_making_leaves_nothing_and_the_next_one_works(tmp_path: Path, maker: Maker) -> None:
    def fail(folder: Path) -> None:
        (folder / "half").write_text("half")
        raise InputError("no index")

    with pytest.raises(InputError, match="no index"):
        entry(tmp_path, fail)
    assert list(tmp_path.iterdir()) == []
    entry(tmp_path, maker)


def test_a_failed_mending_keeps_what_there_was(tmp_path: Path, maker: Maker) -> None:
    content = entry(tmp_path, maker) / "content"
    content.write_text("damaged")

    def fail(folder: Path) -> None:
        raise InputError("no index")

    with pytest.raises(InputError, match="no index"):
        entry(tmp_path, fail)
    assert content.read_text() == "damaged"


def test_what_an_older_version_made_is_removed(tmp_path: Path, maker: Maker) -> None:
    caches.entry(tmp_path, "thing-9", maker, needs=0)
    caches.entry(tmp_path, "other-thing-1", maker, needs=0)
    (tmp_path / "thing-mine").mkdir()
    caches.entry(tmp_path, "thing-10", maker, needs=0)
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"thing-10", ".thing-10.checked", "other-thing-1", ".other-thing-1.checked", "thing-mine"}


def test_the_second_process_waits_for_the_first(tmp_path: Path) -> None:
    code = """
        import sys, time
        from pathlib import Path
        from burnish.corpora import cache
        def make(folder):
            with open(sys.argv[2], "a") as log:
                log.write("made\\n")
            time.sleep(0.5)
            (folder / "content").write_text("good content")
        print(cache.entry(Path(sys.argv[1]), "thing-1", make, needs=0))
    """
    command = [sys.executable, "-c", textwrap.dedent(code), str(tmp_path / "cache"), str(tmp_path / "log")]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    complaints = ""
    for process in both:
        said, complaint = process.communicate(timeout=60)
        complaints += complaint
        assert said.strip() == str(tmp_path / "cache" / "thing-1"), complaint
    assert (tmp_path / "log").read_text() == "made\n"
    assert "waiting for another process that makes thing-1" in complaints
