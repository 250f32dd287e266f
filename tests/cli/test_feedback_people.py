"""`burnish feedback stats` on people and its report, and `burnish feedback doctor`."""

import argparse
import csv
import json

import numpy as np
import pytest
from scipy.special import expit

from burnish.cli import feedback
from burnish.errors import InputError

SLOPES = {"ana": 2.5, "bo": 2.5, "cy": 2.5, "<b>mallory</b>": -2.5, "lefty": 0.0}


def rows(n=60):
    generator = np.random.default_rng(0)
    for number in range(n):
        better, worse = f"a lovely bright lamp, the {number}th", f"a dull broken lamp, the {number}th of them all"
        for person, slope in SLOPES.items():
            turned = bool(generator.random() < 0.5)
            level = slope * (-1 if turned else 1) + (3 if person == "lefty" else 0)
            left = bool(generator.random() < expit(level))
            chosen = better if left != turned else worse
            yield {
                "prompt": f"about lamp {number}",
                "chosen": chosen,
                "rejected": worse if chosen == better else better,
                "shown_first": "chosen" if left else "rejected",
                "author": person,
                "id": f"{number}-{person}",
            }


@pytest.fixture(scope="module")
def db(tmp_path_factory):
    folder = tmp_path_factory.mktemp("people")
    path = folder / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows()))
    url = f"sqlite:///{folder / 'burnish.db'}"
    assert call("import", path, "--db", url) == 0
    return url


def call(*words):
    parser = argparse.ArgumentParser()
    feedback.add_arguments(parser)
    return feedback.run(parser.parse_args(list(map(str, words))))


def test_stats_say_who_answers_how(db, capsys):
    assert call("stats", "--db", db) == 0
    out = capsys.readouterr().out
    assert "how people answer: 3 careful, 1 adversarial, 1 one-sided" in out
    (line,) = [line for line in out.splitlines() if line.startswith("  <b>mallory</b>")]
    assert line.endswith("adversarial")


def test_stats_as_json_hold_the_same(db, capsys):
    call("stats", "--db", db, "--json")
    authors = {each["author"]["id"]: each for each in json.loads(capsys.readouterr().out)["authors"]}
    assert authors["lefty"]["manner"] == "one-sided"
    assert authors["ana"]["slope"]["ci95"][0] > 0.3
    assert authors["ana"]["answers"] == 60


def test_the_report_is_one_file_with_pictures_and_nothing_from_outside(db, tmp_path, capsys):
    pytest.importorskip("matplotlib")
    pytest.importorskip("jinja2")
    path = tmp_path / "report.html"
    call("stats", "--db", db, "--out", path)
    page = path.read_text(encoding="utf-8")
    assert page.count("<svg") == 3
    assert "<b>mallory" not in page
    assert "mallory" in page
    assert "default-src 'none'" in page
    assert "http" not in page.replace('http-equiv="', "").replace("http://www.w3.org", "")
    assert "<script" not in page


def test_doctor_lists_the_turned_records_first(db, capsys):
    assert call("doctor", "--db", db, "--n", "3") == 0
    out = capsys.readouterr().out
    assert "300 labels examined" in out
    shown = [line for line in out.splitlines() if "is better" in line]
    assert len(shown) == 3
    assert all("mallory" in line or "lefty" in line for line in shown)
    assert "The longer text won" in out


def test_doctor_as_json(db, capsys):
    call("doctor", "--db", db, "--json", "--kind", "comparison")
    found = json.loads(capsys.readouterr().out)
    assert found["labels"] == 300
    assert found["suspects"][0]["chance_wrong"] > 0.5
    assert found["contradictions"] == []


def test_the_findings_as_one_page(db, tmp_path):
    pytest.importorskip("matplotlib")
    pytest.importorskip("jinja2")
    path = tmp_path / "findings.html"
    call("doctor", "--db", db, "--out", path, "--n", "5")
    page = path.read_text(encoding="utf-8")
    assert page.count("<svg") == 2
    assert page.count("is better</td>") == 5
    assert "<b>mallory" not in page
    assert "<script" not in page


def test_wrong_flags_are_refused(db):
    with pytest.raises(InputError, match="--n: 0 shows nothing"):
        call("doctor", "--db", db, "--n", "0")
    with pytest.raises(InputError, match="Did you mean 'rating'"):
        call("doctor", "--db", db, "--kind", "raiting")


def test_items_and_pairs_are_told_with_intervals_and_weights(db, capsys):
    assert call("stats", "--db", db, "--items", "--pairs", "--people", "annotators") == 0
    out = capsys.readouterr().out
    items, pairs = out.split("texts that were compared")[1].split("pairs, the surest first")
    first = next(line for line in items.splitlines() if "a lovely bright lamp" in line)
    assert first.split()[2].startswith("+")
    assert "and 90 more items; --all shows them" in items
    assert "a lovely bright lamp" in pairs.splitlines()[2].split("|")[0]


def test_tables_are_written_as_json_lines_and_csv(db, tmp_path, capsys):
    folder = tmp_path / "figures"
    assert call("stats", "--db", db, "--tables", folder, "--quiet") == 0
    pairs = [json.loads(line) for line in (folder / "pairs.jsonl").read_text("utf-8").splitlines()]
    assert len(pairs) == 60
    assert all(0.5 <= pair["probability"] <= 1 and pair["answers"] == 5 for pair in pairs)
    rows = list(csv.DictReader((folder / "items.csv").read_text("utf-8").splitlines()))
    assert len(rows) == 120
    assert float(rows[0]["low"]) < float(rows[0]["mean"]) < float(rows[0]["high"])
    assert (folder / "people.csv").read_text("utf-8").count("\n") == 6


@pytest.mark.parametrize("verb", ["stats", "doctor"])
def test_a_report_is_not_put_into_a_folder_that_nobody_made(db, tmp_path, verb):
    with pytest.raises(InputError, match=r"is no folder. Make it first"):
        call(verb, "--db", db, "--out", tmp_path / "none" / "report.html")


def test_what_would_say_nothing_is_refused(db, tmp_path):
    with pytest.raises(InputError, match=r"--ties: says nothing here. Add --items"):
        call("stats", "--db", db, "--ties", "davidson")
    with pytest.raises(InputError, match="--ties davidson: has all people count alike, and --people reliable does not"):
        call("stats", "--db", db, "--pairs", "--ties", "davidson", "--people", "reliable")
    with pytest.raises(InputError, match="--ties davidson: no comparisons hold both ties and decided pairs"):
        call("stats", "--db", db, "--pairs", "--ties", "davidson")
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="is no folder"):
        call("stats", "--db", db, "--tables", tmp_path / "file")
