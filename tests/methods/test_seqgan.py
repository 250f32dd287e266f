"""SeqGAN: what each token is judged by, the exact gradient of being taken for real, and its wrong twin."""

from dataclasses import replace

import pytest
import torch

from burnish.errors import InputError
from burnish.examples import Example, Tools
from burnish.maths.batch import Batch, Outputs, length_mask
from burnish.methods import seqgan
from burnish.records import Completion, Score

DOUBLE = torch.float64
NAN = float("nan")


def logit(p: float) -> float:
    return float(torch.tensor(p, dtype=DOUBLE).logit())


class Exact:
    """Continuations and a discriminator that know: D's mean over all that goes on from a beginning, at once."""

    def __init__(self, here):
        self.here, self.asked = here, []
        self.worth = here.worth(torch.sigmoid(here.rewards))

    def __call__(self, prompts, prefixes, *, n, seed):
        self.asked += [tuple(prefix) for prefix in prefixes]
        return [[Completion(p.id, "begun", tuple(prefix))] * n for p, prefix in zip(prompts, prefixes, strict=True)]

    def score(self, prompts, completions):
        return [Score(p, c, logit(self.worth[c.token_ids])) for p, c in zip(prompts, completions, strict=True)]


def judged(here, numbers, **settings):
    exact = Exact(here)
    groups = [Example((here.row(number, score=NAN),)) for number in numbers]
    found = seqgan.choose(groups, seqgan.Config(**settings), Tools(partner=exact, continuations=exact))
    return [example.rows[0] for example in found], exact


def test_every_token_is_judged_by_what_goes_on_from_it(world):
    here = world()
    number = here.tokens.index((2, 1, 3))
    (row,), exact = judged(here, [number], rollouts=3)
    assert exact.asked == [(2,), (2, 1)]
    assert row.token_scores == pytest.approx([exact.worth[2,], exact.worth[2, 1], exact.worth[2, 1, 3]])
    assert row.score == pytest.approx(float(here.rewards[number].sigmoid()))


def test_with_fewer_places_tokens_take_the_next_estimate(world):
    here = world()
    (row, short), exact = judged(here, [here.tokens.index((2, 1, 3)), here.tokens.index((0,))], every=2)
    assert exact.asked == [(2, 1)]
    assert row.token_scores == pytest.approx([exact.worth[2, 1], exact.worth[2, 1], exact.worth[2, 1, 3]])
    assert short.token_scores == pytest.approx([exact.worth[0,]])


def test_what_could_not_be_scored_is_left_out_or_not_learned_from(world):
    here = world(longest=2)

    class Silent(Exact):
        def score(self, prompts, completions):
            known = super().score(prompts, completions)
            return [replace(s, value=None) if s.completion.token_ids in ((1, 0), (2,)) else s for s in known]

    tools = Tools(partner=Silent(here), continuations=Silent(here))
    rows = tuple(here.row(here.tokens.index(t)) for t in ((1, 0), (2, 0)))
    bare = replace(rows[0], completion=Completion(here.prompt.id, "no ids"))
    found = seqgan.choose([Example((*rows, bare))], seqgan.Config(), tools)
    assert [example.rows[0].completion.token_ids for example in found] == [(2, 0)]
    assert found[0].rows[0].token_scores[0] != found[0].rows[0].token_scores[0]  # (2,) was not scored
    assert tools.left_out == {"not scored": 1, "no tokens": 1}
    made, _ = here.window([found[0].rows])
    assert seqgan.targets(made, seqgan.Config()).completion_mask_BT.tolist() == [[False, True]]


def test_what_is_missing_is_named(world):
    here = world(longest=2)
    with pytest.raises(InputError, match="discriminator"):
        seqgan.choose([Example((here.row(0),))], seqgan.Config(), Tools())
    with pytest.raises(InputError, match="go on"):
        seqgan.choose([Example((here.row(0),))], seqgan.Config(), Tools(partner=here))


def test_the_others_at_the_same_place_are_what_is_compared_with():
    values = torch.tensor([[0.2, 0.6, 0.9], [0.4, 0.8, NAN], [0.9, NAN, NAN]], dtype=DOUBLE)
    made = Batch(length_mask([3, 2, 1]), torch.arange(3), token_rewards_BT=values, scalars={"max_new_tokens": 10.0})
    found = seqgan.targets(made, seqgan.Config())
    # by hand: first place 0.2 - 0.65, 0.4 - 0.55, 0.9 - 0.3; second 0.6 - 0.8, 0.8 - 0.6; third alone
    expected = torch.tensor([[-0.45, -0.2, 0.9], [-0.15, 0.2, 0.0], [0.6, 0.0, 0.0]], dtype=DOUBLE)
    assert torch.allclose(found.advantages_BT, expected)
    plain = seqgan.targets(made, seqgan.Config(baseline="none"))
    assert torch.equal(plain.advantages_BT, values.nan_to_num())
    share_B, _ = seqgan.loss(found, Outputs(logprobs_BT=torch.full((3, 3), -1.0, dtype=DOUBLE)), seqgan.Config())
    assert share_B.tolist() == pytest.approx([0.25 / 30, 0.05 / 30, 0.6 / 30])


@pytest.mark.parametrize("every", [1, 2])
def test_with_exact_rollouts_it_is_the_gradient_of_being_taken_for_real(world, every):
    here = world()
    config = seqgan.Config(every=every, baseline="none", rollouts=1)
    rows, _ = judged(here, range(len(here.tokens)), every=every, rollouts=1)
    made, outputs = here.window([[row] for row in rows])
    share_B, metrics = seqgan.loss(seqgan.targets(made, config), outputs, config)
    p = here.chances()
    found = here.gradient((p.detach() * share_B).sum() * len(p) * 4)
    true = here.gradient((p * here.rewards.sigmoid()).sum())
    assert torch.allclose(found, -true, atol=1e-12)
    assert true.norm() > 0.02
    assert torch.allclose(metrics["taken_for_real"], here.rewards.sigmoid())


def test_it_says_what_is_taken_for_real_and_its_twin_does_not(world, twin):
    def course(method, steps: int):
        here = world(longest=2)
        tools = Tools(partner=here, continuations=here.policy.continuations)
        return here.learn(method, seqgan.Config(rollouts=2), steps=steps, n=8, tools=tools), here

    before = world(longest=2).mean_reward()
    reached, here = course(seqgan, 50)
    best = float(here.rewards.max())
    assert reached > best - 0.05 * (best - before)
    assert course(twin(seqgan), 10)[0] < before


@pytest.mark.parametrize("setting", [{"rollouts": 0}, {"every": 0}])
def test_settings_out_of_range_are_refused(setting):
    with pytest.raises(InputError, match=next(iter(setting))):
        seqgan.Config(**setting)
