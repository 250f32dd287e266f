"""`burnish doctor --reward R --data D`: what moves a score besides what is said."""

from __future__ import annotations

import json

import pytest

from burnish.cli.main import main


@pytest.fixture
def file(tmp_path):
    rows = [
        {
            "prompt": f"Who came, number {n}?",
            "completion": f"{'He' if n % 2 else 'She'} came {n} times and thanked {'his' if n % 2 else 'her'} friends.",
            "rating": 3,
            "scale": [1, 5],
            "metadata": {"place": "north" if n % 3 else "south"},
        }
        for n in range(60)
    ]
    path = tmp_path / "texts.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


def doctor(capsys, *words):
    status = main(["doctor", "--quiet", *words])
    said = capsys.readouterr()
    return status, said.out, said.err


def test_a_reward_that_looks_at_gender_is_not_fair(file, capsys):
    status, out, _ = doctor(capsys, "--reward", "pattern:\\bShe\\b", "--data", file)
    assert status == 2
    assert "+1.0000 [+1.0000, +1.0000], +100.00% of the range: NOT FAIR" in out
    assert "what it pays for style" in out


def test_a_reward_that_does_not_is_fair_and_json_is_one_object(file, capsys):
    status, out, _ = doctor(capsys, "--reward", "pattern:\\b[2468] times", "--data", file, "--json")
    found = json.loads(out)
    assert (status, found["fair"], found["texts"]) == (0, True, 60)
    assert next(each for each in found["swaps"] if "gender" in each["axis"])["passes"] is True


def test_groups_are_told_with_their_gap(file, capsys):
    _, out, _ = doctor(capsys, "--reward", "length:5-9", "--data", file, "--group", "place")
    assert "mean by place" in out
    assert "north" in out


def test_slips_are_told(file, capsys):
    for words, complaint in (
        (["--reward", "chrf"], "on which texts?"),
        (["--reward", "chrf", "--model", "x", "--data", file], "one by one"),
        (["--group", "place"], "Name a --reward"),
        (["--reward", "length:5-9", "--data", file, "--group", "plaice"], "nothing's metadata have it"),
    ):
        status, _, err = doctor(capsys, *words)
        assert (status, complaint in err) == (2, True), (words, err)
