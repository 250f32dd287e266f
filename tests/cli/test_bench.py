"""`burnish bench`: what is refused, what is written, and the page from results."""

import json

import pytest

from burnish.bench import run
from burnish.cli.main import main


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["gpro"], "Did you mean 'grpo'"),
        (["grpo", "--peer", "trl", "--peers", "nowhere"], "make peers"),
        (["all", "--peers", "nowhere"], "make peers"),
        (["grpo", "--peer", "transformers"], "compared with trl"),
        (["grpo", "--repeats", "0"], "--repeats: 0"),
        (["grpo", "--docs", "x"], "burnish bench report --docs x"),
        (["report"], "--docs DIR"),
        (["report", "--docs", "x", "--results", "nowhere"], "no results here"),
        (["all", "--json", "x"], "--results DIR"),
        (["grpo", "--peer", "torch"], "'torch' is not one of the choices"),
    ],
)
def test_what_is_wrong_is_told(argv, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["bench", *argv]) == 2
    assert message in capsys.readouterr().err


@pytest.fixture
def measured(monkeypatch):
    """What `measure` would find, without measuring."""
    side = {"what": "x", "median": 2.0, "min": 1.0, "max": 3.0, "tokens_per_second": 5.0, "peak_memory_gib": 1.0}

    def measure(name, options):
        axes = {"axes": {"length": [{"at": 32, **side}]}} if name == "growth" else {}
        return {
            "name": name, "summary": name, "command": f"burnish bench {name}", "repeats": options.repeats,
            "time": "now", "ratio": 4.0 if options.peer else None, "ours": side, "peer": side if options.peer else None,
            "peak_share": None, "machine": {"processor": "P", "usable_cores": 2}, **axes,
        }  # fmt: skip

    monkeypatch.setattr(run, "measure", measure)
    monkeypatch.setattr(run, "check", lambda name, options: None)


def test_json_goes_to_a_file_and_the_table_to_the_screen(measured, tmp_path, capsys):
    assert main(["bench", "grpo", "--peer", "trl", "--json", str(tmp_path / "new" / "grpo.json")]) == 0
    assert json.loads((tmp_path / "new" / "grpo.json").read_text("utf-8"))["ratio"] == 4.0
    assert "**4.0**" in capsys.readouterr().out


def test_a_dash_prints_the_json(measured, capsys):
    assert main(["bench", "sft", "--json", "-"]) == 0
    assert json.loads(capsys.readouterr().out)["ratio"] is None


def test_all_measures_each_against_its_peer_and_writes_the_page(measured, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["bench", "all", "--docs", "docs", "--quiet"]) == 0
    names = {path.stem for path in (tmp_path / "benchmarks" / "results").iterdir()}
    assert names == {"generate", "mixed", "grpo", "dpo", "sft", "reward", "growth"}
    text = (tmp_path / "docs" / "benchmarks.md").read_text("utf-8")
    assert text.count("**4.0**") == 6
    assert "growth.svg" in text
    assert main(["bench", "report", "--docs", "again"]) == 0
    assert (tmp_path / "again" / "benchmarks.md").read_text("utf-8") == text
