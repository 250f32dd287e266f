"""`burnish feedback comments` and `burnish feedback next --comments`."""

import json

import pytest

from burnish.cli.main import main
from burnish.loop.heard import Heard
from burnish.loop.material import signals_of
from burnish.models.scripted import Scripted
from burnish.records import Score

WORTH = {"blip": 5, "blop": 3, "blap": 1, "great": 5, "terrible": 1}


@pytest.fixture
def call(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    rows = [
        {"prompt": f"q{number}", "completion": f"text {number}", "comment": f"a {word} lamp", "author": "ana"}
        | {"kind": "rating", "rating": WORTH[word], "scale": [1, 5]}
        for number in range(100)
        for word in [list(WORTH)[number % 5]]
    ]
    rows.append({"prompt": "q", "completion": "text", "comment": "a blap lamp", "author": "bo", "id": "bo-1"})
    rows.append({"prompt": "q", "completion": "another", "comment": "灯很好,可是贵", "author": "cy"})
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    assert main(["feedback", "import", "rows.jsonl", "--quiet"]) == 0
    capsys.readouterr()

    def run(*words):
        status = main(["feedback", *map(str, words), "--quiet"])
        out, err = capsys.readouterr()
        return status, out, err

    return run


def readers(out):
    return {each["reader"]: each for each in json.loads(out)["readers"]}


def test_readers_are_measured_on_comments_held_out_and_one_takes_over(call, tmp_path):
    status, out, _ = call("comments", "--by", "learned", "--out", "readings.jsonl", "--json")
    found = readers(out)
    assert status == 0
    assert json.loads(out)["graded"] == 100
    assert found["learned"]["error"] < found["weighed"]["error"]
    assert found["learned"]["gain"]["ci95"][0] > 0
    assert json.loads(out)["written"] == 102
    plain, taken = (
        [each for each in signals_of(str(tmp_path / "rows.jsonl"), None, heard) if isinstance(each, Score)]
        for heard in (None, Heard(readings="readings.jsonl").config())
    )
    assert len(taken) > len(plain)  # bo gave no grade, and no rule knows what a blap lamp is


def test_the_table_says_what_each_is_worth(call):
    out = call("comments")[1]
    assert out.startswith("102 comments, 100 beside a grade of the same person\n")
    assert [line.split()[0] for line in out.splitlines()[2:]] == ["reader", "rules", "weighed", "learned"]


def test_a_scorer_is_kept_and_used_again(call):
    first = readers(call("comments", "--save", "scorer", "--json")[1])["learned"]
    again = readers(call("comments", "--scorer", "scorer", "--json")[1])["learned"]
    assert again["learned_from"] == 0 < first["learned_from"]
    assert again["error"] < 1
    status, _, err = call("comments", "--save", "scorer")
    assert status == 2
    assert "is there already" in err


def test_a_model_reads_and_its_failures_are_counted(call, monkeypatch):
    said = {"great": 4, "terrible": -4, "blip": 4, "blop": 0}

    def answer(prompt, seed):
        return next((str(value) for word, value in said.items() if word in prompt.messages[-1].content), "no idea")

    monkeypatch.setattr("burnish.judges.asking.backends.local_sampler", lambda name: Scripted(answer, name=name))
    words = ("comments", "--judge", "reader", "--form", "number", "--by", "judge", "--out", "readings.jsonl", "--json")
    status, out, _ = call(*words)
    judge = readers(out)["judge"]
    assert status == 0
    assert judge["error"] < judge["error_of_rules"]
    assert 0 < judge["failed"] < judge["asked"]
    assert json.loads(out)["written"] == 80  # a fifth speaks of blap lamps, and one comment is Chinese


def test_readings_of_a_model_that_read_nothing_are_not_written(call, monkeypatch, tmp_path):
    silent = Scripted(lambda prompt, seed: "no idea")
    monkeypatch.setattr("burnish.judges.asking.backends.local_sampler", lambda name: silent)
    status, _, err = call("comments", "--judge", "mute", "--by", "judge", "--out", "readings.jsonl")
    assert status == 2
    assert "mute read none of 102 comments" in err
    assert not (tmp_path / "readings.jsonl").exists()


def test_doubtful_comments_go_to_people_who_read_them(call):
    status, out, _ = call("next", "--comments", "--n", 20, "--people", "ana,bo,cy,di:zh", "--load", 8)
    rows = [json.loads(line) for line in out.splitlines()]
    assert status == 0
    assert 0 < len(rows) <= 20
    people = [row["people"][0] for row in rows if "people" in row]
    assert max(map(people.count, people)) <= 8
    assert all(row["people"] == ["di"] for row in rows if "灯" in row["comment"])
    assert "ana" not in people  # nearly all are her own


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("comments", "--by", "judge"), "Add --judge M"),
        (("comments", "--limit", 0), "--limit: 0 is not positive"),
        (("comments", "--scorer", "none"), "holds no scorer"),
        (("comments", "--budget", 5), "--budget: says nothing where no model is asked"),
        (("comments", "--by", "learned"), "--by learned: says whose readings are written"),
        (("comments", "--by", "weighed"), "Add --out FILE"),
        (("comments", "--form", "number"), "--form: says nothing where no model is asked. Add --judge M"),
        (("comments", "--form", "full"), "--form: says nothing where no model is asked"),
        (("comments", "--replay"), "--replay: says nothing where no model is asked"),
        (("comments", "--seed", 3), "--seed: says nothing where no model is asked"),
        (("comments", "--key-file", "mask.key"), "--key-file: says nothing where no model is asked"),
        (("next", "--comments", "--strategy", "d_optimal"), "picks pairs, and not comments"),
        (("next", "--strategy", "d_optimal", "--features", "stile"), "Or write style"),
        (("next", "--readings", "r.jsonl"), "says nothing to pairs"),
        (("next", "--comments", "--interval", 0.1), "a plan is of ratings"),
        (("next", "--comments", "--people", "bo:fr"), "reads 'fr'"),
    ],
)
def test_slips_are_told(call, words, complaint):
    status, _, err = call(*words)
    assert status == 2
    assert complaint in err
