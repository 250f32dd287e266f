"""ILF: which refinement is imitated, which are counted as failures, and that the comment is gone from the prompt."""

from dataclasses import dataclass, field, replace

import pytest
import torch

from burnish.errors import InputError
from burnish.examples import Tools, given
from burnish.maths.batch import Batch, Outputs, length_mask
from burnish.methods import ilf, sft
from burnish.records import Completion, Critique, FinishReason, Prompt, Score

PROMPT = Prompt.of("Name a fruit {and} say why.")
CRITIQUE = Critique(PROMPT, given(PROMPT, "A pear."), "You forgot to mention vitamins.", weight=2.0)


@dataclass
class Writer:
    """Says these texts, one for each draw, whoever asks; remembers what it was asked."""

    texts: tuple[str, ...]
    finish: FinishReason = FinishReason.STOP
    asked: list[Prompt] = field(default_factory=list)
    temperatures: list[float] = field(default_factory=list)

    def sample(self, prompts, sampling, *, n=1, seed=0, run="", round=0):
        self.asked += prompts
        self.temperatures.append(sampling.temperature)
        return [
            [Completion(p.id, self.texts[i % len(self.texts)], finish_reason=self.finish) for i in range(n)]
            for p in prompts
        ]


@dataclass
class Length:
    """Scores by length; texts of five letters it cannot score."""

    def score(self, prompts, completions):
        return [
            Score(p, c, None if len(c.text) == 5 else float(len(c.text)))
            for p, c in zip(prompts, completions, strict=True)
        ]


def chosen(critiques, *texts, refinements=3, **tools):
    made = Tools(sampler=Writer(texts), **tools)
    examples = ilf.prepare(critiques, ilf.Config(refinements=refinements), made)
    return [example.rows[0].completion.text for example in examples], made


def test_the_refinement_that_takes_up_the_comment_is_imitated_without_the_comment():
    made = Tools(sampler=Writer((" A plum. ", "A pear: many vitamins.", "Fruit.")))
    [example] = ilf.prepare([CRITIQUE], ilf.Config(), made)
    [row] = example.rows
    assert row.prompt == PROMPT
    assert row.completion == given(PROMPT, "A pear: many vitamins.")
    assert row.weight == 2.0
    [asked] = made.sampler.asked
    for part in ("Name a fruit {and} say why.", "A pear.", "You forgot to mention vitamins."):
        assert part in asked.text


def test_a_reward_chooses_where_there_is_one_and_what_it_cannot_score_is_counted():
    texts, made = chosen([CRITIQUE], "A plum", "vitam", "A very long apple", reward=Length())
    assert texts == ["A very long apple"]
    assert made.left_out == {"unscored refinement": 1}


def test_of_equals_the_first_is_taken_so_that_the_same_seed_gives_the_same_examples():
    assert chosen([CRITIQUE], "One.", "Two.", "Three.")[0] == ["One."]


def test_of_equals_the_one_that_stays_with_the_subject_is_taken():
    assert chosen([CRITIQUE], "Tibetan speakers", "A fresh pear.", "Pear, a fruit.")[0] == ["Pear, a fruit."]


def test_nearness_by_hand():
    # words of more than two letters: pear, ripe, and
    assert ilf.nearness("name a pear and", "Ripe pear, and.") == pytest.approx(2 / 3)
    assert ilf.nearness("anything", "a") == 0.0


def test_refinements_are_drawn_cooler_than_rollouts():
    made = Tools(sampler=Writer(("vitamins",)))
    ilf.prepare([CRITIQUE], ilf.Config(temperature=0.5), made)
    assert made.sampler.temperatures == [0.5]
    with pytest.raises(InputError, match="temperature"):
        ilf.Config(temperature=101.0)


def test_overlap_by_hand():
    # words of more than two letters: you, forgot, mention, vitamins; "you" is in the answer already
    assert ilf.overlap("You forgot to mention vitamins.", "you pear", "vitamins, I MENTION") == pytest.approx(2 / 3)
    assert ilf.overlap("ok", "a pear", "anything") == 0.0


def test_what_cannot_be_used_is_counted_by_its_reason():
    texts, made = chosen([CRITIQUE], "  ", "A pear. ", "Vitamins!")
    assert texts == ["Vitamins!"]
    assert made.left_out == {"empty refinement": 1, "refinement unchanged": 1}


def test_a_comment_that_is_still_true_rules_a_refinement_out():
    def claims(critique, refinement):
        assert critique is CRITIQUE
        return None if refinement.text == "A." else "vitamins" not in refinement.text

    texts, made = chosen([CRITIQUE], "You forgot to mention", "Has vitamins.", "Long", claims=claims)
    assert texts == ["Has vitamins."]
    assert made.left_out == {"comment still true": 2}
    assert chosen([CRITIQUE], "A.", refinements=1, claims=claims)[0] == ["A."]  # what cannot be told rules nothing out


def test_a_person_s_own_revision_needs_no_writer():
    revised = replace(CRITIQUE, revision=" A pear, rich in vitamins. ")
    [example] = ilf.prepare([revised], ilf.Config(), Tools())
    assert example.rows[0].completion == given(PROMPT, "A pear, rich in vitamins.")


def test_praise_asks_for_no_refinement_and_is_counted():
    praise = replace(CRITIQUE, text="Great, keep it like this.", praises=True)
    texts, made = chosen([praise, CRITIQUE], "A pear: vitamins.")
    assert texts == ["A pear: vitamins."]
    assert len(made.sampler.asked) == 1
    assert made.left_out["praise, which asks for no change"] == 1
    with pytest.raises(InputError, match="1 x praise"):
        ilf.prepare([praise], ilf.Config(), Tools())


def test_the_same_comment_twice_and_revisions_between_keep_their_places():
    other = replace(CRITIQUE, revision="Revised.")
    assert chosen([CRITIQUE, other, CRITIQUE], "vitamins")[0] == ["vitamins", "Revised.", "vitamins"]


def test_nothing_left_is_an_error_that_says_why():
    with pytest.raises(InputError, match=r"4 x refinement cut off, 1 x comment without a usable refinement"):
        ilf.prepare([CRITIQUE], ilf.Config(), Tools(sampler=Writer(("Half a sen",), FinishReason.LENGTH)))
    with pytest.raises(InputError, match="there are no comments"):
        ilf.prepare([], ilf.Config(), Tools())
    with pytest.raises(InputError, match="needs a sampler"):
        ilf.prepare([CRITIQUE], ilf.Config(), Tools())


@pytest.mark.parametrize("normaliser", ["token", "completion"])
def test_the_loss_is_that_of_sft(normaliser):
    batch = Batch(length_mask([2, 1]), torch.arange(2), weights_BK=torch.tensor([[2.0], [1.0]]))
    outputs = Outputs(logprobs_BT=torch.tensor([[-1.0, -2.0], [-4.0, 0.0]]))
    config, same = ilf.Config(normaliser=normaliser), sft.Config(normaliser=normaliser)
    found, _ = ilf.loss(ilf.targets(batch, config), outputs, config)
    assert found.tolist() == sft.loss(sft.targets(batch, same), outputs, same)[0].tolist()
