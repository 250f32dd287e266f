import json

import pytest

from burnish.cli.main import main
from burnish.feedback.masking import Finding
from burnish.store import open_store
from burnish.store.judge_cache import JudgeCache

ROW = {"prompt": "Mail jane@example.com", "completion": "Call 212-555-0147.", "rating": 4, "scale": [1, 5]}


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rows.jsonl").write_text(
        json.dumps(ROW) + "\n" + json.dumps({**ROW, "author": "ana@example.org"}) + "\n"
    )
    return tmp_path


@pytest.fixture
def run(here, capsys):
    def call(*words):
        status = main(["feedback", *words, "--quiet"])
        return status, capsys.readouterr().out

    return call


def test_without_out_it_says_what_there_is_and_writes_nothing(run, here):
    status, out = run("mask", "rows.jsonl")
    assert status == 0
    assert out.splitlines()[0] == "personal data: 5 places, 3 values; entries with any: 2 of 2"
    assert "nothing was written" in out
    assert {path.name for path in here.iterdir()} == {"rows.jsonl"}


def test_a_file_is_masked_and_put_back(run, here):
    pytest.importorskip("cryptography")
    assert run("mask", "rows.jsonl", "--out", "masked.jsonl", "--vault", "v")[0] == 0
    assert "@example" not in (here / "masked.jsonl").read_text()
    assert run("mask", "masked.jsonl", "--out", "back.jsonl", "--vault", "v", "--reveal")[0] == 0
    back = [json.loads(line) for line in (here / "back.jsonl").read_text().splitlines()]
    assert [{key: row[key] for key in ROW} for row in back] == [ROW, ROW]
    assert back[1]["author"] == "ana@example.org"


def test_an_import_masks_before_anything_is_stored(run, here):
    status, out = run("import", "rows.jsonl", "--mask", "--json")
    assert status == 0
    assert json.loads(out)["masked"]["by_type"] == {"EMAIL": 3, "PHONE": 2}
    assert b"jane@" not in (here / "burnish.db").read_bytes()
    assert json.loads(run("import", "rows.jsonl", "--mask", "--json")[1])["known"] == 2


def test_a_person_is_found_by_their_name_though_it_was_masked(run, here):
    run("import", "rows.jsonl", "--mask")
    assert run("delete", "--author", "ana@example.org", "--yes")[0] == 2
    status, out = run("delete", "--author", "ana@example.org", "--key-file", "burnish-mask.key", "--yes")
    assert (status, out.splitlines()[0]) == (0, "1 record erased; a tombstone stays for each.")


def test_deleting_reaches_what_judges_answered_about_the_words(run, here):
    theirs, others = "Ask Ana, 212-555-0147. She mends lamps on Mondays.", "Somebody else asked about a toaster."
    (here / "written.jsonl").write_text(json.dumps({**ROW, "author": "ana@example.org", "correction": theirs}) + "\n")
    run("import", "written.jsonl")
    with JudgeCache("burnish-judges.db") as cache:
        cache.put({"a": '"Mondays it is"', "b": '"toast"'}, {"a": [f"Judge:\n{theirs}\nThanks."], "b": [others]})
    out = run("delete", "--author", "ana@example.org", "--yes")[1]
    assert "1 answer of judges about their words left burnish-judges.db." in out
    with JudgeCache("burnish-judges.db") as cache:
        assert cache.get(["a", "b"]) == {"b": '"toast"'}
    assert b"Mondays" not in (here / "burnish-judges.db").read_bytes()


def test_a_store_is_masked_into_another(run, here):
    run("import", "rows.jsonl")
    status, out = run("mask", "--into", "sqlite:///masked.db", "--json")
    assert (status, json.loads(out)["places"]) == (0, 3)
    with open_store(f"sqlite:///{here}/masked.db") as store:
        assert store.stats()["records"] == 2
    assert b"jane@" not in (here / "masked.db").read_bytes()
    assert run("mask", "--out", "-")[1].count("[EMAIL_") == 3


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["mask", "rows.jsonl", "--types", "EMIAL"], "--types: 'EMIAL' is unknown. Did you mean 'EMAIL'"),
        (["mask", "rows.jsonl", "--reveal"], "--reveal: needs FILE, --vault FILE and --out FILE"),
        (["mask", "rows.jsonl", "--engine", "no_such_engine:find"], "--engine: 'no_such_engine:find' cannot be used"),
        (["mask", "none.jsonl"], "none.jsonl: no such file"),
        (["mask", "rows.jsonl", "--out", "-", "--json"], "--json: would stand among the lines"),
    ],
)
def test_slips_are_told(here, capsys, words, said):
    assert main(["feedback", *words]) == 2
    assert said in capsys.readouterr().err


def test_a_store_is_not_masked_into_itself(run, here, capsys):
    run("import", "rows.jsonl")
    assert main(["feedback", "mask", "--into", "sqlite:///burnish.db"]) == 2
    assert "is the store that is read" in capsys.readouterr().err


def test_an_engine_of_another_package_is_asked_too(run, here, monkeypatch):
    monkeypatch.syspath_prepend(here)
    (here / "ner.py").write_text(
        "def find(text):\n    yield from [(0, 4, 'VERB')] if text[:4] in ('Mail', 'Call') else []\n"
    )
    out = json.loads(run("mask", "rows.jsonl", "--engine", "ner:find", "--json")[1])
    assert out["by_type"] == {"EMAIL": 3, "PHONE": 2, "VERB": 4}


def test_our_engine_of_names_has_a_short_word(run, here, monkeypatch):
    monkeypatch.setattr("burnish.feedback.masking.people.engine", lambda: lambda text: [Finding(0, 4, "NAME")])
    assert json.loads(run("mask", "rows.jsonl", "--engine", "names", "--json")[1])["by_type"]["NAME"] >= 4


def test_only_the_types_that_are_asked_for(run):
    out = json.loads(run("mask", "rows.jsonl", "--types", "phone", "--json")[1])
    assert out["by_type"] == {"PHONE": 2}
