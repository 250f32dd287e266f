"""What a completion is paid is its score: nothing more for where a reward looked, and parts of it where they stand."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from functools import partial

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.models.test_headed import a_network

from burnish import methods, rewards
from burnish.conformance import lessons, toys
from burnish.conformance.toys import SAMPLING
from burnish.conformance.world import ASKED, LONGEST, VOCABULARY, World
from burnish.examples import Example, Row
from burnish.judges.asking.asker import Asker
from burnish.judges.rubric import Checklist, Criterion, Rubric
from burnish.maths.policy_loss import masked_sum
from burnish.maths.returns import at_last
from burnish.maths.rollouts import paid_rewards
from burnish.methods import process_reward, span_reward
from burnish.models.paying import paid_by_token
from burnish.models.scripted import Scripted
from burnish.models.table import TablePolicy
from burnish.records import Completion, Prompt, Score, Span
from burnish.rewards.combined import Combined, Part
from burnish.rewards.judged import Judged
from burnish.rewards.normalised import Normalised
from burnish.training.course import Course, CourseConfig, Material
from burnish.training.optimiser import OptimiserConfig
from burnish.training.steps import StepConfig
from burnish.training.window import window

PAYING = ("reinforce", "rloo", "ppo", "a2c", "cispo", "dqn")
"""Methods that say what they paid."""
ASKS = Prompt.of("How many?", reference="4")
TEXTS = ("The answer is 4", "The answer is one two three four five", "4", "no 3")
WORDS = {
    "accuracy": "accuracy",
    "bleu": "bleu",
    "chrf": "chrf",
    "exact_match": "exact_match",
    "judged": "judged:r.toml@m",
    "length": "length:2-4",
    "pattern": "pattern:!answer is",
    "rouge": "rouge",
    "token_f1": "token_f1",
}
ON_A_MODEL = {"classifier", "similarity"}
"""Made by a word that names a model's folder; they look at a text whole, and explain nothing by spans."""


def a_course(name: str, network, reward, *, steps: int = 4, rate: float = 0.2, **config) -> Course:
    module = methods.load(name)
    given = Material(prompts=network.prompts, reward=reward, sampling=SAMPLING)
    return Course(
        network, module, module.Config(**config), given, CourseConfig(steps=steps, prompts_per_step=1, group=8),
        optimiser=OptimiserConfig(learning_rate=rate, warmup_steps=1, max_grad_norm=0.0),
        walk=StepConfig(rows_per_slice=100), seed=0,
    )  # fmt: skip


def a_table(name: str, prompts=ASKED[:1], **config) -> TablePolicy:
    module = methods.load(name)
    heads = module.needs(module.Config(**config)).heads
    return TablePolicy(prompts, vocabulary=VOCABULARY, longest=LONGEST, heads=heads)


def paid(network, examples):
    """What the rows of these examples are paid, a sum for each."""
    batch = a_window(network, examples)
    return masked_sum(paid_rewards(batch), batch.completion_mask_BT).tolist()


def a_window(network, examples):
    return window(network, examples, methods.Needs(eats=()), rows_per_slice=64, max_new_tokens=64, seed=0)[0]


@dataclass
class Says:
    """A sampler that says these texts."""

    texts: tuple[str, ...]

    def sample(self, prompts, sampling, *, n=1, seed=0, run="", round=0):
        return [[Completion(p.id, text, index=i) for i, text in enumerate(self.texts)] for p in prompts]


# ------------------------------------------------------------------------------------------- where a reward looked


def named_rewards(tmp_path, monkeypatch):
    """Every reward that is made by a word, and what is made of those that explain themselves."""
    (tmp_path / "r.toml").write_text('[[criteria]]\nid = "a"\nquestion = "Is it?"\nevidence = true\n', "utf-8")
    said = json.dumps({"reason": "so", "evidence": ["the"], "verdict": "yes"})
    monkeypatch.chdir(tmp_path)
    judge = Scripted(lambda asked, seed: said)
    monkeypatch.setattr("burnish.judges.asking.backends.sampler_of", lambda name, purse: judge)
    assert set(WORDS) | ON_A_MODEL == {name for name in rewards.names() if rewards.is_made_by_word(name)}
    made = {name: rewards.make(word) for name, word in WORDS.items()}
    quotes = Scripted(lambda asked, seed: json.dumps({"reason": "so", "evidence": ["answer is"], "verdict": "yes"}))
    made["a rubric"] = Judged(
        Checklist(Asker(quotes), Rubric("r", (Criterion("a", "Is it?", evidence=True),))), most_failures=1
    )
    made["combined"] = Combined((Part("a", made["accuracy"]), Part("p", made["pattern"], 2.0, std=0.5)))
    made["normalised"] = Normalised(made["rouge"], mean=0.25, std=0.5)
    return made


def test_every_named_reward_pays_its_score_and_nothing_for_its_spans(tmp_path, monkeypatch):
    network = a_network()
    network.prompts = [ASKS]
    explained = 0
    for name, reward in named_rewards(tmp_path, monkeypatch).items():
        course = a_course("rloo", network, reward)
        course.sampler = Says(TEXTS)
        groups = course.draw(0)
        scores = [row.score if row.score == row.score else 0.0 for group in groups for row in group.rows]
        explained += sum(bool(score.spans) for score in reward.score([ASKS] * len(TEXTS), says(TEXTS)))
        assert any(scores), name
        assert paid(network, groups) == pytest.approx(scores, abs=1e-5), name
        batch = a_window(network, groups)
        assert torch.equal(paid_rewards(batch), at_last(batch.rewards_B.nan_to_num(), batch.completion_mask_BT)), name
    assert explained > 8  # some say where they looked, or nothing was tested


def says(texts):
    return Says(texts).sample([ASKS], SAMPLING)[0]


@pytest.mark.parametrize("name", ["rloo", "reinforce", "ppo"])
def test_a_forbidden_token_becomes_rare(name):
    """Where a rule is broken its reward marks the place: paid for the mark, a policy would learn to break it."""
    network = a_table(name, beta=0.0)
    course = a_course(name, network, rewards.make("pattern:!3"), steps=15, beta=0.0)

    def forbidden() -> float:
        chances = network.probabilities(ASKED[0]).detach()
        return float(sum(p for p, said in zip(chances, network.completions(), strict=True) if 3 in said))

    before = forbidden()
    for _ in range(15):
        course.advance()
    assert before > 0.5
    assert forbidden() < before / 2


# ------------------------------------------------------------------------------------------- parts where they stand


@dataclass
class ByToken:
    """A reward that pays 1 for each 3 where it stands, and a part of 0.25 at the end."""

    def score(self, prompts, completions):
        return [self._one(*each) for each in zip(prompts, completions, strict=True)]

    def _one(self, prompt, completion):
        places = [place for place, letter in enumerate(completion.text) if letter == "3"]
        parts = tuple(Span(place, place + 1, severity=1.0) for place in places)
        return Score(prompt, completion, len(parts) + 0.25, token_rewards=parts, spans=(Span(0, 1, severity=9.0),))


@pytest.mark.parametrize("name", PAYING)
def test_what_is_logged_as_paid_is_the_score_wherever_it_was_paid(name):
    free = {"epsilon": 1.0} if name == "dqn" else {"beta": 0.0}
    told = a_course(name, a_table(name, **free), ByToken(), **free).advance()
    assert told["reward"] > 0.5
    assert told["paid"] == pytest.approx(told["reward"], abs=1e-6)


def test_each_method_pays_a_token_where_it_stands():
    network = a_table("reinforce")
    row = Row(ASKED[0], network.completion(ASKED[0], [3, 1, 3]))
    (score,) = ByToken().score([row.prompt], [row.completion])
    row = Row(row.prompt, row.completion, score=2.25, token_rewards=score.token_rewards, fresh=True)
    batch = a_window(network, [Example((row,))])
    assert paid_rewards(batch).tolist() == [[1.0, 0.0, 1.25]]
    returns = methods.load("reinforce").targets(batch, methods.load("reinforce").Config(baseline="none", beta=0.0))
    assert returns.advantages_BT.tolist() == [[2.25, 1.25, 1.25]]


@settings(max_examples=30, deadline=None)
@given(
    st.floats(-5, 5),
    st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30), st.floats(-5, 5)), max_size=5),
    st.sampled_from(TEXTS),
)
def test_the_parts_and_what_is_left_for_the_end_are_the_score(value, parts, text):
    """Whatever is paid by token, even beyond the text or to no character of it."""
    spans = tuple(Span(start, end, severity=severity) for start, end, severity in parts)
    row = Row(ASKS, Completion(ASKS.id, text), score=value, token_rewards=spans, fresh=True)
    assert paid(NETWORK, [Example((row,))]) == [pytest.approx(value, abs=1e-4)]


NETWORK = a_network()


# ------------------------------------------------------------------------------------------- learned by token


@pytest.fixture(scope="module")
def steps_head():
    """A process reward that has learned every beginning of every completion, and its world."""
    begun = toys.begin("process_reward", seed=0, steps=40, examples_per_step=255)
    for _ in range(40):
        begun.step()
    begun.policy.pay = partial(process_reward.pay, config=process_reward.Config(separator=" "))
    return begun


def test_a_trained_process_head_pays_each_step_what_it_was_taught(steps_head):
    network, every = steps_head.policy, list(steps_head.policy.completions())
    completions = [network.completion(ASKED[1], y) for y in every]
    wrong = []
    for y, score in zip(every, network.score([ASKED[1]] * len(every), completions), strict=True):
        taught = [lessons.so_far(steps_head.world, ASKED[1], y[:count], every) for count in range(1, len(y) + 1)]
        told = [part.severity for part in score.token_rewards]
        assert len(told) == len(y)
        assert sum(told) == pytest.approx(score.value)
        wrong += [abs(one - other) for one, other in zip(told, taught, strict=True)]
    assert sum(wrong) / len(wrong) < 0.05


@pytest.mark.parametrize(("name", "config"), [*((name, {}) for name in PAYING), ("grpo", {"credit": "process"})])
def test_a_policy_learns_from_steps_that_are_paid(name, config, steps_head):
    free = {**config, **({} if name == "dqn" else {"beta": 0.0})}
    course = a_course(name, a_table(name, ASKED, **free), steps_head.policy, **free)
    (group,) = course.draw(0)
    assert all(len(row.token_rewards) == len(row.completion.token_ids) for row in group.rows)
    assert paid(course.network, [group]) == pytest.approx([row.score for row in group.rows])
    before = {key: value.clone() for key, value in course.network.parameters().items()}
    told = course.advance()
    assert told.get("paid", told["reward"]) == pytest.approx(told["reward"], abs=1e-6)
    assert any(not torch.equal(before[key], value) for key, value in course.network.parameters().items())


@pytest.mark.parametrize(
    ("name", "plain", "by_part"),
    [
        ("raft", {}, {"least_part": 0.6}),
        ("star", {"right": 0.5}, {"right": 0.5, "least_part": 0.6}),
        ("online_dpo", {}, {"token_weight": 1.0}),
    ],
)
def test_parts_that_are_paid_reach_methods_that_choose_by_the_score(name, plain, by_part, steps_head):
    """In a course, with a learned reward: another step than by the sum alone, and the same one where none is paid."""

    class Sums:
        def score(self, prompts, completions):
            return [replace(score, token_rewards=()) for score in steps_head.policy.score(prompts, completions)]

    def learned(reward, config):
        course = a_course(name, a_table(name, ASKED, **config), reward, **config)
        course.advance()
        return course.network.tables["logits"].detach()

    assert not torch.equal(learned(steps_head.policy, by_part), learned(steps_head.policy, plain))
    assert torch.equal(learned(Sums(), by_part), learned(Sums(), plain))


def test_a_part_reaches_from_behind_the_one_before_it():
    """A step is all of its tokens; tokens that share a character (bytes of one) each have it, and lose no pay."""
    row = Row(ASKS, Completion(ASKS.id, "a bc\u00e9"))
    places = [(0, 1), (1, 3), (3, 4), (4, 5), (4, 5), (5, 5)]

    def parts(*worth: float) -> list[tuple[int, int, float]]:
        score = paid_by_token(row, torch.tensor([worth]).T, places, lambda readings, text, places: readings)
        return [(part.start, part.end, part.severity) for part in score.token_rewards]

    nothing = torch.nan
    assert parts(nothing, 0.5, nothing, nothing, 2.0, nothing) == [(0, 3, 0.5), (3, 5, 2.0)]
    assert parts(1.0, 2.0, 3.0, 4.0, 5.0, 6.0) == [(0, 1, 1.0), (1, 3, 2.0), (3, 4, 3.0), (4, 5, 4.0), (4, 5, 5.0)]


def test_steps_end_with_their_last_character_and_blank_ones_are_none():
    readings = torch.arange(6.0)[:, None]
    places = [(0, 2), (2, 3), (3, 5), (5, 9), (9, 12), (12, 12)]  # "1+", "1", "\n\n", "= 2 ", "\nok", the end token
    found = process_reward.pay(readings, "1+1\n\n= 2 \nok", places, process_reward.Config(against="squared"))
    assert found[:, 0].tolist() == pytest.approx([torch.nan, 1, torch.nan, 3, 4, torch.nan], nan_ok=True)
    likely = process_reward.pay(readings, "1+1", places[:2], process_reward.Config())
    assert likely[1, 0] == torch.sigmoid(torch.tensor(1.0))


def test_a_span_head_pays_each_token_its_severity_or_the_chance_of_a_fault():
    readings = torch.tensor([[0.5, 1.5], [-2.0, 0.0]])
    places = [(0, 1), (1, 2)]
    assert torch.equal(span_reward.pay(readings, "ab", places, span_reward.Config()), readings)
    faults = span_reward.pay(readings, "ab", places, span_reward.Config(label="fault"))
    assert torch.allclose(faults, torch.sigmoid(readings) - 1)


def test_a_language_model_s_heads_pay_its_own_tokens():
    """The reading after every token is paid where that token stands, the end token's with what is left for the end."""
    network = a_network(heads={"reward": 2}, speaks=False)
    completion = Completion(ASKS.id, "the good and the bad")
    (plain,) = network.score([ASKS], [completion])
    network.pay = partial(span_reward.pay, config=span_reward.Config(heads=2))
    (score,) = network.score([ASKS], [completion])
    row = Row(ASKS, completion, score=score.value, token_rewards=score.token_rewards)
    readings = network.outputs(network.inputs([row], 99)).token_rewards_BTK[0, : len(network.tokens(row))].detach()
    assert plain.token_rewards == ()
    assert plain.value == pytest.approx(float(readings[-1].mean()), abs=1e-6)
    batch = a_window(network, [Example((row,))])
    assert paid_rewards(batch)[0].tolist() == pytest.approx(readings.mean(-1).tolist(), abs=1e-5)
    assert score.members == pytest.approx(readings.sum(0).tolist(), abs=1e-5)


def test_a_reward_reads_what_another_tokenizer_drew():
    """Ids of the policy's vocabulary mean nothing in the reward's: its text is read, and characters are paid."""
    network = a_network(heads={"reward": 1}, speaks=False)
    network.pay = partial(span_reward.pay, config=span_reward.Config(heads=1))
    text = "the good 4"
    foreign = Completion(ASKS.id, text, (3, 1, 2), (-1.0, -1.0, -1.0))
    own = Completion(ASKS.id, text, tuple(network.tokens(Row(ASKS, Completion(ASKS.id, text)))))
    scores = network.score([ASKS] * 3, [foreign, own, Completion(ASKS.id, text)])
    assert scores[0].completion is foreign
    for score in scores:
        assert score.value == pytest.approx(scores[2].value, abs=1e-6)
        told = [part.severity for part in score.token_rewards]
        assert told == pytest.approx([part.severity for part in scores[2].token_rewards], abs=1e-6)
    beyond = Completion(ASKS.id, text, (10**6,))
    assert network.score([ASKS], [beyond])[0].value == pytest.approx(scores[0].value)


def test_what_has_no_step_is_not_scored():
    network = a_network(heads={"reward": 1}, speaks=False)
    network.pay = partial(process_reward.pay, config=process_reward.Config(heads=1))
    (score,) = network.score([ASKS], [Completion(ASKS.id, " \n")])
    assert (score.value, score.token_rewards) == (None, ())


def test_the_marks_of_the_known_world_lie_on_every_token():
    world, table = World(0), TablePolicy(ASKED, vocabulary=VOCABULARY, longest=LONGEST)
    every = list(table.completions())
    for score in lessons.marked(world, table):
        tokens = score.completion.token_ids
        assert len(score.spans) == len(tokens)
        assert score.spans[-1].severity == pytest.approx(world.value(score.prompt, tokens))
    first = [world.value(ASKED[0], y) for y in every if y[0] == 2]
    marked = next(s for s in lessons.marked(world, table) if s.prompt == ASKED[0] and s.completion.token_ids[0] == 2)
    assert marked.spans[0].severity == pytest.approx(sum(first) / len(first))
