"""T1 to T9: which token is trained on, where it stands, and what its neighbours may not change."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from burnish.conformance.traps.trap import logprobs_of, must, near, rounding, window_of
from burnish.examples import Row
from burnish.maths.advantages import group_relative
from burnish.maths.batch import Outputs
from burnish.maths.policy_loss import masked_sum, per_completion
from burnish.methods import sft
from burnish.models.engine import Request
from burnish.models.general import GeneralEngine
from burnish.models.headed import HeadedPolicy
from burnish.models.policy import Policy
from burnish.records import FinishReason, Sampling


def t01_the_end_is_trained_on(policy: Policy, rows: Sequence[Row]) -> None:
    """Masks come from lengths, never from token ids: the end carries loss though it may be the padding token too."""
    network = HeadedPolicy(policy)
    end = policy.tokenizer.eos_token_id
    must(end is not None, "the tokenizer names no end token, so no answer can end: set eos_token in its folder")
    must(end in policy.end_ids, f"token {end} ends what is learned, not what is sampled: mend generation_config.json")
    batch = window_of(network, rows)
    assert batch.tokens_BT is not None
    logprobs_BT = torch.full(batch.tokens_BT.shape, -1.0, requires_grad=True)
    share_B, _ = sft.loss(sft.targets(batch, sft.Config()), Outputs(logprobs_BT=logprobs_BT), sft.Config())
    share_B.sum().backward()  # type: ignore[no-untyped-call]  # torch has no type for it
    assert logprobs_BT.grad is not None
    for number, row in enumerate(rows):
        ids = network.tokens(row)
        trained = batch.tokens_BT[number][logprobs_BT.grad[number] != 0].tolist()
        must(trained == ids, f"{len(ids)} tokens, of which {len(trained)} carry loss: is a mask made from token ids?")
        must(
            _is_part(row) or len(ids) == network.max_tokens or ids[-1] == end,
            "a text that was brought has no end to learn: the model would never stop",
        )


def t02_there_is_one_end(policy: Policy, rows: Sequence[Row]) -> None:
    """Every text that was brought ends with exactly one end token, also where the text spells it already."""
    network, end = HeadedPolicy(policy), policy.tokenizer.eos_token_id
    for row in rows:
        if _is_part(row):
            continue
        spelled = replace(
            row, completion=replace(row.completion, text=row.completion.text + policy.tokenizer.eos_token)
        )
        for each in (row, spelled):
            ids = network.tokens(each)
            last = len(ids) - len([*_without_tail(ids, end)])
            must(
                last == 1 or len(ids) == network.max_tokens,
                f"{row.completion.text[-40:]!r} ends with {last} end tokens: take end tokens out of the texts",
            )


def _is_part(row: Row) -> bool:
    """Return whether a completion has no end to be given: it was sampled as it is, or cut off by whoever brought it."""
    return row.completion.token_ids is not None or row.completion.finish_reason is FinishReason.LENGTH


def _without_tail(ids: Sequence[int], end: int) -> Sequence[int]:
    kept = list(ids)
    while kept and kept[-1] == end:
        kept.pop()
    return kept


def t03_there_is_one_beginning(policy: Policy, rows: Sequence[Row]) -> None:
    """The template's first token is not added a second time by the tokenizer, nor before the completion."""
    first = policy.tokenizer.bos_token_id
    if first is None or first == policy.tokenizer.eos_token_id:
        return
    network = HeadedPolicy(policy)
    for row in rows:
        asked, said = policy.encode(row.prompt), network.tokens(row)
        twice = asked[:2] == [first, first]
        must(not twice, "a prompt begins with the first token twice: take bos_token out of the chat template")
        must(said[:1] != [first], "a completion begins with the first token: add_special_tokens must be off for it")


def t04_prompt_and_completion_are_cut_as_tokens(policy: Policy, rows: Sequence[Row]) -> None:
    """Prompt and completion are encoded apart and joined as tokens; what is too long loses the prompt's beginning."""
    for row in rows:
        said = HeadedPolicy(policy).tokens(row)
        asked = policy.encode(row.prompt)
        for room in (len(said) + len(asked), len(said) + max(1, len(asked) // 2)):
            network = HeadedPolicy(policy, max_tokens=room)
            packed = network.inputs([row], len(said)).rows
            wanted = [*asked[-(room - len(said)) :], *said]
            must(
                packed.tokens_N.tolist() == wanted,
                "the model is shown other tokens than the prompt's last and the completion's own: join ids, not texts",
            )
    pair = [rows[0], replace(rows[0], completion=rows[-1].completion)]
    shown = HeadedPolicy(policy).inputs(pair, 1).rows.layout.groups
    must(len(shown) == 1, "two answers to one prompt see two prompts: a pair's sides must share theirs")


@torch.no_grad()
def t05_padding_on_the_left_changes_nothing(policy: Policy, rows: Sequence[Row]) -> None:
    """Positions come from the mask: a short prompt beside a long one is answered as if it were alone."""
    prompts = sorted({tuple(policy.encode(row.prompt)) for row in rows}, key=len)
    asked = [prompts[0][-4:], prompts[-1]]
    sampling = Sampling(temperature=0, max_new_tokens=3)
    together = _greedy(policy, asked, sampling)
    alone = [each for ids in asked for each in _greedy(policy, [ids], sampling)]
    for one, other in zip(together, alone, strict=True):
        near(one, other, "padding changed log-probs: build position ids from the mask", within=rounding(policy))


def _greedy(policy: Policy, asked: Sequence[tuple[int, ...]], sampling: Sampling) -> list[Tensor]:
    """Return the log-probs of what the general path says, which pads on the left whatever the model."""
    engine = GeneralEngine(policy.model, policy.end_ids, policy.decode, rows=len(asked))
    numbers = [engine.submit(Request(ids, sampling, 0, policy.adapter_name)) for ids in asked]
    said: dict[int, list[float]] = {number: [] for number in numbers}
    for drawn in engine.run():
        said[drawn.request].append(drawn.logprob)
    return [torch.tensor(said[number]) for number in numbers]


@torch.no_grad()
def t06_each_token_has_its_own_log_prob(policy: Policy, rows: Sequence[Row]) -> None:
    """A token's log-prob is read from the state before it: equal to the plain model's on the whole text."""
    network = HeadedPolicy(policy)
    for row in rows:
        said = network.tokens(row)
        asked = network.prompt_ids(row.prompt, network.max_tokens - len(said))
        plain = _plainly(policy, asked, said).log_softmax(-1).gather(1, torch.tensor(said)[:, None])[:, 0]
        ours = logprobs_of(network, [row])[0]
        near(ours, plain, "log-probs are not those of the tokens they stand at: off by one?", within=rounding(policy))


def _plainly(policy: Policy, asked: Sequence[int], said: Sequence[int]) -> Tensor:
    """Return the plain model's logits (T, V) before each token said, by one call on the whole text.

    An encoder-decoder answers a prompt with one state; what was said goes in by a second call.
    """
    whole: Tensor = policy.model(input_ids=torch.tensor([[*asked, *said]])).logits[0].float()
    if len(whole) > 1:
        return whole[len(asked) - 1 : -1]
    first = policy.model(input_ids=torch.tensor([[*asked]]), use_cache=True)
    rest = policy.model(input_ids=torch.tensor([[*said[:-1]]]), past_key_values=first.past_key_values)
    return torch.cat([first.logits[0, -1:], rest.logits[0]]).float()


def t07_packed_texts_do_not_see_each_other(policy: Policy, rows: Sequence[Row]) -> None:
    """Answers packed behind one prompt have the log-probs that each has alone."""
    network = HeadedPolicy(policy)
    shared = [replace(row, prompt=rows[0].prompt) for row in rows]
    for together, row in zip(logprobs_of(network, shared), shared, strict=True):
        alone = logprobs_of(network, [row])[0]
        near(
            together,
            alone,
            "a packed text sees its neighbours: attention must stop at its own",
            within=rounding(policy),
        )


def t08_what_is_empty_teaches_nothing() -> None:
    """A row without trained tokens has loss 0 and a finite gradient; a group without scores has advantage 0."""
    mask_BT = torch.tensor([[True, True], [False, False]])
    for normaliser in ("token", "completion", "constant"):
        values_BT = torch.ones(2, 2, requires_grad=True)
        share_B = per_completion(
            values_BT, mask_BT, normaliser=normaliser, window_tokens=2, window_completions=1, constant=4
        )
        share_B.sum().backward()  # type: ignore[no-untyped-call]  # torch has no type for it
        assert values_BT.grad is not None
        finite = bool(torch.isfinite(share_B).all()) and bool(torch.isfinite(values_BT.grad).all())
        must(finite and share_B[1] == 0, f"normaliser {normaliser}: a row without tokens gives {share_B[1]}, not 0")
    rewards_B, group_B = torch.tensor([math.nan, math.nan, 1.0, 3.0, math.nan]), torch.tensor([0, 0, 1, 1, 1])
    found = group_relative(rewards_B, group_B)
    near(found, torch.tensor([0.0, 0, -1, 1, 0]), "what nobody scored is in a group's mean", within=0.0)


def t09_what_is_masked_may_be_anything() -> None:
    """Masked places are chosen away before any arithmetic: NaN there reaches neither loss nor gradient."""
    mask_BT = torch.tensor([[True, False]])
    for rubbish in (math.nan, math.inf):
        values_BT = torch.tensor([[2.0, rubbish]], requires_grad=True)
        total = masked_sum(values_BT, mask_BT).sum()
        total.backward()  # type: ignore[no-untyped-call]  # torch has no type for it
        assert values_BT.grad is not None
        near(total, torch.tensor(2.0), f"{rubbish} in a masked place reaches the loss: torch.where, not *", within=0.0)
        near(
            values_BT.grad, torch.tensor([[1.0, 0.0]]), f"{rubbish} in a masked place reaches the gradient", within=0.0
        )


CHECKS = (
    t01_the_end_is_trained_on,
    t02_there_is_one_end,
    t03_there_is_one_beginning,
    t04_prompt_and_completion_are_cut_as_tokens,
    t05_padding_on_the_left_changes_nothing,
    t06_each_token_has_its_own_log_prob,
    t07_packed_texts_do_not_see_each_other,
    t08_what_is_empty_teaches_nothing,
    t09_what_is_masked_may_be_anything,
)
