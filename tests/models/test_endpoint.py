"""The endpoint against a small real server on this machine that misbehaves on order."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from burnish.errors import InputError, UnreachableError
from burnish.models.answering import Failure, can_choose
from burnish.models.endpoint import Endpoint, Patience
from burnish.models.spending import MESSAGE_OVERHEAD, Purse
from burnish.records import FinishReason, Prompt, Sampling

SHORT = Sampling(temperature=0.0, max_new_tokens=8)


def said(text, **more):
    """A reply as the API gives it."""
    choice = {"message": {"role": "assistant", "content": text}, "finish_reason": "stop", **more}
    return {"choices": [choice], "usage": {"prompt_tokens": 10, "completion_tokens": 3}}


@dataclass
class Server:
    """What the server does: one act for each request in order, the last one for all that follow."""

    acts: list = field(default_factory=list)
    bodies: list = field(default_factory=list)
    headers: list = field(default_factory=list)
    at_once: int = 0
    most_at_once: int = 0
    url: str = ""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def next_act(self, body, headers):
        with self.lock:
            self.bodies.append(body)
            self.headers.append(headers)
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
            return self.acts[min(len(self.bodies), len(self.acts)) - 1]


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        server = self.server.told
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        act = server.next_act(body, {name.lower(): value for name, value in self.headers.items()})
        try:
            self.act(act(body) if callable(act) else act)
        finally:
            with server.lock:
                server.at_once -= 1

    def act(self, act):
        if act == "cut":
            return self.connection.close()
        if act == "trickle":
            self.reply(200, b"", length=10_000)
            for _ in range(40):
                try:
                    self.wfile.write(b" ")
                    self.wfile.flush()
                except OSError:
                    return None
                time.sleep(0.01)
            return None
        if isinstance(act, tuple):
            status, headers, content = act
            return self.reply(status, json.dumps(content).encode(), headers)
        if isinstance(act, bytes):
            return self.reply(200, act)
        return self.reply(200, json.dumps(act).encode())

    def reply(self, status, content, headers=None, length=None):
        self.send_response(status)
        self.send_header("content-length", str(length or len(content)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    told = Server()
    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http.told, http.daemon_threads = told, True
    told.url = f"http://127.0.0.1:{http.server_port}/v1"
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield told
    http.shutdown()
    http.server_close()
    thread.join()


@pytest.fixture
def endpoint(server):
    made = []

    def make(*acts, **more):
        server.acts = list(acts)
        waits = []
        one = Endpoint(f"openai:{server.url}#tiny", sleep=waits.append, **more)
        made.append(one)
        one.waits = waits
        return one

    yield make
    for each in made:
        each.close()


def ask(endpoint, *texts, **more):
    return [group[0] for group in endpoint.attempt([Prompt.of(text) for text in texts], SHORT, **more)]


def test_a_completion_comes_back_as_the_model_s(endpoint, server):
    one = endpoint(said("hello", logprobs={"content": [{"logprob": -0.5}]}, finish_reason="length"))
    (completion,) = ask(one, "hi")
    assert (completion.text, completion.logprobs, completion.finish_reason) == ("hello", (-0.5,), FinishReason.LENGTH)
    assert completion.model == f"openai:{server.url}#tiny"
    (body,) = server.bodies
    assert body["model"] == "tiny"
    assert body["messages"] == [{"role": "user", "content": "hi"}]
    assert (body["temperature"], body["max_tokens"]) == (0.0, 8)
    assert "top_p" not in body
    assert "authorization" not in server.headers[0]


def test_answers_stay_in_the_order_of_the_questions_and_never_too_many_at_once(endpoint, server):
    def echo(body):
        time.sleep(0.01)
        return said(body["messages"][-1]["content"])

    one = endpoint(echo, patience=Patience(concurrency=3))
    texts = [f"q{i}" for i in range(12)]
    assert [each.text for each in ask(one, *texts)] == texts
    assert server.most_at_once == 3


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ((429, {}, {"error": {"message": "slow down"}}), "rate limit"),
        ((500, {}, {"error": "broken"}), "server error"),
        ((503, {}, {}), "server error"),
        ("cut", "cut off"),
        (b"<html>not json</html>", "rubbish"),
        (b"[1, 2]", "rubbish"),
    ],
)
def test_what_may_pass_is_asked_again_and_then_told_by_its_class(endpoint, server, fault, reason):
    one = endpoint(fault, fault, said("at last"), patience=Patience(attempts=3))
    assert ask(one, "hi")[0].text == "at last"
    assert len(server.bodies) == 3
    server.acts = [fault]
    failure = ask(one, "again")[0]
    assert isinstance(failure, Failure)
    assert failure.reason == reason


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422])
def test_what_is_refused_is_not_asked_again(endpoint, server, status):
    one = endpoint((status, {}, {"error": {"message": "no such model"}}))
    assert ask(one, "hi") == [Failure("refused", f"{status} no such model")]
    assert len(server.bodies) == 1


def test_a_server_that_repeats_the_key_or_writes_to_the_terminal_is_not_repeated(endpoint):
    one = endpoint((401, {}, {"error": "no such key: sk-123, \x1b[31mred"}), key="sk-123")
    (failure,) = ask(one, "hi")
    assert failure.detail == "401 no such key: ***, \N{REPLACEMENT CHARACTER}[31mred"


def test_half_characters_are_made_whole(endpoint):
    (completion,) = ask(endpoint(said("a\ud83d b\0c")), "hi")
    assert completion.text == "a? b\N{REPLACEMENT CHARACTER}c"
    assert completion.id


def test_a_redirect_is_not_followed(endpoint, server):
    one = endpoint((302, {"location": "http://127.0.0.1:1/steal"}, {}))
    assert ask(one, "hi")[0].reason == "refused"
    assert len(server.bodies) == 1


def test_waits_grow_with_jitter_and_heed_retry_after(endpoint, monkeypatch):
    monkeypatch.setattr("burnish.models.endpoint.random.uniform", lambda low, high: high)
    fault, patience = (500, {}, {}), Patience(attempts=4, backoff_seconds=0.5)
    one = endpoint(fault, patience=patience)
    ask(one, "hi")
    assert one.waits == [0.5, 1.0, 2.0]
    one = endpoint((429, {"retry-after": "7"}, {}), patience=patience)
    ask(one, "hi")
    assert one.waits == [7.0, 7.0, 7.0]
    one = endpoint((429, {"retry-after": formatdate(time.time() + 20, usegmt=True)}, {}), patience=Patience(attempts=2))
    ask(one, "hi")
    assert 15 < one.waits[0] <= 20
    one = endpoint((429, {"retry-after": "9999"}, {}), patience=Patience(attempts=2, longest_wait_seconds=30))
    ask(one, "hi")
    assert one.waits == [30]


def test_a_server_that_trickles_is_left(endpoint):
    one = endpoint("trickle", patience=Patience(attempts=1, timeout_seconds=0.1))
    assert ask(one, "hi")[0].reason == "time-out"


def test_one_failure_leaves_the_others_alone_and_is_never_an_empty_text(endpoint):
    def two_of_three(body):
        text = body["messages"][-1]["content"]
        return (400, {}, {"error": "bad"}) if text == "bad" else said(text)

    found = ask(endpoint(two_of_three), "a", "bad", "c")
    assert [getattr(each, "text", None) for each in found] == ["a", None, "c"]
    with pytest.raises(UnreachableError, match="refused"):
        endpoint(two_of_three).sample([Prompt.of("bad")], SHORT)


def test_a_filtered_or_empty_reply_is_a_failure(endpoint):
    assert ask(endpoint(said("x", finish_reason="content_filter")), "hi")[0].reason == "filtered"
    assert ask(endpoint(said(None)), "hi")[0].reason == "filtered"
    assert ask(endpoint({"choices": []}), "hi")[0].reason == "rubbish"


def test_the_circuit_opens_after_failures_in_a_row(endpoint, server):
    one = endpoint((500, {}, {}), patience=Patience(concurrency=1, attempts=1, failures_in_a_row=3))
    found = ask(one, *"abcdef")
    assert [each.reason for each in found] == ["server error"] * 3 + ["circuit open"] * 3
    server.acts = [said("well again")]
    assert ask(one, "g")[0].text == "well again"  # another batch tries anew


def test_a_field_the_server_does_not_know_is_left_out_from_then_on(endpoint, server):
    def no_schema(body):
        if "response_format" in body:
            return 400, {}, {"error": {"message": "unknown field response_format"}}
        if "max_tokens" in body:
            return 400, {}, {"error": {"message": "use max_completion_tokens instead"}}
        return said("fine")

    one = endpoint(no_schema)
    assert ask(one, "a", schema={"type": "object"})[0].text == "fine"
    assert ask(one, "b", schema={"type": "object"})[0].text == "fine"
    assert len(server.bodies) == 4
    assert server.bodies[-1]["max_completion_tokens"] == 8


def test_the_schema_is_sent_and_n_samples_have_seeds_of_their_own(endpoint, server):
    one = endpoint(said("x"))
    one.attempt([Prompt.of("a")], SHORT, n=3, seed=5, schema={"type": "object"})
    assert len({body["seed"] for body in server.bodies}) == 3
    assert server.bodies[0]["response_format"]["json_schema"]["schema"] == {"type": "object"}
    seeds = sorted(body["seed"] for body in server.bodies)
    one.attempt([Prompt.of("a")], SHORT, n=3, seed=5)
    assert sorted(body["seed"] for body in server.bodies[3:]) == seeds


# ------------------------------------------------------------------------------------------------------------ log-probs


def alternatives(*pairs):
    listed = [{"token": token, "logprob": logprob} for token, logprob in pairs]
    return said("A", logprobs={"content": [{"logprob": -0.1, "top_logprobs": listed}]})


def test_options_by_their_first_token_variants_add_up(endpoint):
    one = endpoint(alternatives(("A", -1.0), (" A", -2.0), ("B", -1.5), ("The", -3.0)))
    assert one.probe()
    (choice,) = one.choose([Prompt.of("q")], ("A", "B"))
    # by hand: log(e^-1 + e^-2) = -0.686738
    assert choice == {"A": pytest.approx(-0.686738, abs=1e-6), "B": -1.5}


def test_an_option_not_listed_gets_the_lowest_listed_and_none_listed_is_a_failure(endpoint):
    one = endpoint(alternatives(("A", -0.1), ("The", -6.0)))
    assert one.choose([Prompt.of("q")], ("A", "B"))[0] == {"A": pytest.approx(-0.1), "B": -6.0}
    one = endpoint(alternatives(("The", -0.1)))
    assert one.choose([Prompt.of("q")], ("A", "B"))[0].reason == "no log-probs"


def test_capitals_are_the_same_word_but_an_article_is_no_label(endpoint):
    one = endpoint(alternatives(("Yes", -0.05), ("no", -4.0), ("No", -5.0)))
    (choice,) = one.choose([Prompt.of("q")], ("yes", "no"))
    # by hand: log(e^-4 + e^-5) = -3.686738
    assert choice == {"yes": pytest.approx(-0.05), "no": pytest.approx(-3.686738, abs=1e-6)}
    one = endpoint(alternatives(("a", -0.5), ("A", -2.0), ("B", -1.5)))
    assert one.choose([Prompt.of("q")], ("A", "B"))[0] == {"A": pytest.approx(-2.0), "B": pytest.approx(-1.5)}


def test_options_that_one_token_could_begin_are_not_told_apart_and_not_asked(endpoint, server):
    """ "1" is an answer and the beginning of "10": counted for neither, the worst grade would become a middling one."""
    one = endpoint(alternatives(("1", -0.01), ("2", -6.0)))
    one.tells_logprobs = True
    assert one.choose([Prompt.of("q")] * 2, ("1", "10", "2"))[1].reason == "options alike"
    assert server.bodies == []
    assert not can_choose(one, [str(grade) for grade in range(1, 11)])
    assert can_choose(one, [str(grade) for grade in range(1, 10)])


def test_a_server_without_log_probs_is_found_out(endpoint, server):
    one = endpoint(said("A"))
    assert not one.probe()
    assert not one.tells_logprobs
    server.acts = [(401, {}, {"error": "who are you"})]
    with pytest.raises(UnreachableError, match="401 who are you"):
        one.probe()


# ------------------------------------------------------------------------------------------------------------- spending


def test_the_purse_is_never_overdrawn_also_by_many_threads(endpoint, server):
    purse = Purse(tokens=100)
    one = endpoint(said("x"), purse=purse, patience=Patience(concurrency=8))
    # the most one question can take: 2 bytes + overhead + 8 new tokens = 26; it really takes 13
    found = ask(one, *[f"q{i}" for i in range(30)])
    reasons = [each.reason for each in found if isinstance(each, Failure)]
    assert set(reasons) == {"budget"}
    assert purse.spent.tokens <= 100
    assert purse.spent.calls == len(server.bodies) == 30 - len(reasons) >= 3


@pytest.mark.parametrize("concurrency", [1, 8])
def test_a_budget_that_suffices_answers_everything_however_many_are_asked_at_once(endpoint, server, concurrency):
    """20 questions take 13 tokens each; bounds are 26, so 8 at once would hold 208 of the 280."""
    purse = Purse(tokens=20 * 13 + 20)
    one = endpoint(said("x"), purse=purse, patience=Patience(concurrency=concurrency))
    found = ask(one, *[f"q{i}" for i in range(20)])
    assert not [each for each in found if isinstance(each, Failure)]
    assert purse.spent.tokens == 20 * 13


def test_a_cap_below_one_question_is_called_by_its_name(endpoint):
    with pytest.raises(InputError, match="cap does not allow a single question"):
        endpoint(said("x"), purse=Purse(tokens=3)).probe()


def test_what_a_cut_answer_took_nobody_knows_so_it_is_booked_in_full(endpoint):
    purse = Purse()
    one = endpoint("cut", purse=purse, patience=Patience(attempts=2))
    ask(one, "hi")
    assert purse.spent.tokens == 2 * (2 + MESSAGE_OVERHEAD + 8)
    one = endpoint((500, {}, {}), purse=(free := Purse()), patience=Patience(attempts=2))
    ask(one, "hi")
    assert free.spent.tokens == 0


def test_a_key_goes_to_its_own_host_only(endpoint, server, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "not for you")
    monkeypatch.setenv("BURNISH_KEY_127_0_0_1", "for you")
    ask(endpoint(said("x")), "hi")
    assert server.headers[0]["authorization"] == "Bearer for you"
