"""`burnish feedback judge` against a small server on this machine that prefers the longer text."""

import ipaddress
import json
import re
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from burnish.cli.main import main
from burnish.store import open_store

PAIRS = [
    {"prompt": f"q{i}", "chosen": "a long good answer", "rejected": "short", "author": name}
    for i in range(6)
    for name in ("ana", "bo")
]
RATED = [
    {"prompt": f"r{i}", "completion": "word " * (i + 1), "rating": i % 5 + 1, "scale": [1, 5], "author": "ana"}
    for i in range(8)
]


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.asked.append(body)
        choice = {"message": {"content": self.answer(body)}, "finish_reason": "stop"}
        if "logprobs" in body and self.server.sure_of:
            listed = [{"token": token, "logprob": logprob} for token, logprob in self.server.sure_of.items()]
            choice["logprobs"] = {"content": [{"logprob": -0.1, "top_logprobs": listed}]}
        content = json.dumps({"choices": [choice]}).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def answer(self, body):
        text = body["messages"][1]["content"] if len(body["messages"]) > 1 else ""
        shown = re.findall(r"answer (\w) begins =====\n(.*?)\n=====", text, re.S)
        if shown:
            return json.dumps({"reason": "longer", "verdict": max(shown, key=lambda pair: len(pair[1]))[0]})
        if "Is it long?" in text:
            return json.dumps({"evidence": ["word"], "verdict": "yes"})
        return self.server.grade

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http.asked, http.grade, http.daemon_threads = [], '{"reason": "fine", "rating": 7}', True
    http.sure_of = {}
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield http
    http.shutdown()
    http.server_close()
    thread.join()


@pytest.fixture
def judge(server, tmp_path, monkeypatch, capsys):
    """Run the verb in a folder of its own; returns (status, standard output, standard error)."""
    monkeypatch.chdir(tmp_path)

    def call(*words, models=("tiny",)):
        names = [f"openai:http://127.0.0.1:{server.server_port}/v1#{model}" for model in models]
        judges = [word for name in names for word in ("--judge", name)]
        status = main(["feedback", "judge", *judges, "--quiet", *map(str, words)])
        out, err = capsys.readouterr()
        return status, out, err

    return call


@pytest.fixture
def stored(tmp_path, capsys):
    def store(rows):
        path = tmp_path / "rows.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
        assert main(["feedback", "import", str(path), "--db", f"sqlite:///{tmp_path / 'burnish.db'}", "--quiet"]) == 0
        capsys.readouterr()
        return path

    return store


def by_machines(tmp_path):
    with open_store(f"sqlite:///{tmp_path / 'burnish.db'}", create=False) as store:
        return [record for entry in store.entries() for record in entry.feedback if record.author.kind == "ai"]


def test_pairs_are_judged_in_both_orders_stored_and_set_beside_people(judge, stored, server, tmp_path):
    stored(PAIRS)
    status, out, _ = judge("--form", "comparison", "--compare-with-people")
    assert status == 0
    assert "6 judged, 0 failed" in out
    assert "both orders named the same one in 6 of 6" in out
    assert re.search(r"agrees with people's order +\+1\.000", out)
    records = by_machines(tmp_path)
    assert [record.value for record in records] == [{"chosen": record.value["chosen"]} for record in records]
    assert len(records) == 6
    assert records[0].time.endswith("+00:00")
    assert len(server.asked) == 1 + 12  # the probe for log-probs, and two orders of each


def test_asking_again_asks_nothing_and_adds_nothing(judge, stored, server, tmp_path):
    stored(PAIRS)
    judge("--form", "comparison")
    asked, records = len(server.asked), by_machines(tmp_path)
    status, out, _ = judge("--form", "comparison", "--json", "--compare-with-people")
    found = json.loads(out)
    assert (status, found["asked"], found["recalled"]) == (0, 0, 12)
    assert found["people"][0]["consistency"]["n"] == 6
    assert by_machines(tmp_path) == records
    for words in ((), ("--words",)):  # a replay asks in the form in which was asked
        _, out, _ = judge("--form", "comparison", "--replay", "--json", *words)
        assert (json.loads(out)["judged"], json.loads(out)["author"]) == (6, found["author"])
    assert len(server.asked) == asked


def test_a_replay_looks_up_no_host(judge, stored, monkeypatch):
    stored(PAIRS)
    judge("--form", "comparison")

    def looked_up(*_, **__):
        raise AssertionError("a replay asks nothing, so it needs no address")

    monkeypatch.setattr(socket, "getaddrinfo", looked_up)
    _, out, _ = judge("--form", "comparison", "--replay", "--json")
    assert json.loads(out)["judged"] == 6


def test_a_judge_that_never_wavers_is_asked_until_it_is_sure_and_no_more(judge, stored, server):
    stored(PAIRS)
    words = ("--form", "comparison", "--adaptive", "--repeats", 9, "--temperature", 1, "--words", "--json")
    found = json.loads(judge(*words)[1])
    assert (found["judged"], found["asked"]) == (6, 6 * 2 * 4)  # four rounds of two orders: see judges.adaptive


def test_ratings_of_a_file_with_a_limit(judge, stored, tmp_path):
    path = stored(RATED)
    status, out, _ = judge(path, "--form", "rating", "--limit", 3, "--db", "sqlite:///other.db")
    assert status == 0
    assert "3 judged, 0 failed" in out
    with open_store("sqlite:///other.db", create=False) as store:
        assert store.stats()["by_kind"] == {"rating": 3}


def test_a_rubric_from_a_file(judge, stored, tmp_path):
    stored(RATED)
    (tmp_path / "r.toml").write_text('[[criteria]]\nid = "long"\nquestion = "Is it long?"\nevidence = true\n', "utf-8")
    status, out, _ = judge("--form", "rubric", "--rubric", "r.toml", "--json")
    assert (status, json.loads(out)["judged"]) == (0, 8)
    assert by_machines(tmp_path)[0].value["rubric"][0]["evidence"] == "word"


def test_what_fails_is_counted_and_stores_nothing(judge, stored, server, tmp_path):
    stored(RATED)
    server.grade = "I would rather not."
    status, out, err = judge("--form", "rating", "--compare-with-people")
    assert (status, "nothing was judged" in err) == (2, True)
    assert "0 judged, 8 failed" in out
    assert "failed 8: unreadable" in out
    assert by_machines(tmp_path) == []


def test_a_budget_ends_it_and_a_larger_one_goes_on(judge, stored, server):
    stored(RATED)
    _, out, _ = judge("--form", "rating", "--dry-run", "--json")
    needed = json.loads(out)["most_tokens"]
    assert len(server.asked) == 0
    status, out, _ = judge("--form", "rating", "--budget", needed // 2, "--json")
    first = json.loads(out)
    assert status == 0
    assert first["failures"] == {"budget": first["failed"]}
    assert 0 < first["failed"] < 8
    assert first["tokens"] <= needed // 2
    found = json.loads(judge("--form", "rating", "--budget", needed, "--json")[1])
    assert (found["judged"], found["failed"], found["recalled"]) == (8, 0, first["judged"])


def test_personal_data_is_masked_before_it_is_sent(judge, stored, server):
    stored([{"prompt": "Write to ana@example.org", "completion": "Dear ana@example.org, hello", "thumb": True}])
    judge("--form", "rating", "--mask", "always")
    sent = json.dumps(server.asked)
    assert "ana@example.org" not in sent
    assert sent.count("[EMAIL_") == 2
    again = len(server.asked)
    judge("--form", "rating", "--mask", "always")  # the same key, the same question: nothing is asked
    assert len(server.asked) == again
    judge("--form", "rating")  # this machine is not outside
    assert "ana@example.org" in json.dumps(server.asked[again:])


def test_a_server_in_the_same_network_is_not_this_machine(judge, stored, server, monkeypatch):
    stored([{"prompt": "Write to ana@example.org", "completion": "Dear ana@example.org, hello", "thumb": True}])
    network = [ipaddress.ip_address("192.168.1.7")]
    monkeypatch.setattr("burnish.models.endpoint_address._addresses", lambda host: network)
    assert judge("--form", "rating")[0] == 0
    assert "ana@example.org" not in json.dumps(server.asked)
    again = len(server.asked)
    judge("--form", "rating", "--replay")  # and its answers are found again as they were asked
    judge("--form", "rating", "--mask", "never")
    assert "ana@example.org" in json.dumps(server.asked[again:])


def test_the_worst_grade_of_ten_stays_the_worst_where_only_first_tokens_are_shown(judge, stored, server, tmp_path):
    """A server sure of "1" in each of ten: "1" begins "10", and by log-probs both got the lowest listed."""
    stored(RATED)
    server.grade, server.sure_of = '{"reason": "bad", "rating": 1}', {"A": -0.1, "1": -0.01, "5": -6.0, "7": -7.0}
    assert "8 judged, 0 failed" in judge("--form", "rating")[1]
    assert {record.value["rating"] for record in by_machines(tmp_path)} == {1.0}
    assert {record.metadata["by"] for record in by_machines(tmp_path)} == {"words"}
    judge("--form", "rating", "--scale", "1,9", "--db", "sqlite:///nine.db", stored(RATED))
    with open_store("sqlite:///nine.db", create=False) as store:
        (said, *_) = [record for entry in store.entries() for record in entry.feedback]
    assert said.metadata["by"] == "log-probs"
    assert said.value["rating"] < 1.1


def test_a_dry_run_tells_what_it_would_cost(judge, stored):
    stored(RATED)
    status, out, _ = judge("--form", "rating", "--dry-run", "--prices", "1,10")
    assert status == 0
    assert "8 items by rating: 8 questions" in out
    assert "at these prices" in out


SLIPS = [
    (["--form", "rubric"], "--rubric: missing"),
    (["--form", "rating", "--scale", "one"], "not two numbers"),
    (["--form", "rating", "--repeats", "3"], "every answer is the same"),
    (["--form", "rating", "--adaptive"], "repeats a comparison"),
    (["--form", "rating", "--max-cost", "1"], "Add --prices"),
    (["nothere.jsonl", "--form", "rating"], "there is no such file"),
    (["--form", "comparison"], "nothing to judge"),
    (["--form", "rubric", "--rubric", "r.toml", "--repeats", "5", "--temperature", "1"], "--repeats: says nothing"),
    (["--form", "rubric", "--rubric", "r.toml", "--criterion", "wit"], "--criterion: says nothing to --form rubric"),
    (["--form", "constitution", "--criterion", "wit"], "--criterion: says nothing to --form constitution"),
    (["--form", "rating", "--rubric", "r.toml"], "--rubric: says nothing to --form rating"),
    (["--form", "rating", "--constitution", "c.toml"], "--constitution: says nothing"),
    (["--form", "comparison", "--scale", "1,5"], "--scale: says nothing to --form comparison"),
    (["--form", "rating", "--scale", "1.5,3.7"], "no whole numbers"),
    (["--form", "rating", "--scale", "nan,3"], "no finite numbers"),
    (["--form", "rating", "--scale", "3,inf"], "no finite numbers"),
    (["--form", "rating", "--scale", "5,1"], "not a worst and a best"),
    (["--form", "rating", "--limit", "-3"], "--limit: -3 is not positive"),
    (["--form", "rating", "--repeats", "0"], "--repeats: 0 is not positive"),
    (["--form", "rating", "--budget", "0"], "--budget: 0 is not positive"),
    (["--form", "rating", "--temperature", "nan"], "--temperature"),
    (["--form", "rating", "--max-cost", "nan", "--prices", "1,1"], "--max-cost"),
    (["--form", "rating", "--prices", "nan,1"], "no finite numbers"),
    (["--form", "rating", "--picture", "p.svg"], "Add --compare-with-people"),
]


def test_slips_are_told(judge, stored):
    stored(RATED)
    for words, complaint in SLIPS:
        status, _, err = judge(*words)
        assert (status, complaint in err) == (2, True), words


def test_draws_are_refused_where_log_probs_are_read(judge, stored, server):
    stored(PAIRS)
    server.sure_of = {"A": -0.1, "B": -2.0, "1": -0.1, "2": -2.0}
    for words in (["--temperature", "1"], ["--temperature", "1", "--repeats", "3"]):
        status, _, err = judge("--form", "comparison", *words)
        assert (status, "nothing is drawn. Add --words" in err) == (2, True)
        assert judge("--form", "comparison", *words, "--words")[0] == 0


def test_a_constitution_in_words_is_repeated(judge, stored, server):
    stored(PAIRS)
    words = ("--form", "constitution", "--temperature", 1, "--words", "--limit", 1, "--json")
    once = json.loads(judge(*words)[1])["asked"]
    again = json.loads(judge(*words, "--repeats", 3)[1])
    # the two orders of each principle are asked three times, the first as before; whether it applies, once
    assert again["asked"] + again["recalled"] > 2 * once


def test_several_judges_are_a_panel_whose_agreement_is_told(judge, stored, server, tmp_path):
    stored(PAIRS)
    models = ("one", "two", "three")
    status, out, _ = judge("--form", "comparison", "--compare-with-people", models=models)
    assert status == 0
    assert out.count("6 judged, 0 failed") == 4  # each, and together
    assert "the panel: 3 judges, 6 items answered by two or more" in out
    assert re.search(r"all say the same +\+1\.000", out)
    assert out.count("beside people, pairs: 6 of 6") == 4
    authors = {record.author.id for record in by_machines(tmp_path)}
    assert len(by_machines(tmp_path)) == 18  # each one's own answers; the panel's would count them twice
    assert not any(author.startswith("panel/") for author in authors)
    found = json.loads(judge("--form", "comparison", "--json", models=models)[1])
    assert [each["judged"] for each in found["judges"]] == [6, 6, 6]
    assert found["panel"]["agreement"]["same"]["mean"] == 1.0
    assert len(found["panel"]["agreement"]["two"]) == 3
    assert judge("--form", "comparison", models=("one", "one"))[0] == 2


def test_what_its_probabilities_are_worth_beside_people_with_a_picture(judge, stored, tmp_path):
    rows = [
        {"prompt": f"q{i}", "chosen": f"a long good answer {i}", "rejected": "short", "author": name}
        for i in range(24)
        for name in ("ana", "bo")
    ]
    stored(rows)
    status, out, _ = judge("--form", "comparison", "--compare-with-people", "--picture", "r.svg")
    assert status == 0
    for line in ("Brier score", "names it where people do", "and not where they do not", "it says that the first is"):
        assert line in out
    assert (tmp_path / "r.svg").read_text("utf-8").startswith("<?xml")
