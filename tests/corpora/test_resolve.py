from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from burnish import corpora
from burnish.corpora import cache as caches
from burnish.errors import InputError


def make_model(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text("{}")
    (folder / "tokenizer.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", 2) + b"{}")


def test_the_known_names() -> None:
    assert corpora.names() == ["minilm", "ratings", "smollm2-135m"]


@pytest.mark.parametrize("name", corpora.names())
def test_every_corpus_says_what_it_is_and_whose(name: str) -> None:
    module = corpora.corpus(name)
    assert module.NAME in corpora.names()
    assert module.KIND in ("model", "texts")
    assert len(module.SUMMARY) < 120
    assert module.LICENCE
    assert "20" in module.CITATION
    assert module.FORMAT >= 1
    assert len(module.RELEASE.sha256) == 64
    assert module.RELEASE.version in module.RELEASE.filename


def test_an_unknown_name_offers_the_nearest() -> None:
    with pytest.raises(InputError, match=r"'smolm2-135' is no model or corpus.*Did you mean 'smollm2-135m'\?"):
        corpora.resolve("smolm2-135")


def test_a_folder_is_returned_when_it_is_a_model(tmp_path: Path) -> None:
    make_model(tmp_path / "mine")
    assert corpora.resolve(tmp_path / "mine") == tmp_path / "mine"
    assert corpora.resolve(str(tmp_path / "mine")) == tmp_path / "mine"
    (tmp_path / "mine" / "config.json").unlink()
    with pytest.raises(InputError, match=r"no config\.json"):
        corpora.resolve(tmp_path / "mine")


def test_a_path_that_does_not_exist_is_not_taken_for_a_name(tmp_path: Path) -> None:
    for given in (tmp_path / "nowhere", "./nowhere", "~/nowhere/at-all"):
        with pytest.raises(InputError, match="no such folder"):
            corpora.resolve(given)


def test_a_known_name_wins_over_a_folder_of_that_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = tmp_path / "cache"

    def fetch(cache: Path, *, check_content: bool = False) -> Path:
        return caches.entry(cache, "minilm-1", make_model, needs=0)

    monkeypatch.setattr(corpora.corpus("minilm"), "fetch", fetch)
    monkeypatch.setenv("BURNISH_CACHE", str(made))
    monkeypatch.chdir(tmp_path)
    make_model(tmp_path / "minilm")
    assert corpora.resolve("minilm") == made / "minilm-1"
    assert corpora.resolve("./minilm") == Path("minilm")


def test_looking_at_the_names_imports_nothing_heavy() -> None:
    code = (
        "import sys; from burnish import corpora; corpora.names(); "
        "heavy = {'torch', 'transformers', 'numpy', 'httpx', 'gguf', 'huggingface_hub'} & set(sys.modules); "
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


# ------------------------------------------------------------------------------------------------------------- the hub


@pytest.fixture
def hub() -> Iterator[tuple[str, dict[str, bytes], list[str]]]:
    """A hub on this machine: its address, the files of its one model `org/good`, and what was asked for."""
    files: dict[str, bytes] = {}
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *args: object) -> None:
            pass

        def do_HEAD(self) -> None:
            self.do_GET()

        def do_GET(self) -> None:
            name = self.path.partition("/resolve/" + "a" * 40 + "/")[2]
            asked.append(self.path)
            body, status = b"{}", 404
            if "/org/good/tree/" in self.path:
                tree = [{"type": "file", "path": each, "size": len(files[each]), "oid": "0" * 40} for each in files]
                body, status = json.dumps(tree).encode(), 200
            elif self.path.startswith("/api/models/org/good"):
                siblings = [{"rfilename": each} for each in files]
                body, status = json.dumps({"id": "org/good", "sha": "a" * 40, "siblings": siblings}).encode(), 200
            elif name in files:
                body, status = files[name], 200
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("X-Repo-Commit", "a" * 40)
            self.send_header("ETag", f'"{len(body)}"')
            if status == 404:
                self.send_header("X-Error-Code", "RepoNotFound")
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", files, asked
    server.shutdown()
    server.server_close()
    thread.join()


def resolve_elsewhere(name: str, endpoint: str, home: Path) -> str:
    """Resolve in a process of its own, since huggingface_hub reads its environment once; returns folder or message."""
    code = """
        import sys
        from burnish import corpora
        from burnish.errors import InputError
        try:
            print(corpora.resolve(sys.argv[1]))
        except InputError as error:
            print(type(error).__name__, error)
    """
    environment = {**os.environ, "HF_HOME": str(home), "HF_ENDPOINT": endpoint, "HF_HUB_DISABLE_TELEMETRY": "1"}
    command = [sys.executable, "-c", textwrap.dedent(code), name]
    return subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout.strip()


def test_a_hub_model_comes_without_its_pickles(hub, tmp_path: Path) -> None:
    pytest.importorskip("huggingface_hub")
    endpoint, files, asked = hub
    make_model(tmp_path / "source")
    files.update({path.name: path.read_bytes() for path in (tmp_path / "source").iterdir()})
    files.update({"pytorch_model.bin": b"pickle", "modeling.py": b"raise SystemExit", "README.md": b"x"})
    folder = Path(resolve_elsewhere("org/good", endpoint, tmp_path / "home"))
    assert sorted(path.name for path in folder.iterdir()) == ["config.json", "model.safetensors", "tokenizer.json"]
    assert not any("pytorch_model" in path or "modeling" in path for path in asked)


def test_a_hub_model_that_has_only_pickles_is_refused(hub, tmp_path: Path) -> None:
    pytest.importorskip("huggingface_hub")
    endpoint, files, _ = hub
    files.update({"config.json": b"{}", "tokenizer.json": b"{}", "pytorch_model.bin": b"pickle"})
    said = resolve_elsewhere("org/good", endpoint, tmp_path)
    assert "model.safetensors: missing, so the model has no weights" in said


def test_a_hub_without_the_model_and_no_hub_are_told_apart(hub, tmp_path: Path) -> None:
    pytest.importorskip("huggingface_hub")
    endpoint, _, _ = hub
    said = resolve_elsewhere("org/unknown", endpoint, tmp_path)
    assert said.startswith("InputError org/unknown: http://127.0.0.1")
    assert "has no such public model (HTTP 404)" in said
    said = resolve_elsewhere("org/unknown", "http://127.0.0.1:9", tmp_path)
    assert said.startswith("UnreachableError org/unknown: http://127.0.0.1:9 could not be reached")
    assert "HF_ENDPOINT" in said


def test_without_huggingface_hub_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(InputError, match=r"org/good: .*needs the package huggingface_hub.*burnish\[train\]"):
        corpora.resolve("org/good")
