"""T26 to T33: that a loss is the one that was asked for, whatever it is cut into and wherever it goes on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from burnish import methods
from burnish.conformance.traps.course import stepped, table_course
from burnish.conformance.traps.trap import must, near
from burnish.errors import InputError
from burnish.examples import Row, Tools
from burnish.maths.batch import Batch, Outputs
from burnish.maths.policy_loss import clipped_value_loss, per_completion
from burnish.maths.rollouts import rollout_metrics
from burnish.methods import kto
from burnish.models.headed import HeadedPolicy
from burnish.models.policy import Policy
from burnish.records import Completion, Prompt, Score

MASK_BT = torch.tensor([[True, False, False, False], [True, True, True, True], [True, True, True, False]])


def _shares(normaliser: Any, mask_BT: Tensor) -> Tensor:
    values_BT = torch.ones(mask_BT.shape)
    return per_completion(values_BT, mask_BT, normaliser=normaliser, window_tokens=8, window_completions=3, constant=16)


def t26_slices_add_up_to_the_window() -> None:
    """However a window is cut and however wide it is padded, loss and step are the same, for every normaliser."""
    for normaliser in ("token", "completion", "constant"):
        whole = _shares(normaliser, MASK_BT)
        for number in range(3):
            row = MASK_BT[number : number + 1, : int(MASK_BT[number].sum())]
            said = f"normaliser {normaliser}: a row's share depends on the slice it is in or on its padding"
            near(_shares(normaliser, row)[0], whole[number], said, within=1e-7)
    for method in ("grpo", "ppo", "rloo"):
        at_once, one_by_one = (stepped(method, rows_per_slice=rows)[0] for rows in (18, 6))
        for name, parameter in at_once.parameters().items():
            said = f"{method}: the step depends on rows_per_slice: divide by the window's counts, never by a slice's"
            near(parameter, one_by_one.parameters()[name], said, within=1e-12)


def t27_a_resumed_run_is_the_same_run() -> None:
    """Two steps, a save and two more are four steps to the bit: weights, draws, optimiser and what is told."""
    for method in ("grpo", "ppo"):
        whole = table_course(method)
        told = [whole.advance() for _ in range(2)]
        tensors, numbers = whole.state()
        saved = {name: tensor.clone() for name, tensor in tensors.items()}
        told += [whole.advance() for _ in range(2)]
        again = table_course(method)
        again.load_state(saved, numbers)
        for step in (2, 3):
            rewards = told[step]["reward"], again.advance()["reward"]
            must(rewards[0] == rewards[1], f"{method}: step {step} draws other completions after a resume")
        for name, tensor in whole.state()[0].items():
            near(again.state()[0][name], tensor, f"{method}: {name} is another after a resume", within=0.0)


def t28_length_weighs_what_is_stated() -> None:
    """ "token" weighs all tokens alike, "completion" all completions, "constant" neither; SimPO divides length out."""
    near(_shares("token", MASK_BT), torch.tensor([1.0, 4, 3]) / 8, '"token" does not weigh tokens alike', within=1e-6)
    near(_shares("completion", MASK_BT), torch.ones(3) / 3, '"completion" weighs long ones more', within=1e-6)
    wanted = torch.tensor([1.0, 4, 3]) / (3 * 16)
    near(_shares("constant", MASK_BT), wanted, '"constant" divides by a width, not by the limit', within=1e-6)
    pair_B1 = torch.tensor([[-1.0], [-2.0]])
    once, twice = (
        _loss("simpo", pair_B1.expand(2, width), torch.ones(2, width, dtype=torch.bool), beta=2.0) for width in (2, 4)
    )
    near(once, twice, "SimPO's reward grows with length: it is the mean log-prob", within=1e-6)


def _loss(method: str, logprobs_BT: Tensor, mask_BT: Tensor, *, heads: int = 1, **config: Any) -> Tensor:
    """Return the loss of pairs (or rows) with these log-probs, 0 for the reference, and rewards 1 and 0."""
    module = methods.load(method)
    settings = module.Config(**config)
    rows = len(mask_BT)
    batch = Batch(
        completion_mask_BT=mask_BT, group_B=torch.arange(rows) // 2, margin_B=torch.full((rows,), 2.0),
        weights_BK=torch.tensor([[1.0], [1.0], [5.0], [5.0]])[:rows].expand(-1, heads),
        probability_B=torch.ones(rows),
    )  # fmt: skip
    outputs = Outputs(
        logprobs_BT=logprobs_BT, reference_logprobs_BT=torch.zeros_like(logprobs_BT),
        rewards_BK=logprobs_BT[:, :1].expand(-1, heads),
    )  # fmt: skip
    loss: Tensor = module.loss(module.targets(batch, settings), outputs, settings)[0].sum()
    return loss


def t29_every_setting_reaches_the_loss() -> None:
    """Label smoothing, margins and weights change the loss on every path, as much as they should."""
    logprobs_BT = torch.tensor([[-1.0], [-2.0], [-3.0], [-0.5]])
    mask_BT = torch.ones(4, 1, dtype=torch.bool)
    settings: tuple[tuple[str, dict[str, Any]], ...] = (
        ("sft", {"label_smoothing": 0.2}),
        ("dpo", {"label_smoothing": 0.2}),
        ("dpo", {"label_smoothing": 0.2, "smoothing": "robust"}),
        ("reward", {"margin": 1.0, "heads": 1}),
        ("simpo", {"gamma": 3.0}),
    )
    for method, changed in settings:
        plain = {name: value for name, value in changed.items() if name == "heads"}
        before, after = _loss(method, logprobs_BT, mask_BT, **plain), _loss(method, logprobs_BT, mask_BT, **changed)
        must((before - after).abs() > 1e-3, f"{method}: {changed} changes nothing in the loss")
    sure = -torch.nn.functional.logsigmoid(torch.tensor([0.1, -0.25]))
    weighted = (sure * torch.tensor([1.0, 5.0])).sum() / 6
    near(
        _loss("dpo", logprobs_BT, mask_BT, beta=0.1),
        weighted,
        "dpo: weights of pairs do not reach the loss",
        within=1e-6,
    )


def t30_ktos_point_is_measured_on_mismatched_rows() -> None:
    """KTO's KL point comes of completions shifted to other prompts, never their own; at least 0; it has no gradient."""
    asked = [Prompt.of(text) for text in "abcde"]
    signals = [Score(p, Completion(p.id, f"to {p.text}"), 1.0) for p in asked]
    examples = kto.prepare(signals, kto.Config(), Tools())
    beside = [example.rows[1] for example in examples if len(example.rows) == 2]
    must(len(beside) == 5, f"only {len(beside)} of 5 rows have a mismatched one: shift, do not reverse (an odd middle)")
    must(all(row.completion.text != f"to {row.prompt.text}" for row in beside), "a completion faces its own prompt")
    said = {row.completion.text for row in beside}
    must(len(said) == 5, "some completions are mismatched twice and others never: it is no shift")
    batch = Batch(
        completion_mask_BT=torch.ones(4, 1, dtype=torch.bool), group_B=torch.tensor([0, 0, 1, 1]),
        rewards_B=torch.tensor([1.0, torch.nan, 0.0, torch.nan]), mismatched_B=torch.tensor([False, True, False, True]),
        old_logprobs_BT=torch.tensor([[0.0], [-3.0], [0.0], [-1.0]]), reference_logprobs_BT=torch.zeros(4, 1),
    )  # fmt: skip
    point = kto.targets(batch, kto.Config()).scalars["kl_point"]
    must(point == 0, f"the KL point is {point}: clamp it at 0")
    try:
        kto.prepare(signals[:1], kto.Config(), Tools())
    except InputError:
        return
    raise AssertionError("kto: one prompt alone has no other to be put beside, and is accepted")


def t31_values_begin_at_nothing_and_are_pulled_back(policy: Policy, rows: Sequence[Row]) -> None:
    """A value head begins at exactly 0, apart from the policy; its clipped loss is the larger of the two."""
    network = HeadedPolicy(policy, heads={"value": 1})
    with torch.no_grad():
        said = network.outputs(network.inputs(rows[:1], len(network.tokens(rows[0])))).values_BT
    assert said is not None
    near(said, torch.zeros_like(said), "a fresh value head predicts something: begin at 0", within=0.0)
    values_BT = torch.tensor([[3.0]], requires_grad=True)
    loss = clipped_value_loss(values_BT, torch.zeros(1, 1), torch.ones(1, 1), 0.5)
    near(
        loss,
        torch.tensor([[2.0]]),
        "the value's loss is the smaller one: a value that ran away stays away",
        within=1e-6,
    )
    must(torch.autograd.grad(loss.sum(), values_BT)[0] > 0, "a value that ran away is not pulled back: max, not min")


def t32_metrics_are_of_trained_tokens() -> None:
    """Entropy, KL and the like are means over trained tokens alone; nothing that cannot be negative is."""
    rubbish_BT = torch.tensor([[0.5, 1.5, -99.0], [2.0, -99.0, torch.nan], [-99.0, -99.0, -99.0]])
    mask_BT = torch.tensor([[True, True, False], [True, False, False], [False, False, False]])
    batch = Batch(completion_mask_BT=mask_BT, group_B=torch.arange(3), behaviour_logprobs_BT=rubbish_BT - 1)
    found = rollout_metrics(batch, Outputs(logprobs_BT=rubbish_BT, entropy_BT=rubbish_BT, kl_BT=rubbish_BT))
    wanted = {"entropy": [1.0, 2.0], "kl_nats": [2.0, 2.0], "sampler_gap": [1.0, 1.0]}
    for name, values in wanted.items():
        near(found[name][:2], torch.tensor(values), f"{name} counts what is masked", within=1e-6)
        must(torch.isnan(found[name][2]), f"{name}: a row without trained tokens is in the mean")


def t33_what_is_frozen_stays_out(policy: Policy, rows: Sequence[Row]) -> None:
    """An adapter is on no output matrix and on no router, whose extra losses burnish does not have; only it trains."""
    output = policy.model.get_output_embeddings()
    named = {id(module): name for name, module in policy.model.named_modules()}
    inside = named.get(id(output), "")
    adapted = [name for name, _ in output.named_parameters() if "lora" in name or "ia3" in name]
    must(not adapted, f"an adapter stands on the output {inside!r}, which log-probs do not read: leave it out")
    trained = policy.parameters()
    routed = [name for name in trained if "router" in name or ".gate." in name]
    must(not routed, f"{len(routed)} router weights are trained without the loss that balances experts: freeze them")
    if policy.tuning is None or policy.tuning.trains_weights:
        return
    network = HeadedPolicy(policy)
    width = max(len(network.tokens(row)) for row in rows)
    said = network.outputs(network.inputs(rows, width)).logprobs_BT
    assert said is not None
    names, values = zip(*policy.model.named_parameters(), strict=True)
    wanting = [(name, value) for name, value in zip(names, values, strict=True) if value.requires_grad]
    slopes = torch.autograd.grad(said.sum(), [value for _, value in wanting], allow_unused=True)
    unused = [name for (name, _), slope in zip(wanting, slopes, strict=True) if slope is None]
    must(not unused, f"{len(unused)} trained weights have no part in log-probs ({', '.join(unused[:2])} ...)")


CHECKS = (
    t26_slices_add_up_to_the_window,
    t27_a_resumed_run_is_the_same_run,
    t28_length_weighs_what_is_stated,
    t29_every_setting_reaches_the_loss,
    t30_ktos_point_is_measured_on_mismatched_rows,
    t31_values_begin_at_nothing_and_are_pulled_back,
    t32_metrics_are_of_trained_tokens,
    t33_what_is_frozen_stays_out,
)
