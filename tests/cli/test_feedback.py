import argparse
import gzip
import io
import json
import subprocess
import sys

import pytest

from burnish.cli import feedback
from burnish.cli.main import main
from burnish.errors import InputError
from burnish.records import Checkpoint
from burnish.store import open_store

UP = {"prompt": "Hi", "completion": "Hello", "thumb": True, "author": "ana"}
RATED = {"prompt": "Hi", "completion": "Hello", "rating": 4, "scale": [1, 5], "author": "bob"}


@pytest.fixture
def db(tmp_path):
    return f"sqlite:///{tmp_path / 'burnish.db'}"


@pytest.fixture
def run(db, capsys):
    """Runs the verb on a database of its own; returns (status, standard output)."""

    def call(*words):
        parser = argparse.ArgumentParser()
        feedback.add_arguments(parser)
        status = feedback.run(parser.parse_args([*map(str, words), "--db", db]))
        return status, capsys.readouterr().out

    return call


@pytest.fixture
def file(tmp_path):
    def write(*rows, name="rows.jsonl"):
        path = tmp_path / name
        path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
        return path

    return write


def test_import_says_what_was_wrong_where_and_ends_with_both_counts(run, file):
    path = file(UP, {**UP, "completion": ""}, RATED, "nonsense")
    status, out = run("import", path)
    lines = out.splitlines()
    assert status == 0
    assert lines[0].startswith(f"{path}:2: completion: empty")
    assert lines[1].startswith(f"{path}:4: ")
    assert lines[-1] == "2 records stored, 0 already known; 2 of 4 lines refused."
    assert run("import", path)[1].splitlines()[-1] == "0 records stored, 2 already known; 2 of 4 lines refused."


def test_import_of_a_file_of_nonsense_shows_twenty_problems_and_a_count(run, file):
    status, out = run("import", file(*["nonsense"] * 30))
    lines = out.splitlines()
    assert status == 0
    assert len(lines) == 22
    assert lines[20] == "... and 10 more lines with problems"


def test_strict_import_stores_nothing_and_exits_2(run, file):
    status, out = run("import", file(UP, name="good.jsonl"), file("x", name="bad.jsonl"), "--strict")
    assert status == 2
    assert (
        out.splitlines()[-1]
        == "0 records stored, 0 already known; 1 of 2 lines refused. Nothing was stored (--strict)."
    )
    assert json.loads(run("stats", "--json")[1])["records"] == 0
    assert run("import", file(UP), "--strict")[0] == 0


@pytest.mark.parametrize("flag", ["--author", "--source"])
def test_a_flag_no_record_may_have_is_refused_before_anything_is_made(run, file, tmp_path, flag):
    path = file(UP)
    with pytest.raises(InputError, match=f"{flag[2:]}: .*without control characters"):
        run("import", path, flag, "a\tb")
    assert list(tmp_path.iterdir()) == [path]


def test_import_as_json(run, file):
    path = file(UP, "nonsense")
    out = json.loads(run("import", path, "--json")[1])
    assert (out["stored"], out["refused"], out["lines"]) == (1, 1, 2)
    (problem,) = out["problems"]
    assert (problem["file"], problem["line"]) == (str(path), 2)
    assert problem["offset"] == len(json.dumps(UP)) + 1


def test_import_with_replacement_author_and_source(run, file):
    run("import", file({**UP, "id": "v"}))
    changed = file({**UP, "thumb": False, "id": "v"})
    assert "1 of 1 line refused" in run("import", changed)[1]
    assert "1 left as they were" in run("import", changed, "--on-duplicate", "skip")[1]
    assert "1 replaced" in run("import", changed, "--on-duplicate", "replace")[1]
    run("import", file({"prompt": "Hi", "completion": "x", "thumb": True}), "--author", "cem", "--source", "shop")
    rows = [json.loads(line) for line in run("export", "--kind", "thumb")[1].splitlines()]
    assert [(row["thumb"], row["author"], row.get("source")) for row in rows] == [
        (False, "ana", None),
        (True, "cem", "shop"),
    ]


def test_import_tells_what_a_line_says_otherwise_of_a_prompt(run, file):
    run("import", file({**UP, "prompt_extra": {"split": "test"}}))
    path = file({**RATED, "prompt_extra": {"split": "train", "reference": "Hello!"}})
    note = "prompt_extra: the store has another reference of this prompt, which stays."
    assert run("import", path)[1].splitlines() == [
        f"{path}:1: {note}",
        "1 record stored, 0 already known, 1 line whose prompt_extra was not taken; 0 of 1 line refused.",
    ]
    out = json.loads(run("import", path, "--json")[1])
    assert (out["known"], out["noted"], out["notes"][0]["reason"]) == (1, 1, note)


def test_import_reads_standard_input_and_gzip(run, tmp_path, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(json.dumps(UP).encode())))
    assert "1 record stored" in run("import", "-")[1]
    packed = tmp_path / "rows.jsonl.gz"
    packed.write_bytes(gzip.compress(json.dumps(RATED).encode()))
    assert "1 record stored" in run("import", packed)[1]


def test_a_missing_file_or_database_is_told_and_nothing_is_created(run, tmp_path):
    with pytest.raises(InputError, match="no such file"):
        run("import", tmp_path / "none.jsonl")
    for verb in (["stats"], ["export"], ["delete", "--author", "ana"]):
        with pytest.raises(InputError, match="does not exist"):
            run(*verb)
    assert list(tmp_path.iterdir()) == []


def test_export_goes_to_standard_output_or_a_file_and_comes_back(run, file, tmp_path):
    run("import", file(UP, RATED))
    lines = run("export")[1].splitlines()
    assert [json.loads(line)["author"] for line in lines] == ["ana", "bob"]
    out = tmp_path / "out.jsonl"
    assert run("export", "--out", out) == (0, "")
    assert out.read_text().splitlines() == lines
    assert "2 already known" in run("import", out)[1]
    only = run("export", "--kind", "rating", "--kind", "comment")[1].splitlines()
    assert [json.loads(line)["rating"] for line in only] == [4]
    with pytest.raises(InputError, match="Did you mean 'rating'"):
        run("export", "--kind", "ratings")


def test_one_is_told_as_one(run, file, tmp_path, capsys):
    run("import", file(RATED))
    assert run("stats")[1].startswith("1 record by 1 named person and 0 anonymous answers\n1 prompt, 1 completion, ")


def test_every_verb_shows_progress_and_keeps_quiet_when_asked(db, file, tmp_path, capsys):
    words = ["--db", db]
    assert main(["feedback", "import", str(file(UP, RATED)), *words, "--quiet"]) == 0
    out = str(tmp_path / "out.jsonl")
    for argv, told in (
        (["export"], "exporting: done, 2/2 records"),
        (["export", "--out", out, "--kind", "thumb"], "exporting: done, 1/1 records"),
        (["stats"], "reading: done, 2/2 records"),
        (["delete", "--author", "ana", "--yes"], "erasing: done, 1 records"),
    ):
        capsys.readouterr()
        if argv[0] != "delete":
            assert main(["feedback", *argv, *words, "--quiet"]) == 0
            assert capsys.readouterr().err == ""
            assert main(["feedback", *argv, *words, "--json"]) == 0
            said = capsys.readouterr()
            assert json.loads(said.err.splitlines()[0])["state"] == "done"
            if "--out" in argv:
                assert json.loads(said.out) == {"records": 1, "out": out}
        assert main(["feedback", *argv, *words]) == 0
        assert told in capsys.readouterr().err


@pytest.mark.parametrize("verb", ["export", "stats", "delete"])
def test_help_says_what_a_verb_does_with_examples(verb, capsys):
    with pytest.raises(SystemExit):
        main(["feedback", verb, "--help"])
    out = capsys.readouterr().out
    assert f"examples\n  burnish feedback {verb}" in out
    assert len(out.partition("options:")[0].split("\n\n")[1]) > 50


def test_stats_tell_counts_people_and_agreement(run, file):
    rows = [
        {**RATED, "completion": text, "rating": rating, "author": f"p{number}"}
        for text, ratings in (("A", (1, 2, 1)), ("B", (4, 5, 5)), ("C", (3, 3, 2)))
        for number, rating in enumerate(ratings)
    ]
    run("import", file(*rows, UP, {**UP, "author": ""}))
    status, out = run("stats")
    assert status == 0
    assert "11 records by 4 named people and 1 anonymous answer\n" in out
    assert "1 prompt, 4 completions, 0 superseded, 0 erased, 0 snapshots" in out
    assert "rating" in out
    assert "agreement alpha 0.8" in out
    assert "agreement unknown: only one unit" in out
    plain = json.loads(run("stats", "--json")[1])
    assert (plain["records"], plain["people"], plain["by_kind"]) == (11, 4, {"rating": 9, "thumb": 2})
    low, high = plain["agreement"]["ci95"]
    assert low <= plain["agreement"]["alpha"] <= high
    assert plain["prompts"] == 1


def test_delete_asks_first_and_names_what_used_the_words(run, file, db, monkeypatch):
    run("import", file(UP, {**UP, "completion": "Ho"}, RATED))
    with open_store(db) as store:
        from burnish.feedback.signals import signals_from

        snapshot = store.save_snapshot(signals_from(store.entries()))
        store.record_checkpoint(Checkpoint("ck_1", "somewhere", "model", snapshot=snapshot))
    with pytest.raises(InputError, match="Say so with --yes"):
        run("delete", "--author", "ana")
    monkeypatch.setattr("sys.stdin", _Terminal("n\n"))
    with pytest.raises(InputError, match="nothing was erased"):
        run("delete", "--author", "ana")
    monkeypatch.setattr("sys.stdin", _Terminal("y\n"))
    status, out = run("delete", "--author", "ana")
    assert status == 0
    assert "2 records erased" in out
    assert snapshot in out
    assert "ck_1" in out
    assert [json.loads(line)["author"] for line in run("export")[1].splitlines()] == ["bob"]


class _Terminal(io.StringIO):
    def isatty(self):
        return True


def test_delete_one_record_as_json(run, file):
    run("import", file({**UP, "id": "v"}, RATED))
    out = json.loads(run("delete", "--id", "v", "--yes", "--json")[1])
    lineage = {"snapshots": [], "checkpoints": [], "purged": True, "texts_kept": 0}
    assert out == {"tombstones": 1, **lineage, "judge_answers": 0}
    assert json.loads(run("stats", "--json")[1])["erased"] == 1
    with pytest.raises(InputError, match="no record is called 'v'"):
        run("delete", "--id", "v", "--yes")


def test_erasing_one_person_leaves_what_others_said_of_a_text_alone(run, file):
    tie = {"prompt": "Hi", "chosen": "fine", "rejected": "bad", "tie": "good", "author": "ana"}
    on_it = {"prompt": "Hi", "completion": "good", "rating": 4, "scale": [1, 5], "author": "bo"}
    run("import", file(tie, on_it))
    assert run("delete", "--author", "ana", "--yes")[1].startswith("1 record erased; a tombstone")
    assert [json.loads(line)["author"] for line in run("export")[1].splitlines()] == ["bo"]
    assert run("delete", "--author", "bo", "--yes")[0] == 0


def test_delete_tells_of_a_text_that_stays_because_others_spoke_of_it(run, file):
    fixed = {"prompt": "Hi", "completion": "Helo", "correction": "Hello", "author": "ana"}
    run("import", file(fixed, {**UP, "author": "bo"}))
    assert "1 text of theirs kept" in run("delete", "--author", "ana", "--yes")[1]


def test_delete_by_id_names_what_came_in_the_same_line(run, file):
    run("import", file({**RATED, "comment": "meh", "id": "r1"}))
    with pytest.raises(InputError, match=r"Erase 'r1' of bob \(rated 4 .*\), with what came in its line: comment\?"):
        run("delete", "--id", "r1")
    assert "2 records erased" in run("delete", "--id", "r1", "--yes")[1]
    assert run("export")[1] == ""


def test_delete_of_an_unknown_author_offers_the_nearest(run, file):
    run("import", file(UP))
    with pytest.raises(InputError, match="Did you mean 'ana'"):
        run("delete", "--author", "anna", "--yes")
    with pytest.raises(InputError, match="Anonymous answers"):
        run("delete", "--author", "", "--yes")
    with pytest.raises(InputError, match="no ai called 'ana'"):
        run("delete", "--author", "ana", "--author-kind", "ai", "--yes")


def test_the_verb_needs_no_torch():
    code = (
        "import sys, burnish.cli.feedback, burnish.feedback.intake, burnish.feedback.signals\n"
        "import burnish.feedback.overview, burnish.feedback.outgoing\n"
        "assert not {'torch', 'transformers', 'sklearn', 'matplotlib'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
