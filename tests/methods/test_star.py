"""STaR: right answers as they are, the others after a hint that the training never sees."""

from dataclasses import replace

import pytest
import torch

from burnish.errors import InputError
from burnish.examples import Example, Row, Tools
from burnish.maths.batch import Batch, Outputs, length_mask
from burnish.methods import star
from burnish.records import Completion, Prompt, Sampling, Score, Span

SUM = Prompt.of("2 + 2?", reference="4")
OTHER = Prompt.of("3 + 3?", reference="6")
NO_ANSWER = Prompt.of("Why?")


class Told:
    """A sampler that says what the hint says, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def sample(self, prompts, sampling, *, n=1, seed=0, run="", round=0):
        self.asked += [prompt.text for prompt in prompts]
        self.n = n
        return [
            [Completion(p.id, f"it is {i}", (7, i), logprobs=(-0.1, -0.2), sampling=Sampling()) for i in (6, 5)[:n]]
            for p in prompts
        ]


class Right:
    """1 where the completion ends in the prompt's known answer."""

    def score(self, prompts, completions):
        return [Score(p, c, float(c.text.endswith(p.reference))) for p, c in zip(prompts, completions, strict=True)]


def group(prompt: Prompt, **scores: float) -> Example:
    return Example(tuple(Row(prompt, Completion(prompt.id, t), score=s, fresh=True) for t, s in scores.items()))


def test_what_is_right_is_imitated_and_nothing_is_asked():
    tools = Tools()  # no sampler: none is needed
    found = star.choose([group(SUM, five=0.0, four=1.0, vier=1.0)], star.Config(), tools)
    assert [example.rows[0].completion.text for example in found] == ["four"]
    found = star.choose([group(SUM, five=0.0, four=1.0, vier=1.0)], star.Config(keep=5), tools)
    assert [example.rows[0].completion.text for example in found] == ["four", "vier"]


def test_where_none_is_right_the_hint_is_asked_and_then_forgotten():
    sampler, tools = Told(), Tools(reward=Right())
    tools = replace(tools, sampler=sampler)
    groups = [group(SUM, five=0.0), group(OTHER, five=0.0, none=float("nan")), group(NO_ANSWER, so=0.0)]
    found = star.choose(groups, star.Config(tries=2, hint="{asked} (It is {reference}.)"), tools)
    assert sampler.asked == ["2 + 2? (It is 4.)", "3 + 3? (It is 6.)"]
    assert sampler.n == 2
    (row,) = [row for example in found for row in example.rows]
    assert row.prompt is OTHER
    assert row.completion.prompt_id == OTHER.id
    assert row.completion.text == "it is 6"
    assert row.completion.token_ids == (7, 6)
    assert row.completion.logprobs is None  # they belong to the prompt with the hint
    assert not row.fresh
    assert +tools.left_out == {
        "never right, and no reference answer to hint at": 1,
        "wrong even with the hint": 1,
    }


def test_a_hint_without_tools_says_what_is_missing():
    with pytest.raises(InputError, match="sampler"):
        star.choose([group(SUM, five=0.0)], star.Config(), Tools())


def test_the_loss_is_that_of_imitation_and_the_share_of_hints_is_told():
    made = Batch(length_mask([2, 1]), torch.arange(2), fresh_B=torch.tensor([True, False]))
    says = Outputs(logprobs_BT=torch.tensor([[-1.0, -2.0], [-6.0, torch.nan]]))
    found, metrics = star.loss(star.targets(made, star.Config()), says, star.Config())
    assert found.tolist() == pytest.approx([3 / 3, 6 / 3])
    assert metrics["hinted"].tolist() == [0.0, 1.0]


def test_a_divergence_is_charged_as_raft_charges_it():
    made = Batch(length_mask([2, 1]), torch.arange(2), fresh_B=torch.tensor([True, False]))
    says = Outputs(logprobs_BT=torch.tensor([[-1.0, -2.0], [-6.0, 0.0]]), kl_BT=torch.tensor([[1.0, 1.0], [4.0, 0.0]]))
    config = star.Config(beta=0.5)
    found, metrics = star.loss(star.targets(made, config), says, config)
    assert found.tolist() == pytest.approx([(3 + 1) / 3, (6 + 2) / 3])
    assert metrics["kl_nats"].tolist() == [2.0, 4.0]
    assert star.needs(config).views == ("reference",)
    assert star.needs(star.Config()).views == ()


def test_poor_steps_to_a_right_answer_are_not_imitated_with_the_hint_or_without():
    poor, good = Span(0, 2, severity=0.1), Span(2, 4, severity=0.9)

    class Steps(Right):
        def score(self, prompts, completions):
            return [
                replace(score, value=1.0, token_rewards=(poor, good)) for score in super().score(prompts, completions)
            ]

    right = Row(SUM, Completion(SUM.id, "so 4"), score=1.0, token_rewards=(poor, good), fresh=True)
    tools = Tools(sampler=Told(), reward=Steps())
    for least, labels in ((0.5, (poor, good)), (None, ())):
        found = star.choose([Example((right,)), group(OTHER, five=0.0)], star.Config(least_part=least), tools)
        assert [example.rows[0].spans for example in found] == [labels, labels]
        assert [example.rows[0].token_rewards for example in found] == [(poor, good)] * 2
    labels = torch.tensor([[0.1, 0.9], [torch.nan, torch.nan]])
    made = Batch(length_mask([2, 1]), torch.arange(2), token_labels_BT=labels, fresh_B=torch.tensor([True, False]))
    says = Outputs(logprobs_BT=torch.tensor([[-1.0, -2.0], [-6.0, torch.nan]]))
    config = star.Config(least_part=0.5)
    found, metrics = star.loss(star.targets(made, config), says, config)
    assert found.tolist() == pytest.approx([2 / 2, 6 / 2])
    assert metrics["imitated"].tolist() == [0.5, 1.0]


def test_what_is_never_drawn_is_learned_from_the_hint_and_its_twin_does_not(world, twin):
    """The only right completion has a chance of one in a million; the hint says it."""

    def course(method) -> float:
        here = world(longest=2)
        here.prompt = replace(here.prompt, reference="right")
        right = 5
        here.rewards = torch.zeros_like(here.rewards)
        here.rewards[right] = 1.0
        chances = torch.full((len(here.tokens),), 1.0, dtype=torch.float64)
        chances[right] = 1e-6
        here.become(chances / chances.sum())

        class Knows:
            def sample(self, prompts, sampling, *, n=1, seed=0, run="", round=0):
                return [[here.policy.completion(p, here.tokens[right])] * n for p in prompts]

        return here.learn(method, star.Config(), steps=25, n=4, rate=0.6, tools=here.tools(sampler=Knows()))

    assert course(star) > 0.95
    assert course(twin(star)) < 0.01


@pytest.mark.parametrize(
    "setting",
    [{"right": -1.0}, {"keep": 0}, {"tries": 0}, {"least_part": float("inf")}, {"hint": "no"}, {"hint": "{other}"}],
)
def test_settings_out_of_range_are_refused(setting):
    with pytest.raises(InputError, match=next(iter(setting))):
        star.Config(**setting)
