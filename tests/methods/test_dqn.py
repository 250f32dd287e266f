"""DQN: the three backups by hand, the soft fixed point on a tree, epsilon-greedy, and its wrong twin."""

import math
from dataclasses import replace

import pytest
import torch

from burnish.errors import InputError
from burnish.maths.batch import Batch, Outputs, Says, length_mask
from burnish.methods import dqn
from burnish.models.table import TablePolicy
from burnish.records import Prompt, Score
from burnish.training.course import Course, CourseConfig, Material
from burnish.training.optimiser import OptimiserConfig
from burnish.training.steps import StepConfig

DOUBLE = torch.float64
NAN = float("nan")


def batch(rewards, lengths, tokens, slow) -> Batch:
    return Batch(
        length_mask(lengths),
        torch.arange(len(rewards)),
        tokens_BT=torch.tensor(tokens),
        rewards_B=torch.tensor(rewards, dtype=DOUBLE),
        slow_q_BTKV=torch.tensor(slow, dtype=DOUBLE)[:, :, None],
    )


@pytest.mark.parametrize(
    ("backup", "next_value"),
    [("max", 5.0), ("double", 2.0), ("soft", float(torch.tensor([5.0, 2.0]).logsumexp(0)))],
)
def test_each_backup_by_hand(backup, next_value):
    made = batch([3.0], [2], [[1, 0]], [[[9.0, 9.0], [5.0, 2.0]]])
    config = dqn.Config(backup=backup, discount=0.5, temperature=1.0)
    now = torch.tensor([[[0.0, 1.0], [1.0, 4.0]]], dtype=DOUBLE)[:, :, None].requires_grad_()
    share_B, metrics = dqn.loss(dqn.targets(made, config), Outputs(q_BTKV=now), config)
    first, last = 0.5 * next_value - 1.0, 3.0 - 1.0  # by hand: what follows, then the score; less what was thought
    assert share_B.tolist() == pytest.approx([0.5 * (first**2 + last**2) / 2])
    assert metrics["td_error"].tolist() == pytest.approx([(abs(first) + abs(last)) / 2])
    share_B.sum().backward()
    assert now.grad[0, :, 0].tolist() == [pytest.approx([0.0, -first / 2]), pytest.approx([-last / 2, 0.0])]


def test_what_was_not_scored_is_not_learned_from():
    made = batch([3.0, NAN], [1, 2], [[1, 0], [0, 0]], [[[0.0, 0.0]] * 2] * 2)
    config = dqn.Config()
    made = dqn.targets(made, config)
    share_B, metrics = dqn.loss(made, Outputs(q_BTKV=torch.zeros(2, 2, 1, 2, dtype=DOUBLE)), config)
    assert share_B.tolist() == [4.5, 0.0]
    assert made.scalars["weight"] == 1
    assert metrics["paid"].tolist() == pytest.approx([3.0, NAN], nan_ok=True)


def solved(here, temperature: float, *, soft: bool) -> None:
    """Put the best values into the table, from the leaves of the tree to its root."""
    nodes = {begun: node for node, (_, begun) in enumerate(here.policy._node)}
    paid = dict(zip(here.tokens, here.rewards, strict=True))
    q_SKV = here.policy.tables["q"].data
    for begun in sorted(nodes, key=len, reverse=True):
        for token in range(here.policy.vocabulary):
            after = (*begun, token)
            if after in paid:
                q_SKV[nodes[begun], :, token] = paid[after]
                continue
            below = q_SKV[nodes[after], 0]
            value = temperature * (below / temperature).logsumexp(-1) if soft else below.max()
            q_SKV[nodes[begun], :, token] = value


def test_the_soft_fixed_point_says_everything_in_proportion_to_its_exponential_reward(world):
    here = world(heads={"q": 1})
    config = dqn.Config(backup="soft", temperature=0.4)
    solved(here, 0.4, soft=True)
    made, outputs = here.everything()
    assert dqn.loss(dqn.targets(made, config), outputs, config)[0].abs().max() < 1e-24
    found = here.policy.probabilities(here.prompt, act=lambda says: dqn.act(says, config))
    wanted = torch.exp(here.rewards / 0.4)
    assert torch.allclose(found, wanted / wanted.sum(), atol=1e-12)


@pytest.mark.parametrize("backup", ["max", "double"])
def test_the_hard_fixed_point_says_the_best(world, backup):
    here = world(heads={"q": 1})
    config = dqn.Config(backup=backup, epsilon=0.0)
    solved(here, 1.0, soft=False)
    made, outputs = here.everything()
    assert dqn.loss(dqn.targets(made, config), outputs, config)[0].abs().max() < 1e-24
    found = here.policy.probabilities(here.prompt, act=lambda says: dqn.act(says, config))
    assert float(found[here.rewards.argmax()]) == pytest.approx(1.0)


def test_what_was_never_said_is_pushed_down_and_rows_weigh_what_they_weigh():
    made = replace(batch([3.0, 1.0], [1, 1], [[1], [0]], [[[0.0, 0.0]]] * 2), weights_BK=torch.tensor([[3.0], [1.0]]))
    config = dqn.Config(conservative=0.5)
    made = dqn.targets(made, config)
    now = torch.tensor([[[1.0, 2.0]], [[0.0, 0.0]]], dtype=DOUBLE)[:, :, None]
    pushed = [float(torch.tensor([1.0, 2.0]).logsumexp(0)) - 2.0, math.log(2.0)]
    by_hand = [3 * (0.5 * 1.0**2 + 0.5 * pushed[0]) / 4, (0.5 * 1.0**2 + 0.5 * pushed[1]) / 4]
    assert dqn.loss(made, Outputs(q_BTKV=now), config)[0].tolist() == pytest.approx(by_hand)


def from_data(sign: float = 1.0, steps: int = 100) -> tuple[torch.Tensor, torch.Tensor]:
    """Return what is said after soft Q-learning on scores of all completions alone, and exp(reward / temperature)."""
    asked, config = Prompt.of("a"), dqn.Config(learns_from="data", backup="soft", temperature=0.4, slow=0.4)
    table = TablePolicy([asked], vocabulary=3, longest=2, heads={"q": 1})
    every = list(table.completions())
    rewards = torch.randn(len(every), dtype=DOUBLE, generator=torch.Generator().manual_seed(1))
    scored = [Score(asked, table.completion(asked, y), sign * float(r)) for y, r in zip(every, rewards, strict=True)]
    course = Course(
        table, dqn, config, Material(signals=scored), CourseConfig(steps=100, examples_per_step=len(every)),
        optimiser=OptimiserConfig(learning_rate=0.3, warmup_steps=1), walk=StepConfig(), seed=0,
    )  # fmt: skip
    for _ in range(steps):
        course.advance()
    wanted = torch.exp(rewards / config.temperature)
    return table.probabilities(asked, act=lambda says: dqn.act(says, config)), wanted / wanted.sum()


def test_soft_q_learning_on_fixed_data_ends_in_proportion_to_the_exponential_reward():
    """Nothing is drawn. By rewards of the other sign it ends elsewhere."""
    needs = dqn.needs(dqn.Config(learns_from="data"))
    assert (needs.eats, needs.fresh, needs.replay) == ((Score,), False, 0)
    found, wanted = from_data()
    assert torch.allclose(found, wanted, atol=0.01)
    assert not torch.allclose(from_data(-1.0, steps=20)[0], wanted, atol=0.2)


def test_epsilon_is_the_share_drawn_from_all():
    says = Says(torch.zeros(1, 4), q_BKV=torch.tensor([[[0.0, 3.0, 1.0, 2.0]]]))
    found = dqn.behaviour(says, dqn.Config(epsilon=0.4)).softmax(-1)
    assert found.tolist() == [pytest.approx([0.1, 0.7, 0.1, 0.1])]


def test_double_believes_less_than_the_maximum():
    """Why: the maximum of noisy values is too high even when every value is right in the mean."""
    noise = torch.randn(2, 4000, 1, 1, 5, dtype=DOUBLE, generator=torch.Generator().manual_seed(0))
    worth = {b: float(dqn._worth(noise[0][..., 0, :], noise[1][..., 0, :], dqn.Config(backup=b)).mean())
             for b in ("max", "double")}  # fmt: skip
    assert worth["max"] > 1.0
    assert abs(worth["double"]) < 0.1


def test_it_finds_the_best_completion_and_its_twin_does_not(world, twin):
    config = dqn.Config(epsilon=0.3)

    def greedy(here) -> float:
        said = here.policy.probabilities(here.prompt, act=lambda says: dqn.act(says, dqn.Config(epsilon=0.0)))
        return float((said * here.rewards).sum())

    here = world(longest=2, heads={"q": 1}, seed=1)
    assert len(here.tokens[here.rewards.argmax()]) == 2
    here.learn(dqn, config, steps=60)
    assert greedy(here) == pytest.approx(float(here.rewards.max()))
    turned = world(longest=2, heads={"q": 1}, seed=1)
    turned.learn(twin(dqn), config, steps=20)
    assert greedy(turned) < float(here.rewards.max()) - 0.1


@pytest.mark.parametrize("setting", [{"epsilon": 1.5}, {"temperature": 0.0}, {"replay": 0}, {"slow": 0.0}])
def test_settings_out_of_range_are_refused(setting):
    with pytest.raises(InputError, match=next(iter(setting))):
        dqn.Config(**setting)
