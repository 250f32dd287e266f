from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from burnish.corpora import pip_settings
from burnish.errors import InputError


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home, and a machine, without any configuration of pip."""
    for name in list(os.environ):
        if name.upper().startswith("PIP_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_CONFIG_DIRS", str(tmp_path / "machine"))
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    return tmp_path


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_without_any_setting_pypi_is_asked(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    settings = pip_settings.read()
    assert settings == pip_settings.PipSettings()
    assert settings.indexes == ("https://pypi.org/simple",)


def test_the_environment_wins_over_the_user_and_the_user_over_the_machine(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(home / "machine/pip/pip.conf", "[global]\nindex-url = https://machine/simple\nproxy = http://machine:1\n")
    write(home / ".pip/pip.conf", "[global]\nindex-url = https://old/simple\ntimeout = 7\n")
    write(home / "config/pip/pip.conf", "[global]\nindex_url = https://user/simple\n[install]\ntrusted-host = a b\n")
    settings = pip_settings.read()
    assert settings.indexes[0] == "https://user/simple"
    assert settings.proxy == "http://machine:1"
    assert settings.timeout_seconds == 7
    assert settings.trusted_hosts == {"a", "b"}
    monkeypatch.setenv("PIP_INDEX_URL", "https://environment/simple")
    assert pip_settings.read().indexes[0] == "https://environment/simple"


def test_lists_may_stand_on_lines_of_their_own(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(home / "own.conf", "[global]\nextra-index-url =\n    https://one/simple\n    https://two/simple\n")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(home / "own.conf"))
    monkeypatch.setenv("PIP_FIND_LINKS", "/wheels https://links/")
    settings = pip_settings.read()
    assert settings.indexes == ("https://pypi.org/simple", "https://one/simple", "https://two/simple")
    assert settings.find_links == ("/wheels", "https://links/")


def test_no_index_leaves_only_the_links(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "true")
    assert pip_settings.read().indexes == ()


def test_a_broken_configuration_is_named(home: Path) -> None:
    write(home / "config/pip/pip.conf", "index-url = https://user/simple\n")
    with pytest.raises(InputError, match=r"config/pip/pip\.conf: pip's configuration cannot be read"):
        pip_settings.read()


def test_a_time_limit_that_is_no_number_is_the_default(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_TIMEOUT", "soon")
    assert pip_settings.read().timeout_seconds == pip_settings.PipSettings.timeout_seconds


def test_credentials_go_to_the_host_they_belong_to_and_to_no_other(home: Path) -> None:
    write(home / "netrc", "machine files.example login bob password hidden\n")
    (home / "netrc").chmod(0o600)
    settings = pip_settings.PipSettings(indexes=("https://ana:s%40cret@index.example/simple",))
    assert settings.credentials("https://index.example/files/a.whl") == ("ana", "s@cret")
    assert settings.credentials("https://eve:x@index.example/files/a.whl") == ("eve", "x")
    assert settings.credentials("https://files.example/a.whl") == ("bob", "hidden")
    assert settings.credentials("https://index.example.evil/a.whl") is None
    assert settings.credentials("https://index.example:8443/a.whl") is None


@pytest.mark.parametrize("with_own_file", [False, True])
def test_pip_itself_looks_in_the_same_places(home: Path, monkeypatch: pytest.MonkeyPatch, with_own_file: bool) -> None:
    """Oracle: what `pip download` says it looks in. All addresses are folders that do not exist: no network."""
    pytest.importorskip("pip")
    write(home / "machine/pip/pip.conf", "[global]\nindex-url = file:///machine\nfind-links = /a /b\n")
    write(home / "config/pip/pip.conf", "[global]\nindex-url = file:///user\n[download]\nfind-links = /c\n")
    write(home / "own.conf", "[global]\nextra-index-url = file:///one file:///two\n")
    if with_own_file:
        monkeypatch.setenv("PIP_CONFIG_FILE", str(home / "own.conf"))
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "-d", str(home), "nothing-of-this-name"]
    said = subprocess.run(command, capture_output=True, text=True, check=False).stdout

    settings = pip_settings.read()
    assert f"Looking in indexes: {', '.join(settings.indexes)}\n" in said
    assert f"Looking in links: {', '.join(settings.find_links)}\n" in said
    assert settings.indexes[0] == ("file:///machine" if with_own_file else "file:///user")
