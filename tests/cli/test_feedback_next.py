import json

import pytest

from burnish.cli.main import main

ROWS = [
    {"prompt": f"q{i}", "completion": f"text {letter}{i}", "rating": rating, "scale": [1, 5], "author": name}
    for i in range(10)
    for letter, rating in (("a", 1 + i % 3), ("b", 5 - i % 4))
    for name in ("ana", "bo")
]


@pytest.fixture
def call(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS), "utf-8")
    assert main(["feedback", "import", "rows.jsonl", "--quiet"]) == 0
    capsys.readouterr()

    def run(*words):
        status = main(["feedback", "next", "--quiet", *map(str, words)])
        out, err = capsys.readouterr()
        return status, out, err

    return run


def test_an_agenda_as_lines_for_people(call):
    status, out, _ = call("--n", 8, "--people", "ana, bo,cy", "--overlap", 2)
    rows = [json.loads(line) for line in out.splitlines()]
    assert status == 0
    assert [row["why"] for row in rows] == ["random"] * 2 + ["information_gain"] * 6
    assert all(len(row["people"]) == 2 and len(row["completions"]) == 2 for row in rows)
    assert rows[0]["prompt"].startswith("q")
    assert call("--n", 8, "--people", "ana, bo,cy")[1] == out  # the same seed, the same agenda


def test_a_name_may_hold_a_colon_that_tells_of_no_language(call):
    out = call("--n", 8, "--people", "lab:ana,lab:bo")[1]
    assert {name for line in out.splitlines() for name in json.loads(line)["people"]} == {"lab:ana", "lab:bo"}


def test_a_plan_for_an_interval(call):
    status, out, _ = call("--interval", 0.2, "--people", "ana,bo,cy,di")
    assert status == 0
    assert "with 4 people" in out
    found = json.loads(call("--interval", 0.2, "--json")[1])
    assert found["people"] == 2
    assert found["plans"][0]["half_width"] <= 0.2


def test_d_optimal_picks_by_how_texts_look(call, tmp_path):
    looks = [f"{'word ' * (1 + 9 * n)}{'!' * (n % 3)}" for n in range(4)]
    rows = [{"prompt": "q", "completion": text, "rating": 3, "scale": [1, 5], "author": "ana"} for text in looks]
    (tmp_path / "looks.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    assert main(["feedback", "import", "looks.jsonl", "--db", "sqlite:///looks.db", "--quiet"]) == 0
    picked = {}
    for features in ([], ["--features", "style"]):
        status, out, err = call("--n", 5, "--strategy", "d_optimal", *features, "--db", "sqlite:///looks.db")
        assert status == 0, err
        picked[bool(features)] = [json.loads(line)["completions"] for line in out.splitlines() if line[0] == "{"][1:]
    assert picked[True] != picked[False]
    shortest, longest = looks[0], looks[3]
    assert any({shortest, longest} == set(pair) for pair in picked[True][:2])


def test_slips_are_told(call):
    for words, complaint in (
        (["--n", "0"], "--n: 0 is less than 1"),
        (["--seed", "-1"], "--seed: -1 is less than 0"),
        (["--load", "0", "--people", "ana,bo"], "--load: 0 is less than 1"),
        (["--interval", "nan"], "--interval: nan is not in (0, 0.5]"),
        (["--interval", "1e308"], "not in (0, 0.5]"),
        (["--random-share", "0"], "random slice"),
        (["--strategy", "best"], "choices"),
        (["--people", "ana,bo:zh"], "--people: 'bo:zh' says which comments bo reads, and pairs go to everybody"),
        (["--people", "ana,bo:en+zh", "--interval", "0.2"], "Write bo, or add --comments"),
        (["--features", "style"], "only --strategy d_optimal picks by features"),
        (["--strategy", "d_optimal", "--features", "no_such_model"], "no_such_model"),
    ):
        status, _, err = call(*words)
        assert (status, complaint in err) == (2, True), words
