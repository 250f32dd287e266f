"""`burnish run smoke --feedback ...`: the user's words of every kind, from a file, a store or beside the recipe's."""

from __future__ import annotations

import json
import math
import random
import re
from pathlib import Path

import pytest

from burnish import config
from burnish.loop.run import USERS_TEMPLATE
from burnish.store import open_store
from burnish.tasks import smoke

PEOPLE = ("ana", "bo", "cy")


def texts(count: int) -> list[tuple[str, float]]:
    """Return so many different texts of the smoke grammar with their values."""
    draw, found = random.Random(8), dict[str, float]()
    while len(found) < count:
        text, value = smoke.write(draw, draw.choice(smoke.NOUNS), draw.uniform(-3, 3))
        found[text] = value
    return list(found.items())


def ratings(count: int = 150) -> list[dict]:
    """Stars from 1 to 5, two people a text, every text an answer to a prompt of its own."""
    return [
        {
            "prompt": f"Say something, {n}.",
            "completion": text,
            "rating": 1 + round((value + 3.2) / 1.6),
            "scale": [1, 5],
            "author": PEOPLE[(n + place) % 3],
        }
        for n, (text, value) in enumerate(texts(count))
        for place in range(2)
    ]


def thumbs() -> list[dict]:
    return [
        {"prompt": f"Say something, {n}.", "completion": text, "thumb": value > 0, "author": PEOPLE[n % 3]}
        for n, (text, value) in enumerate(texts(120))
    ]


def comparisons() -> list[dict]:
    """Comparisons with every strength and both kinds of tie; 250, so that some are kept to test on."""
    lines = []
    pairs = texts(500)
    for n in range(250):
        (one, a), (two, b) = pairs[2 * n], pairs[2 * n + 1]
        line = {"prompt": f"Say something, {n}.", "author": PEOPLE[n % 3], "chosen": one if a > b else two}
        line["rejected"] = two if a > b else one
        if abs(a - b) < 0.4:
            line["tie"] = "good" if a > 0 else "bad"
        elif n % 2:
            line["strength"] = min(3, 1 + int(abs(a - b)))
        lines.append(line)
    assert any("tie" in line for line in lines)
    return lines


def rankings() -> list[dict]:
    lines = []
    some = texts(240)
    for n in range(80):
        three = some[3 * n : 3 * n + 3]
        order = sorted(range(3), key=lambda i: -three[i][1])
        ranking = order if n % 4 else [[order[0]], order[1:]]
        lines.append({"prompt": f"Say something, {n}.", "completions": [text for text, _ in three], "ranking": ranking})
    return lines


def corrections() -> list[dict]:
    good = [text for text, value in texts(400) if value > 1]
    bad = [text for text, value in texts(400) if value < -1]
    return [
        {"prompt": f"Say something, {n}.", "completion": worse, "correction": better, "author": PEOPLE[n % 3]}
        for n, (better, worse) in enumerate(zip(good[:60], bad[:60], strict=True))
    ]


def write(path, lines) -> str:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    return str(path)


def numbers_in(value):
    """Yield every number of a report."""
    if isinstance(value, dict):
        for each in value.values():
            yield from numbers_in(each)
    elif isinstance(value, list):
        for each in value:
            yield from numbers_in(each)
    elif isinstance(value, float):
        yield value


def report_of(run) -> dict:
    """Return report.json of a run that ended well, after a look at every number in it and in the log."""
    assert run.wait() == 0, run.said
    report = json.loads((run.folder / "report.json").read_text("utf-8"))
    assert all(math.isfinite(number) for number in numbers_in(report))
    assert "not_finite" not in report["details"]
    logged = [json.loads(line) for line in (run.folder / "metrics.jsonl").read_text("utf-8").splitlines()]
    assert all(math.isfinite(line[key]) for line in logged for key in ("loss", "reward", "gradient_norm", "length"))
    return report


@pytest.mark.parametrize(
    ("lines", "by_kind", "measured"),
    [
        (ratings(), {"rating": 300}, False),
        (thumbs(), {"thumb": 120}, False),
        (comparisons(), {"comparison": 250}, True),
        (rankings(), {"ranking": 80}, False),
        (corrections(), {"correction": 60}, False),
    ],
    ids=["ratings", "thumbs", "comparisons", "rankings", "corrections"],
)
def test_every_kind_alone(lines, by_kind, measured, start, tmp_path):
    mine = write(tmp_path / "mine.jsonl", lines)
    run = start(tmp_path, "--feedback", mine, gold__least_signals=10, rl__steps=2)
    report = report_of(run)
    feedback = report["feedback"]
    assert feedback["by_kind"] == by_kind
    assert feedback["records"] == sum(by_kind.values())
    assert feedback["people"] == (0 if "ranking" in by_kind else 3)
    assert feedback["agreement"]["alpha"] is not None or feedback["agreement"]["reason"]
    assert report["gold_model"]["n_texts"] >= 10
    assert report["difference"]["gold"]["ci95"] is not None
    assert (report["reward_model"]["pair_accuracy"] is not None) == measured
    assert config.parse_toml(run.folder / "config.toml")["reward_model"]["template"] == USERS_TEMPLATE
    samples = (run.folder / "samples.jsonl").read_text("utf-8").splitlines()
    # what is asked for does not count here: higher is better
    assert all(json.loads(line)["before"]["asked"] is None for line in samples)


def test_a_run_goes_on_with_the_feedback_it_began_with(start, resume, tmp_path):
    """And with nothing but --resume on the command line, though the file is gone."""
    mine = write(tmp_path / "mine.jsonl", ratings())
    whole = start(tmp_path / "whole", "--feedback", mine, rl__steps=3)
    assert whole.wait() == 0, whole.said
    stop = ("burnish.training.trainer:Trainer.advance", 6, "SIGINT")
    cut = start(tmp_path / "cut", "--feedback", mine, rl__steps=3, hooks=[stop])
    assert cut.wait() == 3, cut.said
    (tmp_path / "mine.jsonl").unlink()
    last = start(tmp_path / "cut", "--resume", bare=True)
    assert last.wait() == 0, last.said
    assert resume.essence(last.folder) == resume.essence(whole.folder)


def test_ten_answers_give_no_judge_and_the_verdict_says_so(start, tmp_path):
    report = report_of(start(tmp_path, "--feedback", write(tmp_path / "mine.jsonl", ratings(5)), rl__steps=2))
    assert report["feedback"]["records"] == 10
    assert report["feedback"]["signals"]["fit"] == {"score": 5}  # two people each
    assert report["gold_model"]["how"] is None
    assert report["gold_model"]["pair_accuracy"] is None
    assert report["before"]["gold"] is None
    assert report["difference"]["gold"] == {"mean": None, "ci95": None, "n": None}
    assert report["verdict"]["improved"] is False
    assert report["verdict"]["reasons"][0].startswith("Too few answers to show a difference (10 in all)")
    assert "no independent judge" in report["verdict"]["reasons"][0]


def test_beside_the_recipes_own(start, tmp_path):
    run = start(tmp_path, "--feedback", write(tmp_path / "mine.jsonl", ratings(40)), "--mix", rl__steps=2)
    report = report_of(run)
    assert report["feedback"]["records"] == 4_800 + 80
    assert report["feedback"]["people"] == 3
    assert report["reward_model"]["pair_accuracy"] is not None
    samples = (run.folder / "samples.jsonl").read_text("utf-8").splitlines()
    assert all(json.loads(line)["before"]["asked"] is not None for line in samples)
    assert "# mix: with the recipe's" in (run.folder / "config.toml").read_text("utf-8")


def test_out_of_a_store_which_then_knows_the_checkpoint(start, tmp_path):
    from burnish.feedback.intake import import_file

    url = f"sqlite:///{tmp_path}/mine.db"
    with open_store(url) as store:
        import_file(store, write(tmp_path / "mine.jsonl", ratings()))
    run = start(tmp_path, "--feedback", url, rl__steps=2)
    report = report_of(run)
    assert report["feedback"]["records"] == 300
    with open_store(url) as store:
        made = {each.kind: each for each in store.checkpoints()}
        assert set(made) == {"reward", "adapter"}
        assert all((Path(each.path) / "burnish.json").exists() for each in made.values())
        assert report["lineage"]["snapshot"] in {each.hash for each in store.snapshots()}
        assert report["checkpoint"] in store.erase_author("ana").checkpoints


def test_two_rounds_on_the_users_feedback(start, tmp_path):
    mine = write(tmp_path / "mine.jsonl", ratings(40))
    run = start(tmp_path, "--feedback", mine, loop__rounds=2, rl__steps=1)
    report_of(run)
    # the recipe's author would speak of the recipe's question
    assert "rule:grammar" not in (run.folder / "checkpoints" / "reward-1" / "burnish.json").read_text("utf-8")


def test_comments_without_an_opinion_teach_no_reward(start, tmp_path):
    lines = [{"prompt": "x", "completion": f"y {n}", "comment": "It is about a table."} for n in range(30)]
    run = start(tmp_path, "--feedback", write(tmp_path / "mine.jsonl", lines))
    assert run.wait() == 2
    assert "nothing to learn from in 30 records (30 comment)" in run.said


# ------------------------------------------------------------------------------------------------------- bad input

BAD = {
    "not JSON": b"{",
    "an array": b"[1, 2]",
    "bad UTF-8": b'{"prompt": "x", "completion": "\xff\xfe", "thumb": true}',
    "a lone surrogate": b'{"prompt": "x", "completion": "\\ud800", "thumb": true}',
    "NUL": b'{"prompt": "x", "completion": "a\\u0000b", "thumb": true}',
    "NaN": b'{"prompt": "x", "completion": "y", "rating": NaN, "scale": [1, 5]}',
    "infinity": b'{"prompt": "x", "completion": "y", "rating": -Infinity, "scale": [1, 5]}',
    "infinity in disguise": b'{"prompt": "x", "completion": "y", "rating": 1e999, "scale": [1, 5]}',
    "an infinite scale": b'{"prompt": "x", "completion": "y", "rating": 4, "scale": [1, 1e999]}',
    "a huge integer": b'{"prompt": "x", "completion": "y", "rating": ' + b"9" * 5000 + b', "scale": [1, 5]}',
    "a bool as number": b'{"prompt": "x", "completion": "y", "rating": true, "scale": [1, 5]}',
    "a number as text": b'{"prompt": "x", "completion": "y", "rating": "4", "scale": [1, 5]}',
    "outside the scale": b'{"prompt": "x", "completion": "y", "rating": 9, "scale": [1, 5]}',
    "no scale": b'{"prompt": "x", "completion": "y", "rating": 4}',
    "a key twice": b'{"prompt": "x", "completion": "y", "thumb": true, "thumb": false}',
    "an empty completion": b'{"prompt": "x", "completion": "", "thumb": true}',
    "chosen is rejected": b'{"prompt": "x", "chosen": "y", "rejected": "y"}',
    "all tied": b'{"prompt": "x", "completions": ["a", "b"], "ranking": [[0, 1]]}',
    "the future": b'{"prompt": "x", "completion": "y", "thumb": true, "time": "2999-01-01T00:00:00Z"}',
    "deep nesting": b'{"prompt": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "a long line": b'{"prompt": "' + b"x" * (2 << 20) + b'", "completion": "y", "thumb": true}',
    "a slip of the pen": b'{"prompt": "x", "completion": "y", "ratng": 4, "scale": [1, 5]}',
}


def test_bad_lines_are_each_named_and_never_take_the_good_ones_with_them(start, tmp_path):
    """J1 to J6: every bad line named with its number, no number that is not finite anywhere, the rest learned from."""
    good = [json.dumps(line).encode() for line in ratings(30)]
    lines = [*good[:20], *BAD.values(), *good[20:]]
    path = tmp_path / "bad.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + b"\r\n".join(lines))  # a byte order mark, CRLF and no last newline are no faults
    run = start(tmp_path, "--feedback", str(path), rl__steps=2)
    report = report_of(run)
    assert report["feedback"]["records"] == len(good)
    named = [int(number) for number in re.findall(rf"^{path}:(\d+): ", run.said, re.MULTILINE)]
    assert named == list(range(21, 41))  # the first twenty of them, in their order
    assert f"{len(BAD)} bad line(s) left out" in run.said
    assert "Traceback" not in run.said
    assert all(len(line) < 1_000 for line in run.said.splitlines())


@pytest.mark.parametrize("content", [b"", b"\xff\xfe{\x00}\x00", b"not json at all\n"], ids=["empty", "UTF-16", "text"])
def test_a_file_without_a_good_line_is_refused(content, start, tmp_path):
    (tmp_path / "bad.jsonl").write_bytes(content)
    run = start(tmp_path, "--feedback", str(tmp_path / "bad.jsonl"))
    assert run.wait() == 2, run.said
    assert "Traceback" not in run.said
