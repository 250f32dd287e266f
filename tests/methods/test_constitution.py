"""Constitution: first answer, critique, revision; what is learned of it; what is counted."""

from dataclasses import dataclass, field

import pytest
import torch

from burnish.errors import InputError
from burnish.examples import Tools, given
from burnish.maths.batch import Batch, Outputs, length_mask
from burnish.methods import constitution, dpo, sft
from burnish.records import Completion, Demonstration, FinishReason, Prompt, Score

PROMPTS = [Prompt.of("How?"), Prompt.of("Why?")]
SIGNALS = [Demonstration(PROMPTS[0], given(PROMPTS[0], "x")), Score(PROMPTS[1], given(PROMPTS[1], "y"), 1.0)]
ONE = constitution.Config(principles=("Be brief.",), rounds=1)


@dataclass
class Speaker:
    """Answers, criticises, rewrites: which of them it does it sees from what it is asked."""

    answer: str = "Well, so."
    critique: str = "It is long."
    revision: str = "So."
    finish: FinishReason = FinishReason.STOP
    asked: list[str] = field(default_factory=list)
    temperatures: list[float] = field(default_factory=list)

    def sample(self, prompts, sampling, *, n=1, seed=0, run="", round=0):
        self.asked += [prompt.text for prompt in prompts]
        self.temperatures.append(sampling.temperature)
        return [[self._say(prompt)] for prompt in prompts]

    def _say(self, prompt):
        if "Write the answer anew" in prompt.text:
            return Completion(prompt.id, self.revision, finish_reason=self.finish)
        return Completion(prompt.id, self.critique if "rule for answers" in prompt.text else self.answer)


def test_the_revision_is_imitated_for_each_prompt_once():
    speaker = Speaker()
    examples = constitution.prepare([*SIGNALS, SIGNALS[0]], ONE, Tools(sampler=speaker))
    rows = [row for example in examples for row in example.rows]
    assert [(row.prompt, row.completion.text) for row in rows] == [(PROMPTS[0], "So."), (PROMPTS[1], "So.")]
    assert speaker.asked[:2] == ["How?", "Why?"]
    for part in ("How?", "Well, so.", "Be brief."):
        assert part in speaker.asked[2]
    for part in ("How?", "Well, so.", "It is long.", "Be brief."):
        assert part in speaker.asked[4]


def test_the_first_answer_is_the_policy_s_own_and_what_is_written_about_it_is_cooler():
    speaker = Speaker()
    constitution.prepare(SIGNALS[:1], constitution.Config(rounds=1, temperature=0.3), Tools(sampler=speaker))
    assert speaker.temperatures == [1.0, 0.3, 0.3]
    with pytest.raises(InputError, match="temperature"):
        constitution.Config(temperature=-0.1)


def test_the_next_round_goes_on_from_the_revision():
    speaker = Speaker()
    constitution.prepare(SIGNALS[:1], constitution.Config(rounds=2), Tools(sampler=speaker))
    assert len(speaker.asked) == 5
    assert "Here is an answer to that:\nSo." in speaker.asked[3]


def test_pairs_prefer_the_revision_to_the_first_answer():
    config = constitution.Config(rounds=1, learns="pairs")
    [example] = constitution.prepare(SIGNALS[:1], config, Tools(sampler=Speaker()))
    assert [(row.completion.text, row.rank, row.probability) for row in example.rows] == [
        ("So.", 0, 1),
        ("Well, so.", 1, 1),
    ]
    assert constitution.needs(config).views == ("reference",)
    assert constitution.needs(ONE).views == ()


def test_principles_come_in_an_order_of_the_prompt_s_own_and_each_once_before_any_again():
    config = constitution.Config(principles=("a", "b", "c"))
    orders = {
        tuple(constitution.principle_of(Prompt.of(str(i)), k, config, seed=0) for k in range(4)) for i in range(30)
    }
    assert len(orders) > 3
    for order in orders:
        assert sorted(order[:3]) == ["a", "b", "c"]
        assert order[3] == order[0]


@pytest.mark.parametrize(
    ("speaker", "reason"),
    [
        (Speaker(revision=" "), "revision 1 empty"),
        (Speaker(finish=FinishReason.LENGTH), "revision 1 cut off"),
        (Speaker(critique=""), "critique 1 empty"),
        (Speaker(answer=""), "first answer empty"),
    ],
)
def test_what_fails_is_counted_and_no_revision_at_all_is_an_error(speaker, reason):
    tools = Tools(sampler=speaker)
    with pytest.raises(InputError, match=reason):
        constitution.prepare(SIGNALS, ONE, tools)
    assert tools.left_out == {reason: 2}


def test_an_unchanged_answer_is_nothing_to_learn():
    with pytest.raises(InputError, match="no answer was revised"):
        constitution.prepare(SIGNALS, ONE, Tools(sampler=Speaker(revision="Well, so.")))
    with pytest.raises(InputError, match="needs a sampler"):
        constitution.prepare(SIGNALS, ONE, Tools())
    for wrong in ({"principles": ()}, {"principles": ("a", " ")}):
        with pytest.raises(InputError, match="principles"):
            constitution.Config(**wrong)


def test_the_losses_are_those_of_sft_and_dpo():
    batch = Batch(length_mask([2, 1]), torch.tensor([0, 0]))
    outputs = Outputs(
        logprobs_BT=torch.tensor([[-1.0, -2.0], [-4.0, 0.0]]),
        reference_logprobs_BT=torch.tensor([[-2.0, -2.0], [-3.0, 0.0]]),
    )
    found, _ = constitution.loss(constitution.targets(batch, ONE), outputs, ONE)
    assert found.tolist() == sft.loss(sft.targets(batch, sft.Config()), outputs, sft.Config())[0].tolist()
    pairs, same = constitution.Config(learns="pairs", beta=0.3), dpo.Config(beta=0.3)
    found, _ = constitution.loss(constitution.targets(batch, pairs), outputs, pairs)
    assert found.tolist() == dpo.loss(dpo.targets(batch, same), outputs, same)[0].tolist()
