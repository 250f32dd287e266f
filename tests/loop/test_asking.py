"""What a training asks of others: masked where it leaves the machine, within one cap, and never paid for twice."""

import ipaddress
import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from burnish import methods
from burnish.cli.main import main
from burnish.errors import InputError, SpentError
from burnish.loop import train
from burnish.loop.asking import Asking, leaves
from burnish.loop.train_options import TrainOptions, began_with
from burnish.loop.train_settings import settings_of
from burnish.models.spending import Caps, Purse
from burnish.records import Prompt, Sampling

SETS = ["course.steps=3", "look.every=2", "save_every=9", "optimiser.warmup_steps=1", "sampling.max_new_tokens=6",
        "course.prompts_per_step=2", "course.group=2", "adapter.rank=4"]  # fmt: skip
BRIEFLY = ["course.steps=1", "look.every=0"]
PROMPT_TOKENS, COMPLETION_TOKENS = 400, 100


class Handler(BaseHTTPRequestHandler):
    """Grades a text by its letters, prefers A, and writes a letter to whoever it was told of."""

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.asked.append(body)
        text = body["messages"][-1]["content"]
        addressee = (re.findall(r"\[EMAIL_\w+\]|\S+@\S+", text) or ["you"])[0]
        said = f"Dear {addressee}, {len(text)} letters."
        if "rating" in text:
            said = json.dumps({"reason": "so", "rating": sum(text.encode()) % 10 + 1})
        elif "verdict" in text:
            said = json.dumps({"reason": "so", "verdict": "A"})
        usage = {"prompt_tokens": PROMPT_TOKENS, "completion_tokens": COMPLETION_TOKENS}
        reply = {"choices": [{"message": {"content": said}, "finish_reason": "stop"}], "usage": usage}
        content = json.dumps(reply).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass


@pytest.fixture
def server(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http.asked, http.daemon_threads = [], True
    http.model = f"openai:http://127.0.0.1:{http.server_port}/v1#m"
    threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield http
    http.shutdown()
    http.server_close()


@pytest.fixture
def elsewhere(monkeypatch):
    """Another machine of this network, as far as anybody looks the server's name up."""
    found = [ipaddress.ip_address("192.168.1.7")]
    monkeypatch.setattr("burnish.models.endpoint_address._addresses", lambda host: found)


def go(method, model, out, *, sets=(), resume=False, **options):
    module = methods.load(method)
    given = {**(began_with(out) if resume else {}), "model": str(model)}
    settings = settings_of(method, module, given, [*SETS, *sets], "test")
    return train.train(TrainOptions(out=out, resume=resume, **options), settings, module)


@pytest.mark.parametrize("method", ["ilf", "constitution"])
def test_a_refiner_elsewhere_reads_no_personal_data(method, server, elsewhere, tiny_folder, tmp_path):
    rows = [
        {"prompt": f"Write {n} to ana@example.org", "completion": f"Dear ana@example.org, {n}", "comment": "too curt"}
        for n in range(3)
    ]
    (tmp_path / "said.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    go(method, tiny_folder, tmp_path / "run", sets=BRIEFLY, data="said.jsonl", refiner=server.model)
    sent = json.dumps(server.asked)
    assert "[EMAIL_" in sent
    assert "ana@example.org" not in sent


def test_what_a_refiner_writes_has_the_values_again(server, elsewhere):
    asked = [Prompt.of(f"Write to {who}") for who in ("ana@example.org", "me", "bo@example.org")]
    drawn = Asking().writer(server.model).sample(asked, Sampling(), seed=1)
    written = [group[0].text.partition(",")[0] for group in drawn]
    assert written == ["Dear ana@example.org", "Dear you", "Dear bo@example.org"]
    assert [group[0].prompt_id for group in drawn] == [prompt.id for prompt in asked]
    again = len(server.asked)
    assert Asking().writer(server.model).sample(asked, Sampling(), seed=1) == drawn
    assert len(server.asked) == again  # what it wrote is kept, so that going on pays for nothing twice
    Asking(mask="never").writer(server.model).sample(asked, Sampling(), seed=1)
    assert "ana@example.org" in json.dumps(server.asked[again:])


def test_a_refiner_on_this_machine_reads_all(server):
    Asking().writer(server.model).sample([Prompt.of("Write to ana@example.org")], Sampling(), seed=1)
    assert "ana@example.org" in json.dumps(server.asked)


def test_a_spent_cap_stops_training_with_what_was_learned_and_more_of_it_goes_on(server, tiny_folder, tmp_path):
    (tmp_path / "asked.txt").write_text("".join(f"Say {n}.\n" for n in range(12)), "utf-8")
    how = {"prompts": "asked.txt", "reward": f"judged:rating@{server.model}"}
    out, cap = tmp_path / "run", 6_000
    with pytest.raises(SpentError, match=r"saved in .*--resume and more to spend \(--budget"):
        go("grpo", tiny_folder, out, caps=Caps(tokens=cap), **how)
    status = json.loads((out / "status.json").read_text())
    assert status["state"] == "stopped"
    taken = status["spent"]["prompt_tokens"] + status["spent"]["completion_tokens"]
    assert 0 < taken <= cap
    assert list((out / "state").iterdir())
    assert list((out / "checkpoints").iterdir())
    asked = len(server.asked)
    with pytest.raises(SpentError):  # the cap is of the run, however often it is started
        go("grpo", tiny_folder, out, resume=True, caps=Caps(tokens=cap), **how)
    assert (len(server.asked) - asked) * (PROMPT_TOKENS + COMPLETION_TOKENS) + taken <= cap
    found = go("grpo", tiny_folder, out, resume=True, caps=Caps(tokens=1_000_000), **how)
    (tmp_path / "burnish-judges.db").rename("old.db")
    expected = go("grpo", tiny_folder, tmp_path / "whole", **how)
    assert found["looks"] == expected["looks"]
    assert found["checkpoint"] == expected["checkpoint"]


def test_judge_and_refiner_spend_from_the_same_purse(server, tiny_folder, tmp_path, capsys):
    asking = Asking(Purse(tokens=3_000))
    for _ in range(4):  # the last ones are remembered: they cost nothing
        asking.writer(server.model).sample([Prompt.of("Write")], Sampling())
    asking.judge(server.model)  # asks once whether there are log-probs
    assert asking.purse.spent.tokens == 2 * (PROMPT_TOKENS + COMPLETION_TOKENS)
    (tmp_path / "asked.txt").write_text("".join(f"Say {n}.\n" for n in range(40)), "utf-8")
    options = {"prompts": "asked.txt", "judge": server.model, "caps": Caps(tokens=3_000)}
    with pytest.raises(SpentError):
        go("online_dpo", tiny_folder, tmp_path / "run", sets=["preference=judge"], **options)
    assert "a judge compares and gives no number to look at" in capsys.readouterr().err


def test_a_cap_that_is_spent_before_anything_is_learned_is_told_so(server, tiny_folder, tmp_path):
    row = {"prompt": "Write", "completion": "Dear you", "comment": "too curt"}
    rows = [json.dumps({**row, "prompt": f"Write {n}"}) + "\n" for n in range(3)]
    (tmp_path / "said.jsonl").write_text("".join(rows), "utf-8")
    how = {"data": "said.jsonl", "refiner": server.model, "sets": BRIEFLY}
    with pytest.raises(SpentError, match=r"Nothing is learned yet. Go on with the same command, with more to spend"):
        go("ilf", tiny_folder, tmp_path / "run", caps=Caps(tokens=1_000), **how)
    assert go("ilf", tiny_folder, tmp_path / "run", caps=Caps(tokens=99_000), **how)["steps"] == 1


def test_a_cap_that_caps_nothing_is_refused(tiny_folder, tmp_path, capsys):
    (tmp_path / "r.toml").write_text('[[part]]\nreward = "judged:rating@openai:http://localhost/v1#m"\n', "utf-8")
    assert leaves(None, str(tmp_path / "r.toml"))
    assert not leaves(None, "chrf", str(tiny_folder))
    asked = ["train", "grpo", "--model", str(tiny_folder), "--out", str(tmp_path / "run"), "--reward", "chrf"]
    assert main([*asked, "--budget", "10"]) == 2
    assert "only models at an address cost anything" in capsys.readouterr().err
    assert main([*asked, "--budget", "0"]) == 2
    assert "--budget: 0 is not positive" in capsys.readouterr().err
    assert main([*asked, "--max-cost", "1"]) == 2
    assert "--max-cost: says nothing without prices" in capsys.readouterr().err
    with pytest.raises(InputError, match="none is named"):
        go("sft", tiny_folder, tmp_path / "run", data="x.jsonl", caps=Caps(tokens=1))
