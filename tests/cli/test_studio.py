"""Starting the studio: what is printed, and what is said when it cannot start."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

pytest.importorskip("uvicorn", reason="needs the studio extra")

from burnish.cli import studio
from burnish.cli.main import main
from burnish.errors import InputError
from burnish.store import open_store
from burnish.studio import StudioSettings


def test_the_first_start_prints_a_link_and_ctrl_c_ends_it(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "burnish", "studio", "--port", "0", "--host", "127.0.0.1"]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
    ) as started:
        assert started.stdout
        said = started.stdout.readline() + started.stdout.readline() + started.stdout.readline()
        link = re.search(r"http://127\.0\.0\.1:\d+/invite/[\w-]{43}", said)
        assert link, said
        page = httpx.get(link.group(0))
        started.send_signal(signal.SIGINT)
        rest = started.stdout.read()
        status = started.wait(timeout=20)
    assert (page.status_code, status) == (200, 0), rest
    assert "server" not in page.headers
    assert "Traceback" not in rest


def test_the_link_is_new_each_time_until_there_is_an_owner(tmp_path: Path) -> None:
    settings = StudioSettings()
    with open_store(f"sqlite:///{tmp_path}/s.db") as store:
        links = [studio.greeting(store, settings, "http://h").split("/invite/")[1] for _ in range(2)]
        offers = [store.accounts.invited(key, now_ms=0) for key in links]
        assert offers[0] is None
        assert offers[1] is not None
        store.accounts.add("ana", "owner", password="scrypt$...", now_ms=1)
        assert "/invite/" not in studio.greeting(store, settings, "http://h")
        assert "/invite/" in studio.greeting(store, settings, "http://h", owner_link=True)


def test_a_taken_port_is_told_with_the_remedy(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        status = main(["studio", "--port", str(port), "--db", f"sqlite:///{tmp_path}/s.db"])
    assert status == 2
    assert f"--port: {port} is taken" in capsys.readouterr().err
    assert not (tmp_path / "s.db").exists()


@pytest.mark.parametrize(
    ("host", "port", "said"),
    [("127.0.0.1", 70000, "no port"), ("no such host", 8900, "no address"), ("192.0.2.1", 0, "not an address of this")],
)
def test_an_address_that_cannot_be_is_told(host: str, port: int, said: str) -> None:
    with pytest.raises(InputError, match=said):
        studio.listening(host, port)


def test_a_store_that_cannot_be_opened_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["studio", "--port", "0", "--db", f"sqlite:///{tmp_path}/none/s.db"]) == 2
    assert "does not exist" in capsys.readouterr().err


@pytest.mark.parametrize("flags", [("--engine", "names"), ("--key-file", "mine.key")])
def test_flags_of_masking_are_refused_where_nothing_is_masked(
    flags: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["studio", "--port", "0", "--db", f"sqlite:///{tmp_path}/s.db", *flags]) == 2
    assert f"{flags[0]}: nothing is masked without --mask" in capsys.readouterr().err
    assert not (tmp_path / "s.db").exists()


@pytest.mark.parametrize(("flags", "weights"), [((), "as-is"), (("--weights", "int8"), "int8")])
def test_what_conversations_are_decoded_with_is_chosen_by_name(
    flags: tuple[str, ...], weights: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = []

    def noted(store: object, settings: StudioSettings) -> None:
        chosen.append(settings.weights)
        raise InputError("far enough")

    monkeypatch.setattr("burnish.studio.create_app", noted)
    assert main(["studio", "--port", "0", "--db", f"sqlite:///{tmp_path}/s.db", *flags]) == 2
    assert chosen == [weights]


def test_a_device_that_is_not_there_is_told_before_a_store_is_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["studio", "--port", "0", "--db", f"sqlite:///{tmp_path}/s.db", "--device", "gpu"]) == 2
    assert "device: 'gpu' is no device burnish runs on" in capsys.readouterr().err
    assert not (tmp_path / "s.db").exists()


def test_only_names_that_were_given_are_answered_to() -> None:
    assert studio._names("0.0.0.0", ["Studio.example.org"]) == ("127.0.0.1", "localhost", "[::1]", "studio.example.org")
    assert studio._names("::1", []) == ("127.0.0.1", "localhost", "[::1]")


@pytest.mark.parametrize(("language", "name"), [("zh_CN.UTF-8", "da-bai-hua"), ("C", "plain-words")])
def test_a_store_that_nobody_owns_yet_has_something_to_answer(
    language: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LC_ALL", language)
    with open_store(f"sqlite:///{tmp_path}/s.db") as store:
        for _ in range(2):
            studio.open_example(store)
        assert [(each.name, each.state) for each in store.studies.listing()] == [(name, "open")]
    with open_store(f"sqlite:///{tmp_path}/owned.db") as store:
        store.accounts.add("ana", "owner", password="scrypt$...", now_ms=1)
        studio.open_example(store)
        assert store.studies.listing() == []
