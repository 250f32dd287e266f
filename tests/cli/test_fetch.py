from __future__ import annotations

import json
import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from burnish import corpora
from burnish.cli.main import main
from burnish.corpora import cache as caches
from burnish.corpora.index import Release
from burnish.errors import UnreachableError


class Thing(SimpleNamespace):
    """A made-up corpus that needs no network."""

    reachable = True

    def fetch(self, cache: Path, *, check_content: bool = False) -> Path:
        return caches.entry(cache, f"{self.NAME}-{self.FORMAT}", self.build, needs=0, check_content=check_content)

    def build(self, folder: Path) -> None:
        if not self.reachable:
            raise UnreachableError("index.example could not be reached. Set PIP_INDEX_URL.")
        (folder / "texts").write_text("x" * 2_000_000)


def thing(name: str) -> Thing:
    return Thing(
        NAME=name,
        FORMAT=1,
        KIND="texts",
        SUMMARY=f"a made-up {name}",
        LICENCE="CC0",
        CITATION="Nobody (2020).",
        RELEASE=Release(f"py-{name}", "1.2", "x.whl", 3_500_000, "0" * 64),
    )


@pytest.fixture
def things(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Thing]:
    known = {"apples": thing("apples"), "pears": thing("pears")}
    monkeypatch.setattr(corpora, "_corpora", lambda: known)
    monkeypatch.setenv("BURNISH_CACHE", str(tmp_path / "cache"))
    return known


def burnish(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    status = main(["fetch", *words])
    said = capsys.readouterr()
    return status, said.out, said.err


def test_fetching_tells_licence_citation_place_size_and_time(things, tmp_path, capsys) -> None:
    status, out, _ = burnish(capsys, "apples", "pears")
    assert status == 0
    for name in ("apples", "pears"):
        assert f"{name}: a made-up {name}\n" in out
        assert f"  package   py-{name} 1.2\n" in out
        assert f"  folder    {tmp_path / 'cache'}/{name}-1 (2.0 MB, new, " in out
    assert out.count("  licence   CC0\n") == out.count("  citation  Nobody (2020).\n") == 2
    _, out, _ = burnish(capsys, "apples")
    assert "(2.0 MB, was here, 0.0 s)" in out


def test_the_list_shows_what_is_here_and_what_it_would_take(things, capsys) -> None:
    burnish(capsys, "pears")
    status, out, _ = burnish(capsys, "--list")
    assert status == 0
    apples, pears = out.split("\n\n")[:2]
    assert "apples" in apples
    assert "not fetched yet (3.5 MB to download)" in apples
    assert "pears-1 (2.0 MB)" in pears


def test_verify_finds_what_the_cheap_check_cannot_and_mends_it(things, tmp_path, capsys) -> None:
    burnish(capsys, "apples")
    texts = tmp_path / "cache" / "apples-1" / "texts"
    times = texts.stat()
    with texts.open("r+b") as file:
        file.write(b"y")
    os.utime(texts, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert "was here" in burnish(capsys, "apples")[1]
    status, out, said = burnish(capsys, "--verify")
    assert status == 0
    assert "damaged, made again" in out
    assert "SHA-256 differs" in said
    assert texts.read_bytes()[:1] == b"x"
    assert "verified" in burnish(capsys, "--verify", "apples")[1]


def test_json_is_one_object_a_line(things, capsys) -> None:
    _, out, _ = burnish(capsys, "apples", "--json")
    fetched = json.loads(out)
    assert fetched["name"] == "apples"
    assert fetched["state"] == "new"
    assert fetched["bytes"] > 2_000_000
    _, out, _ = burnish(capsys, "--list", "--json")
    assert [json.loads(line)["folder"] is None for line in out.splitlines()] == [False, True]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["appels"], "Did you mean 'apples'?"),
        ([], "name at least one of: apples, pears"),
        (["--list", "apples"], "leave out 'apples'"),
        (["--verify"], "nothing is cached in"),
        (["--lst"], "--list"),
        (["./nowhere"], "nowhere: no such folder"),
        ([""], "'': no name of a model or corpus. `burnish fetch --list`"),
        ([" "], "' ': no name"),
    ],
)
def test_wrong_words_leave_with_2_and_a_way_on(things, capsys, words: list[str], said: str) -> None:
    status, out, err = burnish(capsys, *words)
    assert status == 2
    assert out == ""
    assert said in err
    assert "Traceback" not in err


def test_without_the_index_the_first_names_are_still_fetched(things, tmp_path, capsys) -> None:
    things["pears"].reachable = False
    status, out, err = burnish(capsys, "apples", "pears")
    assert status == 2
    assert "apples-1" in out
    assert "index.example could not be reached" in err
    assert not (tmp_path / "cache" / "pears-1").exists()


def test_a_folder_of_one_s_own_is_called_a_folder(things, tmp_path, capsys, monkeypatch) -> None:
    monkeypatch.setattr(corpora, "check_model_folder", lambda folder: None)
    monkeypatch.setattr(corpora.hub, "fetch", lambda name: tmp_path)
    _, out, _ = burnish(capsys, str(tmp_path))
    assert out.startswith(f"{tmp_path}: a model in a folder\n")
    _, out, _ = burnish(capsys, "someone/something")
    assert out.startswith("someone/something: a model of the Hugging Face hub\n")


def test_help_shows_examples(capsys) -> None:
    with pytest.raises(SystemExit) as left:
        main(["fetch", "--help"])
    assert left.value.code == 0
    assert "burnish fetch smollm2-135m minilm ratings" in capsys.readouterr().out
