"""torchrl 0.14.1: A2C with its own GAE, deep Q-learning, and implicit Q-learning with the conservative term.

Its networks are tables here, with a row for every trained token, and its trajectories are our completions one after
the other, each ended by `done`. ILQL is not among its losses; their sum, with weights of advantages left out
(temperature 0), is it.
"""

from __future__ import annotations

import torch
from protocol import Window, answer, precision, silence
from tensordict import TensorDict
from tensordict.nn import TensorDictModule
from torch import Tensor, nn
from torch.distributions import Categorical
from torchrl.modules import ProbabilisticActor, QValueActor
from torchrl.objectives import A2CLoss, DiscreteCQLLoss, DiscreteIQLLoss, DQNLoss, ValueEstimators


def _table(rows: Tensor, said: str) -> TensorDictModule:
    """A network that knows what it says of every place."""
    known = nn.Embedding.from_pretrained(rows.clone(), freeze=False)
    return TensorDictModule(known, in_keys=["place"], out_keys=[said])


def _actor(window: Window) -> ProbabilisticActor:
    table = _table(window.logits_BTV[window.mask], "logits")
    return ProbabilisticActor(table, in_keys=["logits"], distribution_class=Categorical)


def _steps(window: Window) -> TensorDict:
    """Every trained token as a step; after a completion's last one nothing follows."""
    places = torch.arange(int(window.mask.sum()))
    ends = torch.zeros_like(window.mask).scatter(1, window.mask.sum(-1, keepdim=True) - 1, True)
    paid = (window.token_rewards_BT + ends * window.rewards_B[:, None])[window.mask]
    done = ends[window.mask][:, None]
    after = {
        "place": (places + 1).clamp(max=len(places) - 1), "reward": paid[:, None], "done": done, "terminated": done
    }  # fmt: skip
    said = {"place": places, "action": window.tokens[window.mask]}
    return TensorDict({**said, "next": TensorDict(after, [len(places)])}, [len(places)])


def _along(window: Window, gradient: Tensor, probe: Tensor | None = None) -> Tensor:
    """A gradient in one number, as `Window.told` has it."""
    return (gradient * (gradient if probe is None else probe[window.mask][:, None])).sum()


def a2c(window: Window) -> list[Tensor]:
    """The whole of it: rewards and values in, loss and gradients out."""
    with precision(window.dtype), silence():
        critic = _table(window.values_BT[window.mask][:, None], "state_value")
        loss = A2CLoss(
            _actor(window), critic, entropy_bonus=False, critic_coeff=window.value_weight / 2, loss_critic_type="l2"
        )
        loss.make_value_estimator(ValueEstimators.GAE, gamma=window.discount, lmbda=window.trace)
        told = loss(_steps(window))
    total = told["loss_objective"] + told["loss_critic"]
    leaves = [*loss.actor_network_params.values(True, True), *loss.critic_network_params.values(True, True)]
    policy, value = torch.autograd.grad(total, leaves)
    return [total.detach(), _along(window, policy), _along(window, value, window.probe_BT)]


def ilql(window: Window) -> list[Tensor]:
    q, slow = (each[window.mask] for each in (window.q_BTKV, window.slow_q_BTKV))
    with precision(window.dtype), silence():
        loss = DiscreteIQLLoss(
            _actor(window), _table(q[:, 0], "state_action_value"),
            _table(window.values_BT[window.mask][:, None], "state_value"), action_space="categorical",
            num_qvalue_nets=q.shape[1], loss_function="l2", temperature=0.0, expectile=window.expectile,
        )  # fmt: skip
        loss.make_value_estimator(ValueEstimators.TD0, gamma=window.discount)
        (heads,) = loss.qvalue_network_params.values(True, True)
        (held,) = loss.target_qvalue_network_params.values(True, True)
        with torch.no_grad():
            heads.copy_(q.transpose(0, 1))
            held.copy_(slow.transpose(0, 1))
        told = loss(_steps(window))
        pushed = sum((_conservative(window, head) for head in heads), torch.zeros(()))
    total = told["loss_qvalue"] + told["loss_value"] + told["loss_actor"] + window.conservative * pushed
    (logits,) = loss.actor_network_params.values(True, True)
    (values,) = loss.value_network_params.values(True, True)
    of_logits, of_values, of_heads = torch.autograd.grad(total, [logits, values, heads])
    return [total.detach(), _along(window, of_logits), _along(window, of_values, window.probe_BT), (of_heads**2).sum()]


def _conservative(window: Window, head: Tensor) -> Tensor:
    """Its term of one head; it reads the values that its own Q-learning left in the steps."""
    network = QValueActor(_table(head.detach(), "action_value"), in_keys=["place"], action_space="categorical")
    loss = DiscreteCQLLoss(network, action_space="categorical")
    steps = TensorDict({"action": window.tokens[window.mask], loss.tensor_keys.pred_val: head}, [len(head)])
    return loss.cql_loss(steps)[0]


def dqn(window: Window, double: bool) -> list[Tensor]:
    """Half of its squared error, and the conservative term where the larger value is taken."""
    q, slow = (each[window.mask][:, 0] for each in (window.q_BTKV, window.slow_q_BTKV))
    with precision(window.dtype), silence():
        network = QValueActor(_table(q, "action_value"), in_keys=["place"], action_space="categorical")
        loss = DQNLoss(network, action_space="categorical", loss_function="l2", double_dqn=double)
        loss.make_value_estimator(ValueEstimators.TD0, gamma=window.discount)
        (head,) = loss.value_network_params.values(True, True)
        (held,) = loss.target_value_network_params.values(True, True)
        with torch.no_grad():
            held.copy_(slow)
        total = loss(_steps(window))["loss"] / 2
        if not double:
            total = total + window.conservative * _conservative(window, head)
    return [total.detach(), _along(window, torch.autograd.grad(total, head)[0])]


QUESTIONS = {"a2c": a2c, "ilql": ilql, "dqn": lambda w: dqn(w, double=False), "dqn, double": lambda w: dqn(w, True)}

if __name__ == "__main__":
    answer(QUESTIONS, "torchrl", "0.14.1")
