"""Corrections as rows: edits, grade, weights of tokens; and as demonstrations whose new parts are marked."""

import json

import pytest

from burnish.cli.main import main
from burnish.examples import from_demonstration
from burnish.feedback.corrections.rows import rows_of
from burnish.feedback.rows import Given, to_entry
from burnish.feedback.signals import SignalConfig, heard, signals_from
from burnish.plain import signal_from_plain, signal_to_plain
from burnish.records import Demonstration

ROW = {"prompt": "Lamp?", "completion": "It costs 8 euros.", "correction": "It costs 9 euros.", "author": "ana"}


def corrections():
    return heard([to_entry(ROW, ("file", 1), Given())], SignalConfig())["correction"]


def test_a_row_has_the_edits_the_grade_and_each_token_s_weight():
    (row,) = rows_of(corrections())
    assert (row["changed"], row["grade"]) == (1, pytest.approx(0.8))
    assert [(edit["operation"], edit["old"], edit["new"]) for edit in row["edits"]] == [("replace", "8", "9")]
    assert row["tokens"]["corrected"] == [[0, 2, 0.1], [3, 8, 0.1], [9, 10, 1.0], [11, 16, 0.1], [16, 17, 0.1]]


def test_tokens_are_a_tokenizer_s_and_the_grade_is_of_meaning_too_where_they_are_given():
    def halves(text):
        return [(0, 9), (9, len(text))]

    (row,) = rows_of(corrections(), offsets=halves, embed=lambda texts: [[1.0, 0.0], [0.6, 0.8]], kept=0.0)
    assert row["tokens"]["original"] == [[0, 9, 0.0], [9, 17, 1.0]]
    assert (row["by_meaning"], row["grade"]) == (pytest.approx(0.6), pytest.approx(0.7))


def test_a_corrected_text_is_shown_with_what_is_new_in_it_and_stays_so_in_a_snapshot():
    (shown,) = [s for s in signals_from([to_entry(ROW, ("file", 1), Given())]) if isinstance(s, Demonstration)]
    assert [shown.completion.text[span.start : span.end] for span in shown.spans] == ["9"]
    assert signal_from_plain(json.loads(json.dumps(signal_to_plain(shown)))) == shown
    assert from_demonstration(shown).rows[0].spans == shown.spans  # which is what tokens are weighed by


def test_export_writes_them(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rows.jsonl").write_text(json.dumps(ROW) + "\n")
    assert main(["feedback", "import", "rows.jsonl", "--quiet"]) == 0
    assert main(["feedback", "export", "--corrections", "--kept", "0.2", "--out", "out.jsonl", "--quiet"]) == 0
    (line,) = (tmp_path / "out.jsonl").read_text("utf-8").splitlines()
    assert json.loads(line)["tokens"]["original"][0] == [0, 2, 0.2]
    for words, complaint in (
        (["--encoder", "minilm"], "says nothing here. Add --corrections"),
        (["--corrections", "--kind", "rating"], "--corrections are of one kind"),
        (["--corrections", "--kept", "2"], "--kept: 2 is not from 0 to 1"),
    ):
        capsys.readouterr()
        assert main(["feedback", "export", *words]) == 2
        assert complaint in capsys.readouterr().err
