"""T34 to T40: that what was trained is what is sampled, judged, saved and warned about."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from burnish.conformance.traps.course import table_course
from burnish.conformance.traps.logprobs import sampler_gap
from burnish.conformance.traps.trap import logprobs_of, moved_weights, must, near, rounding
from burnish.errors import InputError
from burnish.examples import Example, Row, moved
from burnish.judges.asking.asker import Asker
from burnish.judges.comparison import Comparison
from burnish.methods import sft
from burnish.models.answering import Choice
from burnish.models.headed import HeadedPolicy
from burnish.models.policy import DTYPES, Policy
from burnish.models.sampler import EngineSampler
from burnish.models.scripted import Scripted
from burnish.records import Completion, Prompt, Sampling, Score
from burnish.training.optimiser import OptimiserConfig
from burnish.training.rehearsal import heaviest, rehearse
from burnish.training.steps import StepConfig, Steps
from burnish.training.watch import Watch

BYTES = 256


def t34_training_changes_weights_and_the_sampler_reads_them(policy: Policy, rows: Sequence[Row]) -> None:
    """A step changes the trained weights, whose names are there, and the sampler speaks with what training wrote."""
    must(bool(policy.parameters()), "nothing is trained: the adapter was loaded frozen, or there is none")
    kept, before = policy.state(), policy.fingerprint()
    stepping = Steps(
        HeadedPolicy(policy), sft, sft.Config(), OptimiserConfig(learning_rate=1e-3, warmup_steps=0), StepConfig(),
        steps=1, seed=0, max_new_tokens=512,
    )  # fmt: skip
    told = stepping.learn([Example((row,)) for row in rows])
    must(math.isfinite(told["loss"]), f"the first loss is {told['loss']}: look at the rows and at the learning rate")
    must(policy.fingerprint() != before, "a step left every trained weight as it was: does a gradient reach them?")
    policy.load_state(kept)
    must(policy.fingerprint() == before, "weights that are put back are not what they were")
    prompt, sampling = [rows[0].prompt], Sampling(temperature=0, max_new_tokens=1)
    untouched = EngineSampler(policy).sample(prompt, sampling)[0][0].logprobs
    with moved_weights(policy, size=0.1):
        changed = EngineSampler(policy).sample(prompt, sampling)[0][0].logprobs
        gap = sampler_gap(policy, rows, 1.0)
    must(changed != untouched, "the sampler speaks as before when weights move: it reads the untouched model")
    must(gap <= 5 * rounding(policy), f"with moved weights the sampler is {gap:.3g} nats a token from the trainer")


def t35_what_was_sampled_is_never_tokenised_again(policy: Policy, rows: Sequence[Row]) -> None:
    """A completion's own ids are trained on though other ids spell its text, also behind another prompt."""
    network = HeadedPolicy(policy)
    row = next((row for row in rows if len(row.completion.text) > 1), None)
    must(row is not None, "no row has a text of two letters: give some")
    assert row is not None
    letters = [number for letter in row.completion.text[:BYTES] for number in network._encoded(letter)]
    completion = replace(row.completion, token_ids=tuple(letters), logprobs=(0.0,) * len(letters))
    elsewhere = moved(completion, Prompt.of("Something else."))
    for each in (completion, elsewhere):
        must(network.tokens(Row(row.prompt, each)) == letters, "sampled ids were tokenised anew from their text")
    must(elsewhere.logprobs is None, "a completion keeps its sampler's log-probs behind a prompt it never saw")


def t36_seeds_fix_every_draw_and_tell_them_apart(policy: Policy, rows: Sequence[Row]) -> None:
    """The same seed draws the same, another seed or place in the group something else; no global generator is used."""
    sampler, sampling = EngineSampler(policy), Sampling(temperature=2.0, max_new_tokens=8)
    prompt, before = [rows[0].prompt], torch.random.get_rng_state()
    one, again, other = (sampler.sample(prompt, sampling, n=3, seed=seed)[0] for seed in (1, 1, 2))
    ids = [[completion.token_ids for completion in group] for group in (one, again, other)]
    must(ids[0] == ids[1], "the same seed draws other completions: something reads a generator of its own")
    must(len(set(ids[0])) > 1, "all completions of a group are the same: seed each by its place")
    must(ids[0] != ids[2], "another seed draws the same completions")
    must(torch.equal(before, torch.random.get_rng_state()), "drawing moved the global generator")


def t37_an_adapter_is_never_put_into_coarse_weights(policy: Policy, rows: Sequence[Row]) -> None:
    """Weights are float32 or bfloat16, never 4 bits; an adapter switched off and on again is the same to the bit."""
    must(set(DTYPES) <= {"float32", "bfloat16"}, f"models load as {sorted(DTYPES)}: merging into 4 bits is lossy")
    network = HeadedPolicy(policy)
    with moved_weights(policy):
        before = logprobs_of(network, rows)
        with policy.adapter_off():
            untouched = logprobs_of(network, rows)
        after = logprobs_of(network, rows)
    for one, other, off in zip(before, after, untouched, strict=True):
        near(one, other, "an adapter is another after it was off and on", within=0.0)
        must(not torch.equal(one, off), "the adapter off says the same as on: it was merged into the weights")


def t38_a_judge_is_asked_in_both_orders() -> None:
    """Each pair is judged both ways round; a judge that names a place and not a text has said nothing of the texts."""

    def first(question: Prompt, options: Sequence[str]) -> Choice:
        return {options[0]: 0.0, options[1]: -3.0}

    def walrus(question: Prompt, options: Sequence[str]) -> Choice:
        text = question.messages[-1].content
        return {option: -3.0 * (n != (text.index("walrus") > text.index("zebra"))) for n, option in enumerate(options)}

    prompt = Prompt.of("q")
    pair = [Completion(prompt.id, "walrus"), Completion(prompt.id, "zebra", index=1)]
    judges = [Scripted(lambda question, seed: "", prefer) for prefer in (first, walrus)]
    places, texts = (
        Comparison(Asker(judge, Sampling(temperature=0))).verdicts([prompt], [pair])[0] for judge in judges
    )
    must(len(judges[0].asked) == 2, f"a pair was asked {len(judges[0].asked)} times: ask it in both orders")
    assert places.feedback is not None
    assert texts.feedback is not None
    must(places.value == 0.5, f"a judge that likes the first place says {places.value}: average both orders")
    must("chosen" not in places.feedback.value, "the two orders disagree, and one of the texts is called the better")
    must(not places.consistent, "orders that disagree are not counted: the bias for a place stays unseen")
    must(texts.feedback.value == {"chosen": 0}, "a judge that names the same text twice is not heard: swap the texts")


@dataclass(frozen=True)
class _Flat:
    """`Reward` that finds everything equally good."""

    def score(self, prompts: Sequence[Prompt], completions: Sequence[Completion]) -> list[Score]:
        return [Score(p, c, 0.5) for p, c in zip(prompts, completions, strict=True)]


def t39_a_flat_reward_is_told() -> None:
    """A dead reward shows in the log and moves nothing; a part that decides alone and drift in length are said once."""
    course = table_course("grpo", reward=_Flat(), config={"beta": 0.0, "truncated": "keep"})
    before = {name: tensor.detach().clone() for name, tensor in course.network.parameters().items()}
    told = course.advance()
    must(told["zero_spread"] == 1, f"a flat reward shows as zero_spread {told['zero_spread']}: it would not be noticed")
    for name, tensor in course.network.parameters().items():
        near(tensor.detach(), before[name], "a flat reward moves the weights", within=0.0)
    told = table_course("grpo", config={"beta": 0.0}).advance()
    must(told["zero_spread"] < 1, "a reward that tells completions apart shows as dead")
    apart = [Example(tuple(_paid(wide=4.0 * number, narrow=0.1 * number) for number in range(2)))]
    alike = [Example(tuple(_paid(steady=99.0, one=float(number), other=1.0 - number) for number in range(2)))]
    _said(apart, [9.0] * 30, 1, "a part of the reward that decides alone")
    _said(alike, [9.0] * 30, 0, "parts that give much alike, or differ alike")
    _said(alike, [9.0] * 10 + [18.0] * 30, 1, "completions that grow to twice their length")
    _said(alike, [9.0, 18.0] * 20, 0, "lengths that differ from window to window")


def _paid(**parts: float) -> Row:
    prompt = Prompt.of("q")
    return Row(prompt, Completion(prompt.id, str(parts)), parts=tuple(parts.items()))


def _said(groups: Sequence[Example], lengths: Sequence[float], times: int, what: str) -> None:
    watch = Watch()
    said = [text for length in lengths for text in watch.see(groups, length)]
    must(len(said) == times, f"{what}: told {len(said)} times instead of {times}: {' '.join(said)}")


def t40_the_longest_row_goes_first(policy: Policy, rows: Sequence[Row]) -> None:
    """Training begins with the longest texts, forwards and backwards, so that memory runs out now or not at all."""
    network, needs = HeadedPolicy(policy), sft.needs(sft.Config())
    lengths = sorted(map(network.length, rows), reverse=True)
    for count in (2, 1):
        longest = heaviest(network, [Example((row,)) for row in rows], needs, count)
        must(
            [network.length(row) for row in longest] == lengths[:count],
            "the longest rows do not go first: memory would run out later",
        )
    before = policy.state()
    try:
        rehearse(network, longest, needs)
    except InputError as full:
        raise AssertionError(str(full).replace(". Set", ": set", 1)) from full
    for name, tensor in policy.state().items():
        near(tensor, before[name], "a rehearsal moved a weight", within=0.0)


CHECKS = (
    t34_training_changes_weights_and_the_sampler_reads_them,
    t35_what_was_sampled_is_never_tokenised_again,
    t36_seeds_fix_every_draw_and_tell_them_apart,
    t37_an_adapter_is_never_put_into_coarse_weights,
    t38_a_judge_is_asked_in_both_orders,
    t39_a_flat_reward_is_told,
    t40_the_longest_row_goes_first,
)
