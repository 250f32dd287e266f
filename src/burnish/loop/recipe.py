"""Every setting of `burnish run`, with the tested defaults."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Literal

from burnish.errors import InputError
from burnish.feedback.answers import SignalConfig
from burnish.loop.heard import signal_config
from burnish.models import devices


def _within(settings: Any, **ranges: tuple[float, float]) -> None:
    """Raise InputError when a setting lies outside its range, ends included; an infinite end asks for any number."""
    for name, (low, high) in ranges.items():
        value = getattr(settings, name)
        if not (math.isfinite(value) and low <= value <= high):
            above = "above 0" if low == SOME else f"from {low}"
            below = " up" if high == math.inf else " and below 1" if high == 1 - SOME else f" to {high}"
            wanted = f"a number {above}{below}".replace("above 0 up", "above 0").replace(
                "above 0 to", "above 0, at most"
            )
            raise InputError(f"{name}: {value:g} is out of range. Give {wanted}.")


SOME = 1e-12  # the least of what must be above 0
MANY = 10**9  # more steps, texts or tokens than anybody has time for


@dataclass(frozen=True)
class AdapterSettings:
    """The LoRA adapter that is trained."""

    rank: int = 16
    """Rank of each pair of matrices; all linear layers but the output get one."""
    alpha: float = 32.0
    """Scale: the adapter's product is multiplied by alpha / rank."""

    def __post_init__(self) -> None:
        _within(self, rank=(1, 4096), alpha=(SOME, math.inf))


@dataclass(frozen=True)
class SamplingSettings:
    """How the policy is sampled, in training and in evaluation alike."""

    temperature: float = 0.8
    """Logits are divided by this, when sampling and in every log-prob alike."""
    max_new_tokens: int = 64
    """A completion that has not ended by then is truncated."""
    together: int = 0
    """Completions that are decoded together at most: memory against speed. 0 fits the machine when a run begins; it is
    kept when the run goes on, since in float32 the last bits of a product follow from how many rows it has."""

    def __post_init__(self) -> None:
        _within(self, temperature=(0.01, 10), max_new_tokens=(1, 1_000_000), together=(0, MANY))


@dataclass(frozen=True)
class BackboneSettings:
    """What the reward model is made of."""

    template: str = "Review: {text}\nThe reviewer's opinion of it is very"
    """How a completion is shown to the reward model; {text} and {prompt} are filled in."""
    layers: int = 22
    """How many of the model's layers are used (fewer when it has fewer)."""
    frozen: int = 10
    """How many of them stay as they are; their activations are computed once."""
    trains: Literal["lora", "top", "heads"] = "lora"
    """What trains above the frozen layers: LoRA, all their weights, or the heads alone."""
    rank: int = 16
    """Rank of the LoRA matrices."""
    heads: int = 5
    """K, the members of the ensemble; each sees its own bootstrap sample of the texts."""

    def __post_init__(self) -> None:
        _within(self, layers=(1, math.inf), frozen=(0, self.layers), rank=(1, 4096), heads=(1, 1000))
        if "{text}" not in self.template:
            raise InputError("template: {text} does not occur in it, so every completion would look the same.")


@dataclass(frozen=True)
class RewardSettings:
    """How the reward model is trained and used."""

    signals: int = 5000
    """At most this many of the given signals are learned from (drawn by hash, the user's before the recipe's)."""
    aspect: str = ""
    """Which aspect of the user's feedback is learned; empty: what speaks of the whole, or the only one there is."""
    people: Literal["plain", "annotators", "reliable", "majority"] = "plain"
    """How several people's answers are put together: all alike, each as much as they prove to see, each right
    with a probability of their own, the bare count."""
    behaviour: bool = False
    """Whether clicks, purchases, copies and the like count too, each an aspect of its own (`aspect = "purchase"`)."""
    aspects: tuple[str, ...] = ()
    """Respects of your own that comments are read for: "tone: rude polite friendly"."""
    ties: Literal["half", "davidson", "rao_kupper"] = "half"
    """What "equally good" says: half a vote for each, or an answer of its own in one of two models of ties."""
    readings: str = ""
    """File of `burnish feedback comments --out`: how a learned scorer or a model read the comments, for the rules'."""
    epochs: float = 1.0
    """Passes over them."""
    batch: int = 32
    """Texts (or twice as many for pairs) an optimiser step."""
    learning_rate: float = 1e-3
    """Peak learning rate of LoRA; heads take `head_rate` times as much."""
    head_rate: float = 2.0
    """Learning rate of the heads over that of the rest."""
    pairs: float = 0.0
    """Pairs drawn from rated texts, per text, learned beside the ratings themselves; 0 learns from ratings alone."""
    uncertainty: Literal["mean", "worst", "variance"] = "variance"
    """How K heads' rewards become one: their mean, the worst, or mean - penalty * variance."""
    penalty: float = 0.5
    """Weight of the variance."""
    off_topic: float = 0.5
    """Taken from the reward of a text that is not about the thing its prompt names, in rating units."""

    def __post_init__(self) -> None:
        _within(self, signals=(1, math.inf), batch=(2, math.inf), epochs=(SOME, 10_000), learning_rate=(SOME, 10))
        _within(self, head_rate=(SOME, 1_000), pairs=(0, 1_000), penalty=(0, math.inf), off_topic=(0, math.inf))
        signal_config(self.people, self.behaviour, self.aspects, self.ties)

    def heard(self) -> SignalConfig:
        """Return how the user's feedback becomes signals. Raises InputError for readings that are not there."""
        return signal_config(self.people, self.behaviour, self.aspects, self.ties, self.readings)


@dataclass(frozen=True)
class GoldSettings:
    """The judge that chooses nothing: a fine-tuned encoder and words, on signals kept apart."""

    encoder: str = "minilm"
    """A name known to `burnish fetch` or a folder; empty: words alone."""
    epochs: float = 2.0
    """Passes over the gold signals."""
    learning_rate: float = 1e-4
    """Peak learning rate of the encoder."""
    least_signals: int = 200
    """With fewer gold signals there is no gold: the report says so instead of guessing."""

    def __post_init__(self) -> None:
        _within(self, epochs=(SOME, 10_000), learning_rate=(SOME, 10), least_signals=(10, math.inf))


@dataclass(frozen=True)
class RlSettings:
    """The reinforcement learning run."""

    steps: int = 24
    """Windows of rollouts at most."""
    prompts_per_step: int = 6
    """Prompts a window."""
    group_size: int = 8
    """Completions a prompt."""
    learning_rate: float = 3e-4
    """Peak learning rate of the adapter."""
    warmup_steps: int = 4
    """Steps over which it rises."""
    schedule: Literal["constant", "linear", "cosine"] = "linear"
    """Linear and cosine let it fall from the first step on, warm-up included, towards a tenth of the peak, which they
    would reach one step after the last."""
    prompts_per_slice: int = 0
    """Prompts with their groups that go through the model together: memory against speed. 0 fits the machine."""
    recompute: bool = False
    """Keep each layer's input only and compute the rest again in the backward pass: a fraction of the memory for up to
    half more time (gradient checkpointing); no effect on a model that takes the general path."""
    evaluate_every: int = 6
    """Steps between looks at the validation prompts, each of which keeps a checkpoint to choose from."""
    validation_prompts: int = 20
    """How many validation prompts are sampled then."""
    validation_samples: int = 2
    """Completions of each."""
    save_every: int = 3
    """Steps between saved states that --resume goes on from."""
    kl_budget_nats: float = 12.0
    """Training stops when the KL of a completion exceeds this; checkpoints beyond it are never chosen."""
    kl_target_nats: float = 4.0
    """The KL coefficient is moved to keep the KL near this; 0 keeps it fixed."""
    kl_horizon: int = 200
    """How many completions it takes the coefficient to follow."""
    length_gain: float = 3.0
    """Price of length per relative gap to the untouched model's mean length (see maths/control.py); 0 = never."""
    least_distinct: float = 0.875
    """A checkpoint is chosen only if its validation texts have this share of the untouched model's distinct-2. Few
    texts show less sameness than many: 40 of them 0.05 to 0.09 more than the report's 512, whose limit is 0.80."""
    most_length_change: float = 0.25
    """A checkpoint is chosen only if its validation texts' mean length changed by at most this share."""
    patience: int = 3
    """Looks at the validation prompts without a better reward before training stops."""

    def __post_init__(self) -> None:
        whole = ("steps", "prompts_per_step", "evaluate_every", "validation_prompts", "validation_samples",
                 "save_every", "kl_horizon", "patience")  # fmt: skip
        _within(self, **dict.fromkeys(whole, (1, MANY)), group_size=(2, math.inf), learning_rate=(SOME, 10))
        _within(self, prompts_per_slice=(0, MANY))
        _within(self, warmup_steps=(0, math.inf), kl_budget_nats=(SOME, math.inf), kl_target_nats=(0, math.inf))
        _within(self, length_gain=(0, math.inf), least_distinct=(0, 1), most_length_change=(0, math.inf))


@dataclass(frozen=True)
class EvaluationSettings:
    """The comparison before and after, on prompts that were used for nothing else."""

    prompts: int = 128
    """Test prompts, drawn by hash."""
    samples: int = 4
    """Completions of each, with the same seeds before and after."""

    def __post_init__(self) -> None:
        _within(self, prompts=(1, math.inf), samples=(1, math.inf))


@dataclass(frozen=True)
class LoopSettings:
    """How often the ring turns."""

    rounds: int = 1
    """Each further round goes on from the promoted checkpoint, with feedback on its own samples."""
    samples: int = 200
    """Fresh samples the recipe's scripted author speaks of before each further round."""

    def __post_init__(self) -> None:
        _within(self, rounds=(1, 1_000), samples=(1, math.inf))


@dataclass(frozen=True)
class GrpoSettings:
    """Settings of `methods/grpo.py`, repeated here so that --help needs no torch; a test holds the two together.

    `minibatches` alone is the walk's (`walk.parts` of `burnish train`).
    """

    scale: Literal["none", "std", "batch_std"] = "none"
    """What advantages are divided by: none (Dr. GRPO), std (of the group, GRPO as published), batch_std."""
    normaliser: Literal["token", "completion", "constant"] = "constant"
    """What token losses are divided by: constant (length limit, Dr. GRPO), token (DAPO), completion (GRPO)."""
    clip_low: float = 0.2
    """Ratio below 1 - clip_low earns nothing more. In (0, 1)."""
    clip_high: float = 0.28
    """Ratio above 1 + clip_high earns nothing more (DAPO's "clip higher"). Above 0."""
    beta: float = 0.05
    """Weight of the KL to the untouched model, reward units per nat; 0 asks for no reference at all."""
    kl: Literal["exact", "k1", "k2", "k3"] = "exact"
    """How the KL is put into the loss: exact, k2 (same gradient in expectation), k1 and k3 (see maths/kl.py)."""
    truncated: Literal["penalise", "mask", "keep"] = "penalise"
    """A completion that reached the length limit: penalise (reward lowered), mask (no loss at all), keep."""
    truncation_penalty: float = 1.0
    """Reward units taken from a truncated completion under "penalise"; with "mask" and "keep" it is not used."""
    minibatches: int = 1
    """Optimiser steps a window of rollouts, each on its share of the prompts; 1 is strictly on-policy."""
    flat_groups: Literal["keep", "drop"] = "keep"
    """A group without advantage: keep (its KL still pulls to the untouched model); drop (from loss and counts)."""
    importance_cap: float = 0.0
    """Tokens weigh by the trainer's over the sampler's probability, at most this (2, say); 0 leaves it out."""
    ratio: Literal["token", "sequence"] = "token"
    """What is clipped: each token's ratio, or the geometric mean over the completion's tokens (GSPO)."""
    credit: Literal["completion", "process"] = "completion"
    """What a token answers for: the completion's score, or also the rewards of single tokens from it on (steps)."""

    def __post_init__(self) -> None:
        _within(self, clip_low=(SOME, 1 - SOME), clip_high=(SOME, math.inf), beta=(0, math.inf))
        _within(self, truncation_penalty=(0, math.inf), minibatches=(1, math.inf))
        if 0 < self.importance_cap < 1 or not 0 <= self.importance_cap < math.inf:
            raise InputError(f"importance_cap: {self.importance_cap} is neither 0 nor from 1 up. Use 0 for none, or 2.")
        if self.importance_cap and self.ratio == "sequence":
            raise InputError('importance_cap: weighs single tokens, and ratio = "sequence" has none. Use 0.')


@dataclass(frozen=True)
class Recipe:
    """All of it; a TOML file has the same keys."""

    task: str = "reviews"
    """The task whose prompts, feedback and judge are used."""
    model: str = "smollm2-135m"
    """The model to train: a name known to `burnish fetch`, a folder, a hub id."""
    dtype: Literal["auto", "bfloat16", "float32"] = "auto"
    """Number format of products; losses, norms and optimiser state are float32 in both. auto: bfloat16 where this
    machine multiplies it faster, else float32."""
    device: str = "cpu"
    """Where the policy and the reward model compute: cpu, cuda, or cuda:1 for the second GPU. Nothing has been measured
    on a GPU yet, so none is chosen unasked, and what is left to the machine (dtype, together, prompts_per_slice) is
    fitted to its processor: set those too. The gold judge stays on the processor."""
    threads: int = 0
    """Threads of a product. 0 fits the machine: its cores, fewer while others are at work. A run keeps its number."""
    seed: int = 0
    """Every random choice follows from it."""
    adapter: AdapterSettings = field(default_factory=AdapterSettings)
    sampling: SamplingSettings = field(default_factory=SamplingSettings)
    reward_model: BackboneSettings = field(default_factory=BackboneSettings)
    reward: RewardSettings = field(default_factory=RewardSettings)
    gold: GoldSettings = field(default_factory=GoldSettings)
    grpo: GrpoSettings = field(default_factory=GrpoSettings)
    rl: RlSettings = field(default_factory=RlSettings)
    evaluation: EvaluationSettings = field(default_factory=EvaluationSettings)
    loop: LoopSettings = field(default_factory=LoopSettings)

    def __post_init__(self) -> None:
        _within(self, threads=(0, 4096), seed=(0, 2**63 - 1))
        devices.check_name(self.device)
        if self.rl.kl_target_nats > 0 and self.grpo.beta == 0:
            raise InputError(
                "grpo.beta: 0 asks for no KL term, so rl.kl_target_nats has nothing to move. Set it to 0 too."
            )
        if self.grpo.minibatches > -(-self.rl.prompts_per_step // max(1, self.rl.prompts_per_slice)):
            raise InputError(
                f"grpo.minibatches: {self.grpo.minibatches} is more than the slices of a window. "
                "Lower rl.prompts_per_slice, or raise rl.prompts_per_step."
            )
