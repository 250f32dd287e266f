import json

import pytest

from burnish.judges.asking.asker import Asker
from burnish.judges.asking.remembered import Remembered
from burnish.judges.asking.shape import Field, Shape
from burnish.models.answering import Failure
from burnish.models.scripted import Scripted
from burnish.records import Completion, FinishReason, Prompt

SHAPE = Shape((Field("verdict", "choice", choices=("A", "B")),))


class Dict(dict):
    """A memory in a dictionary."""

    def get(self, keys):
        return {key: self[key] for key in keys if key in self}

    def put(self, answers, asked):
        assert set(answers) <= set(asked)
        self.update(answers)


def test_an_unreadable_reply_is_told_once_with_the_reason_and_may_be_mended(asker):
    def say(question, seed):
        return "Hmm, both." if len(question.messages) == 2 else "verdict: B"

    one = asker(say)
    (reply,) = one.ask(["which?"], SHAPE)
    assert (reply.answers, reply.rung, reply.raw) == ({"verdict": "B"}, "repaired", ("Hmm, both.", "verdict: B"))
    again = one.sampler.asked[1]
    assert [message.role for message in again.messages] == ["system", "user", "assistant", "user"]
    assert again.messages[2].content == "Hmm, both."
    assert "'Hmm, both.' is not one of A, B" in again.messages[3].content


def test_what_stays_unreadable_is_a_failure_that_keeps_both_replies(asker):
    one = asker(lambda question, seed: "no idea")
    (reply,) = one.ask(["which?"], SHAPE)
    assert (reply.answers, reply.rung, reply.raw) == (None, "failed", ("no idea", "no idea"))
    assert reply.failure.startswith("unreadable: verdict: 'no idea' is not one of")
    assert len(one.sampler.asked) == 2


def test_without_repair_it_is_asked_once(asker):
    one = asker(lambda question, seed: "no idea", repair=False)
    assert one.ask(["which?"], SHAPE)[0].answers is None
    assert len(one.sampler.asked) == 1


def test_a_failure_of_the_sampler_is_told_in_its_place_and_not_repaired(asker):
    def say(question, seed):
        return Failure("budget") if "two" in question.text else "A"

    one = asker(say)
    replies = one.ask(["one", "two", "three"], SHAPE)
    assert [reply.answers and reply.answers["verdict"] for reply in replies] == ["A", None, "A"]
    assert replies[1].failure == "budget"
    assert len(one.sampler.asked) == 3


def test_a_reply_cut_off_says_so():
    class Cut(Scripted):
        def _one(self, prompt, sampling, seed, index):
            return Completion(prompt.id, '{"verdict": "', finish_reason=FinishReason.LENGTH)

    (reply,) = Asker(Cut(lambda question, seed: "")).ask(["q"], SHAPE)
    assert reply.failure.startswith("unreadable: the reply was cut off")


def test_a_sampler_without_attempt_of_its_own_can_be_asked():
    class Plain:
        name = "plain"

        def sample(self, prompts, sampling, *, n=1, seed=0, run="", round=0):
            return [[Completion(prompt.id, "A")] for prompt in prompts]

    assert Asker(Plain()).ask(["q"], SHAPE)[0].answers == {"verdict": "A"}


# ------------------------------------------------------------------------------------------------------------- memory


def test_asking_again_costs_nothing_and_failures_are_asked_again():
    answers = iter(["A", Failure("rate limit"), "B"])
    script = Scripted(lambda question, seed: next(answers))
    memory = Dict()
    one = Asker(Remembered(script, memory))
    assert [reply.answers for reply in one.ask(["x", "y"], SHAPE)] == [{"verdict": "A"}, None]
    again = Asker(Remembered(script, memory))
    assert [reply.answers for reply in again.ask(["x", "y"], SHAPE)] == [{"verdict": "A"}, {"verdict": "B"}]
    assert len(script.asked) == 3
    assert (again.sampler.tally.recalled, again.sampler.tally.asked) == (1, 1)


def test_another_question_seed_sampling_schema_or_model_is_another_key():
    script, memory = Scripted(lambda question, seed: "A"), Dict()
    base = Asker(Remembered(script, memory))
    base.ask(["x"], SHAPE)
    base.ask(["x"], SHAPE)
    assert len(memory) == 1
    base.ask(["x"], SHAPE, seed=1)
    base.ask(["y"], SHAPE)
    base.ask(["x"], Shape((Field("verdict", "choice", choices=("A", "C")),)))
    Asker(Remembered(script, memory, name="another")).ask(["x"], SHAPE)
    Asker(Remembered(script, memory), system="Be strict.").ask(["x"], SHAPE)
    assert len(memory) == 6


def test_a_replay_needs_no_model_and_fails_on_what_was_never_asked():
    memory = Dict()
    recorded = Remembered(Scripted(lambda q, seed: "A", lambda q, options: {"A": -1.0, "B": -2.0}, "m"), memory)
    Asker(recorded).ask(["x"], SHAPE)
    Asker(recorded).choose(["x"], ("A", "B"))
    replay = Asker(Remembered(None, memory, name="m"))
    known, unknown = replay.ask(["x", "y"], SHAPE)
    assert (known.answers, unknown.failure.partition(":")[0]) == ({"verdict": "A"}, "not recorded")
    assert replay.choose(["x"], ("A", "B")) == [{"A": -1.0, "B": -2.0}]
    assert replay.choose(["y"], ("A", "B"))[0].reason == "not recorded"
    assert json.loads(next(iter(memory.values())))
    with pytest.raises(ValueError, match="name of the model"):
        Remembered(None, memory)


class Probed(Scripted):
    """A server: nothing but asking tells whether it gives log-probs."""

    def probe(self):
        self.asked.append(Prompt.of("do you?"))
        return False


def test_a_replay_asks_in_the_form_that_was_asked():
    """A server without log-probs was asked in words; a replay that looked for log-probs found nothing recorded."""
    server, memory = Probed(lambda q, seed: "A", name="openai:http://localhost/v1#m"), Dict()
    first = Remembered(server, memory)
    assert not first.probe()
    Asker(first).ask(["x"], SHAPE)
    replay = Remembered(None, memory, name=server.name)
    assert not replay.probe()
    assert not Asker(replay).can_choose(("A", "B"))
    assert Asker(replay).ask(["x"], SHAPE)[0].answers == {"verdict": "A"}
    assert not Remembered(server, memory).probe()
    assert len(server.asked) == 2  # one question and one probe


def test_a_replay_of_an_older_memory_looks_for_log_probs_that_first_tokens_can_tell():
    replay = Remembered(None, Dict(), name="openai:http://localhost/v1#m")
    assert replay.probe()
    assert Asker(replay).can_choose(("yes", "no"))
    assert not Asker(replay).can_choose(("1", "10"))
    assert Asker(Remembered(None, Dict(), name="smollm2-135m@1")).can_choose(("1", "10"))
