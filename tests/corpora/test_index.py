from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from dataclasses import asdict
from pathlib import Path

import pytest

from burnish import files
from burnish.corpora import index
from burnish.errors import InputError, UnreachableError

FETCH = """
    import json, sys
    from pathlib import Path
    from burnish.corpora import index
    print(index.fetch(index.Release(**json.loads(sys.argv[1])), Path(sys.argv[2])))
"""


def part_of(cache, release) -> Path:
    return cache / "downloads" / f"{release.filename}.part"


def test_a_file_is_fetched_once_and_then_read_from_the_cache(package_index, cache, release) -> None:
    path = index.fetch(release, cache)
    assert path == cache / "downloads" / "made_up-1.0.zip"
    assert path.read_bytes() == package_index.files[release.filename]
    assert package_index.requests == [("/simple/made-up/", ""), ("/files/made_up-1.0.zip", "")]
    assert index.fetch(release, cache) == path
    assert len(package_index.requests) == 2
    assert [each.name for each in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("with_hashes", [True, False])
def test_an_index_of_html_pages_serves_as_well(package_index, cache, release, with_hashes: bool) -> None:
    package_index.as_html, package_index.with_hashes = True, with_hashes
    assert index.fetch(release, cache).read_bytes() == package_index.files[release.filename]


def test_a_redirected_file_is_followed(package_index, cache, release) -> None:
    package_index.redirect = True
    assert index.fetch(release, cache).exists()


# -------------------------------------------------------------------------------------------------------- interruptions


def test_a_dropped_connection_is_resumed_where_it_stopped(package_index, cache, release) -> None:
    package_index.drops = [100_000, 50_000]
    assert index.fetch(release, cache).read_bytes() == package_index.files[release.filename]
    assert package_index.asked_for_files() == ["", "bytes=100000-", "bytes=150000-"]


def test_three_further_attempts_and_no_more(package_index, cache, release) -> None:
    package_index.drops = [10_000] * 20
    with pytest.raises(UnreachableError, match=r"127\.0\.0\.1.*\(4 attempts\)"):
        index.fetch(release, cache)
    assert package_index.asked_for_files() == ["", "bytes=10000-", "bytes=20000-", "bytes=30000-"]
    assert part_of(cache, release).stat().st_size == 40_000
    package_index.drops = []
    assert index.fetch(release, cache).exists()  # and the next call goes on from there
    assert package_index.asked_for_files()[-1] == "bytes=40000-"


def test_an_attempt_that_brings_much_does_not_count_as_failed(package_index, cache, release, monkeypatch) -> None:
    monkeypatch.setattr(index, "_PROGRESS_BYTES", 20_000)
    package_index.drops = [20_000] * 12
    assert index.fetch(release, cache).exists()
    assert len(package_index.asked_for_files()) == 13


def test_a_killed_process_leaves_what_the_next_one_goes_on_from(package_index, cache, release) -> None:
    package_index.stall_after = 200_000
    command = [sys.executable, "-c", textwrap.dedent(FETCH), json.dumps(asdict(release)), str(cache)]
    killed = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        assert package_index.stalled.wait(30)
        while not part_of(cache, release).exists() or part_of(cache, release).stat().st_size < 100_000:
            assert killed.poll() is None
    finally:
        killed.kill()
        killed.wait()
    package_index.go.set()
    package_index.stall_after = None
    got = part_of(cache, release).stat().st_size
    assert index.fetch(release, cache).read_bytes() == package_index.files[release.filename]
    assert package_index.asked_for_files() == ["", f"bytes={got}-"]


def test_two_processes_at_once_download_once(package_index, cache, release) -> None:
    command = [sys.executable, "-c", textwrap.dedent(FETCH), json.dumps(asdict(release)), str(cache)]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    for process in both:
        said, complaint = process.communicate(timeout=60)
        assert said.strip() == str(cache / "downloads" / release.filename), complaint
    assert package_index.asked_for_files() == [""]


def test_a_server_without_ranges_begins_again(package_index, cache, release) -> None:
    package_index.ranges, package_index.drops = False, [100_000]
    assert index.fetch(release, cache).read_bytes() == package_index.files[release.filename]
    assert package_index.asked_for_files() == ["", "bytes=100000-"]


@pytest.mark.parametrize("content", [b"", b"x" * 1000, b"x" * 299_999, b"x" * 300_000, b"x" * 300_001, b"x" * 999_999])
def test_what_an_earlier_download_left_is_never_trusted(package_index, cache, release, content: bytes) -> None:
    part_of(cache, release).parent.mkdir(parents=True)
    part_of(cache, release).write_bytes(content)
    assert index.fetch(release, cache).read_bytes() == package_index.files[release.filename]
    assert not part_of(cache, release).exists()


def test_a_whole_part_is_kept_without_downloading(package_index, cache, release) -> None:
    part_of(cache, release).parent.mkdir(parents=True)
    part_of(cache, release).write_bytes(package_index.files[release.filename])
    assert index.fetch(release, cache).exists()
    assert package_index.asked_for_files() == []


def test_a_damaged_download_in_the_cache_is_fetched_again(package_index, cache, release) -> None:
    path = index.fetch(release, cache)
    for damaged in (path.read_bytes()[:-1], b"x" + path.read_bytes()[1:]):
        path.write_bytes(damaged)
        assert index.fetch(release, cache).read_bytes() == package_index.files[release.filename]


# ------------------------------------------------------------------------------------------------ answers of the server


@pytest.mark.parametrize("status", [429, 500, 503])
def test_passing_trouble_is_tried_again(package_index, cache, release, status: int) -> None:
    package_index.statuses = [status, status, status]
    assert index.fetch(release, cache).exists()
    assert len(package_index.requests) == 5


@pytest.mark.parametrize(("status", "said"), [(404, "HTTP 404"), (403, "HTTP 403: the index asks for a name")])
def test_a_plain_refusal_is_not_tried_again(package_index, cache, release, status: int, said: str) -> None:
    package_index.statuses = [status]
    with pytest.raises(UnreachableError, match=said):
        index.fetch(release, cache)
    assert len(package_index.requests) == 1


def test_another_file_under_the_same_name_is_refused(package_index, cache, release) -> None:
    package_index.files[release.filename] = b"y" * release.size
    with pytest.raises(UnreachableError, match=f"another file.*not {release.sha256}"):
        index.fetch(release, cache)
    assert package_index.asked_for_files() == []  # the index's own hash told
    package_index.with_hashes = False
    with pytest.raises(UnreachableError, match=f"what arrived is another file.*not {release.sha256}"):
        index.fetch(release, cache)
    assert package_index.asked_for_files() == [""]
    assert list((cache / "downloads").iterdir()) == []


def test_a_server_that_sends_too_much_is_cut_off(package_index, cache, release) -> None:
    package_index.extra = b"z" * 1_000_000
    with pytest.raises(UnreachableError, match="sends more than the 300,000 bytes"):
        index.fetch(release, cache)


@pytest.mark.parametrize(
    ("kind", "page"),
    [
        ("application/vnd.pypi.simple.v1+json", b"<html>captive portal</html>"),
        ("application/vnd.pypi.simple.v1+json", b'{"files": [{"name": 1}]}'),
        ("application/vnd.pypi.simple.v1+json", b"[" * 100_000),
        ("text/html", b"<html>please log in</html>"),
        ("text/html", b"\xff\xfe\x00"),
    ],
)
def test_a_page_that_is_no_index_is_told(package_index, cache, release, monkeypatch, kind: str, page: bytes) -> None:
    monkeypatch.setattr(index, "_page", lambda client, url: (page, kind, url))
    with pytest.raises(UnreachableError, match=r"no page of a package index|has no made_up-1\.0\.zip"):
        index.fetch(release, cache)


def test_a_link_to_a_file_of_this_machine_is_not_followed(package_index, cache, release, monkeypatch, tmp_path) -> None:
    (tmp_path / release.filename).write_bytes(package_index.files[release.filename])
    page = f'<a href="file://{tmp_path}/{release.filename}">x</a>'.encode()
    monkeypatch.setattr(index, "_page", lambda client, url: (page, "text/html", url))
    with pytest.raises(UnreachableError, match="leads to a file of this machine"):
        index.fetch(release, cache)


# ---------------------------------------------------------------------------------------------------- where it is asked


def test_without_an_index_the_message_says_what_was_tried_and_what_to_do(cache, release, monkeypatch) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "http://ana:secret@127.0.0.1:9/simple")  # port 9: nothing listens
    with pytest.raises(UnreachableError) as caught:
        index.fetch(release, cache)
    said = str(caught.value)
    assert "made_up-1.0.zip (Made.Up 1.0, 0.3 MB) could not be fetched" in said
    assert "http://127.0.0.1:9/simple/made-up/: " in said
    assert "refused" in said
    assert "PIP_INDEX_URL=https://" in said
    assert f"{cache / 'downloads' / 'made_up-1.0.zip'}\n" in said
    assert release.sha256 in said
    assert "secret" not in said


def test_a_file_put_there_by_hand_is_taken(package_index, cache, release) -> None:
    path = cache / "downloads" / release.filename
    path.parent.mkdir(parents=True)
    path.write_bytes(package_index.files[release.filename])
    assert index.fetch(release, cache) == path
    assert package_index.requests == []


def test_the_second_index_is_asked_when_the_first_has_nothing(package_index, cache, release, monkeypatch) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", f"{package_index.url}/simple/empty")
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", f"{package_index.url}/simple")
    monkeypatch.setitem(package_index.files, "other-1.0.zip", b"")
    package_index.statuses = [404]
    assert index.fetch(release, cache).exists()


def test_the_password_of_the_index_is_sent_for_the_page_and_the_file(
    package_index, cache, release, monkeypatch
) -> None:
    package_index.password = "ana:s/cret"
    with pytest.raises(UnreachableError, match="HTTP 401: the index asks for a name and a password"):
        index.fetch(release, cache)
    monkeypatch.setenv("PIP_INDEX_URL", f"{package_index.url}/simple".replace("//", "//ana:s%2Fcret@"))
    assert index.fetch(release, cache).exists()


def test_the_password_of_a_netrc_is_sent(package_index, cache, release, monkeypatch, tmp_path) -> None:
    package_index.password = "ana:secret"
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login ana password secret\n")
    (tmp_path / "netrc").chmod(0o600)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    assert index.fetch(release, cache).exists()


@pytest.mark.parametrize("as_url", [False, True])
def test_a_local_folder_of_files_is_looked_into_first(
    package_index, cache, release, monkeypatch, tmp_path, as_url
) -> None:
    (tmp_path / "wheels").mkdir()
    (tmp_path / "wheels" / release.filename).write_bytes(package_index.files[release.filename])
    monkeypatch.setenv("PIP_FIND_LINKS", (tmp_path / "wheels").as_uri() if as_url else str(tmp_path / "wheels"))
    assert index.fetch(release, cache).exists()
    assert package_index.requests == []


def test_a_wrong_file_in_a_local_folder_is_passed_over(package_index, cache, release, monkeypatch, tmp_path) -> None:
    (tmp_path / release.filename).write_bytes(b"z" * release.size)
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    assert index.fetch(release, cache).read_bytes() == package_index.files[release.filename]


def test_an_index_on_a_local_disk_serves(package_index, cache, release, monkeypatch, tmp_path) -> None:
    project = tmp_path / "mirror" / "simple" / "made-up"
    project.mkdir(parents=True)
    (tmp_path / "mirror" / "files").mkdir()
    (tmp_path / "mirror" / "files" / release.filename).write_bytes(package_index.files[release.filename])
    (project / "index.html").write_text(f'<a href="../../files/{release.filename}">x</a>')
    monkeypatch.setenv("PIP_INDEX_URL", (tmp_path / "mirror" / "simple").as_uri())
    assert index.fetch(release, cache).exists()


def test_no_index_is_obeyed(package_index, cache, release, monkeypatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(UnreachableError, match="forbid every index"):
        index.fetch(release, cache)
    assert package_index.requests == []


# ----------------------------------------------------------------------------------------------------------------- room


def test_a_too_small_disk_is_told_before_downloading(package_index, cache, release, monkeypatch) -> None:
    monkeypatch.setattr(files, "free_bytes", lambda path: 299_999)
    with pytest.raises(InputError, match=r"made_up-1\.0\.zip needs"):
        index.fetch(release, cache)
    assert package_index.requests == []


def test_a_disk_that_fills_up_is_told_and_the_part_is_kept(package_index, cache, release, monkeypatch) -> None:
    def fill_up(answer, out, have, release) -> None:
        out.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(index, "_write_all", fill_up)
    with pytest.raises(InputError, match=r"made_up-1\.0\.zip: the disk is full"):
        index.fetch(release, cache)
    assert part_of(cache, release).read_bytes() == b"half"
