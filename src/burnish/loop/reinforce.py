"""Stage "train": steps of rollout and update, looks at the validation prompts, early stop, exact resume."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from burnish import files, memory, progress
from burnish.evaluation.text import distinct_2, words
from burnish.loop import measure, savepoint
from burnish.loop.log import TrainingLog
from burnish.loop.recipe import Recipe
from burnish.loop.rollouts import Window, draw, prompts_of_step, sampling_of
from burnish.maths.batch import Batch
from burnish.maths.control import LengthController
from burnish.maths.kl import KLController
from burnish.methods import grpo
from burnish.models.policy import Policy
from burnish.models.sampler import EngineSampler
from burnish.plain import to_plain
from burnish.records import Checkpoint, Prompt, Reward, seed_of
from burnish.training.optimiser import OptimiserConfig
from burnish.training.trainer import Slice, Trainer, over_steps


@dataclass(frozen=True)
class Look:
    """What the validation prompts said of one step's policy."""

    step: int
    checkpoint: str
    """Id of the adapter as it was then: `checkpoints/<id>`."""
    proxy: float | None
    """Mean reward; None when no completion could be scored: all are empty."""
    kl_nats: float
    length: float
    distinct_kept: float
    """Distinct-2 over the untouched model's, each pair of texts cut to the shorter one's length."""

    @property
    def told(self) -> str:
        """What it found, in a line."""
        reward = (
            "nothing to score, all texts are empty" if self.proxy is None else f"validation reward {self.proxy:+.3f}"
        )
        kept = f"{self.distinct_kept:.2f} of the distinct-2"
        return f"{reward}, KL {self.kl_nats:.2f} nats, {self.length:.0f} tokens, {kept}"


@dataclass
class State:
    """Everything beside weights and moments that the next step depends on."""

    kl: KLController
    length: LengthController
    looks: list[Look] = field(default_factory=list)
    ended: str = ""
    """Why training ended; empty while it goes on."""

    def numbers(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def of(cls, plain: dict[str, Any]) -> State:
        return cls(
            KLController(**plain["kl"]),
            LengthController(**plain["length"]),
            [Look(**look) for look in plain["looks"]],
            plain["ended"],
        )


class Reinforcement:
    """One run of GRPO in a folder: `checkpoints/<id>` to choose from, `validation/` samples, `metrics.jsonl`."""

    def __init__(
        self, folder: Path, policy: Policy, reward: Reward, recipe: Recipe, prompts: Sequence[Prompt],
        validation: Sequence[Prompt], *, lineage: Checkpoint, round: int, origin: Look | None,
        check_stop: Callable[[bool], None], published: Callable[[Checkpoint], None],
    ) -> None:  # fmt: skip
        self.folder = folder
        self.policy = policy
        self.reward = reward
        self.recipe = recipe
        self.prompts = list(prompts)
        self.validation = list(validation)
        self.lineage = lineage
        self.round = round
        self.origin = origin  # what the untouched model was like; None when this round's first look is at it
        self.check_stop = check_stop
        self.published = published
        self.sampler = EngineSampler(policy, rows=recipe.sampling.together or None)
        own = asdict(recipe.grpo)
        self.minibatches: int = own.pop("minibatches")
        self.config = grpo.Config(**own)
        optimiser = OptimiserConfig(recipe.rl.learning_rate, recipe.rl.warmup_steps, recipe.rl.schedule)
        steps = recipe.rl.steps * self.minibatches
        self.trainer = Trainer(policy, grpo, self.config, optimiser, steps=steps)
        self.step = 0
        self.state = State(
            KLController(self.config.beta, recipe.rl.kl_target_nats, recipe.rl.kl_horizon), LengthController(0.0)
        )

    @property
    def work(self) -> Path:
        return self.folder / "state" / f"train-{self.round}"

    def run(self) -> None:
        """Train to the end, or until something says stop."""
        self._restore()
        if not self.state.looks:
            self._look()  # step 0: the untouched policy sets the length to keep
            self._save()
        with (
            TrainingLog(self.folder, round=self.round, step=self.step) as log,
            progress.bar(self.recipe.rl.steps, "reinforcement learning", "steps", start=self.step) as bar,
        ):
            while self.step < self.recipe.rl.steps and not self.state.ended:
                metrics = self._advance()
                log.add(metrics)
                bar.advance(1, f"reward {metrics['reward']:+.2f}, KL {metrics['kl_nats']:.1f} nats")
                if self.step % self.recipe.rl.evaluate_every == 0 or self.step == self.recipe.rl.steps:
                    self._look()
                saved = self.step % self.recipe.rl.save_every == 0
                if saved:
                    self._save()
                self._stop_here(saved)
        self._save()
        progress.say(self.state.ended or f"trained for all {self.step} steps")

    def best(self) -> Look:
        """Return the look with the best validation reward among those within the budget of KL, sameness and length."""
        allowed = [look for look in self.state.looks if self._allows(look)]
        return max(allowed or self.state.looks[:1], key=_proxy)

    def _allows(self, look: Look) -> bool:
        rl, first = self.recipe.rl, self.origin or self.state.looks[0]
        return (
            look.proxy is not None
            and look.kl_nats <= rl.kl_budget_nats
            and look.distinct_kept >= rl.least_distinct
            and abs(look.length / max(first.length, 1.0) - 1) <= rl.most_length_change
        )

    # ---------------------------------------------------------------------------------------------------- a step

    def _advance(self) -> dict[str, float]:
        began = time.monotonic()
        recipe = self.recipe
        chosen = prompts_of_step(
            self.prompts, self.step, recipe.rl.prompts_per_step, seed_of(recipe.seed, "prompts", self.round)
        )
        seed = seed_of(recipe.seed, "rollout", self.round, self.step)
        window = draw(
            self.policy, self.sampler, self.reward, chosen, recipe, seed=seed,
            beta=self.state.kl.beta, length=self.state.length, run=self.folder.name, round=self.round,
        )  # fmt: skip
        sampled = time.monotonic() - began
        batch = grpo.targets(window.batch, self.config)
        metrics = self._update(batch, window)
        lengths = _lengths(window)  # of all that was drawn: what is not trained on is masked in the batch
        count = len(batch)
        self.state.kl = self.state.kl.after(metrics.get("kl_nats", float("nan")), count)
        self.state.length = self.state.length.after(float(lengths.mean()))
        self.step += 1
        metrics |= self._told(window, batch, lengths)
        return metrics | {"seconds": time.monotonic() - began, "seconds_sampling": sampled}

    def _update(self, batch: Batch, window: Window) -> dict[str, float]:
        """Take the window's optimiser steps: one strictly on-policy, or several against the old log-probs."""
        if self.minibatches == 1:
            return self.trainer.advance(batch, window.slices)
        batch = replace(batch, old_logprobs_BT=self._old_logprobs(window.slices))
        told, rows = [], []
        for part in np.array_split(np.arange(len(window.slices)), self.minibatches):
            slices = [window.slices[number] for number in part]
            told.append(self.trainer.advance(batch, slices))
            rows.append(sum(len(each.rows) for each in slices))
        return over_steps(told, rows)

    @torch.no_grad()
    def _old_logprobs(self, slices: Sequence[Slice]) -> Tensor:
        outputs = [self.policy.outputs(each.inputs, reference=False) for each in slices]
        return torch.cat([output.logprobs_BT for output in outputs if output.logprobs_BT is not None])

    def _told(self, window: Window, batch: Batch, lengths: Tensor) -> dict[str, float]:
        values = [score.value for score in window.scores if score.value is not None]
        assert batch.truncated_B is not None
        assert batch.rewards_B is not None
        flat = [_is_flat(group) for group in batch.rewards_B.view(len(window.prompts), -1)]
        return {
            "step": self.step,
            "round": self.round,
            "reward": float(np.mean(values)) if values else float("nan"),
            "unscored": float(len(window.scores) - len(values)),
            "length": float(lengths.mean()),
            "truncated": float(batch.truncated_B.float().mean()),
            "zero_spread": float(np.mean(flat)),
            "beta": self.state.kl.beta,
            "length_price": self.state.length.price,
        }

    # -------------------------------------------------------------------------------------------------- looking

    def _look(self) -> None:
        """Sample the validation prompts, keep the adapter, and see whether to go on. Only the proxy is asked."""
        memory.give_back()  # not at every step: asking for the pages anew took a fifth of it
        rl = self.recipe.rl
        sampling = sampling_of(self.recipe)
        seed = seed_of(self.recipe.seed, "validation")
        groups = self.sampler.sample(
            self.validation, sampling, n=rl.validation_samples, seed=seed, run=self.folder.name, round=self.round
        )
        found = measure.likelihood(
            self.policy, self.validation, groups, sampling.temperature, "looking at validation prompts"
        )
        measure.write(self.folder / "validation" / f"round-{self.round}-step-{self.step:04d}.jsonl", groups, found)
        flat = [completion for group in groups for completion in group]
        asked = [prompt for prompt, group in zip(self.validation, groups, strict=True) for _ in group]
        values = [score.value for score in self.reward.score(asked, flat) if score.value is not None]
        length = float(np.mean([len(c.token_ids or ()) for c in flat]))
        name = self.policy.fingerprint()
        look = Look(
            step=self.step,
            checkpoint=name,
            proxy=float(np.mean(values)) if values else None,
            kl_nats=float(np.mean([kl for kl, _ in found])),
            length=length,
            distinct_kept=self._distinct_kept([c.text for c in flat]),
        )
        if not self.state.looks:
            target = self.origin.length if self.origin else length
            self.state.length = LengthController(target=target, gain=rl.length_gain)
        self.state.looks.append(look)
        self._publish(self.folder / "checkpoints" / name)
        progress.say(f"step {self.step}: {look.told}")
        self.state.ended = self._why_end()

    def _distinct_kept(self, texts: Sequence[str]) -> float:
        untouched = [c.text for c, _, _ in measure.read(self.folder / "validation" / "round-0-step-0000.jsonl")]
        lengths = [min(len(words(old)), len(words(new))) for old, new in zip(untouched, texts, strict=True)]
        before, now = distinct_2(untouched, lengths), distinct_2(texts, lengths)
        return now / before if now and before else 0.0

    def _publish(self, target: Path) -> None:
        """Publish the adapter, unless the very same stands there: a further round begins with what was promoted."""
        lineage = replace(self.lineage, id=target.name, path=f"checkpoints/{target.name}", step=self.step)
        if not files.is_whole(target):
            with files.publish(target) as temporary:
                self.policy.save(temporary)
                (temporary / "burnish.json").write_text(json.dumps(to_plain(lineage), indent=1), "utf-8")
        self.published(lineage)

    def _why_end(self) -> str:
        looks, rl = self.state.looks, self.recipe.rl
        last = looks[-1]
        if last.kl_nats > rl.kl_budget_nats:
            return (
                f"stopped at step {last.step}: KL {last.kl_nats:.1f} nats is over the budget of {rl.kl_budget_nats:g}"
            )
        if last.proxy is None:
            return f"stopped at step {last.step}: every validation completion is empty, so none could be scored"
        best = self.best()
        if sum(look.step > best.step for look in looks) >= rl.patience:
            return f"stopped at step {last.step}: nothing better within the budgets since step {best.step}"
        return ""

    # --------------------------------------------------------------------------------------------- going on

    def _save(self) -> None:
        tensors = {"policy": self.policy.state(), "optimiser": self.trainer.state()}
        savepoint.save(self.work, self.step, tensors, {**self.state.numbers(), "trainer_step": self.trainer.step})

    def _restore(self) -> None:
        saved = savepoint.load(self.work)
        if saved is None:
            return
        tensors, numbers = saved
        self.step = numbers["step"]
        self.policy.load_state(tensors["policy"])
        self.trainer.load_state(tensors.get("optimiser", {}), numbers["trainer_step"])
        self.state = State.of(numbers)
        progress.say(f"going on from step {self.step}")

    def _stop_here(self, saved: bool) -> None:
        try:
            self.check_stop(saved)
        except Exception:
            if not saved:
                self._save()
            raise


def _proxy(look: Look) -> float:
    return -math.inf if look.proxy is None else look.proxy


def _is_flat(rewards: Tensor) -> bool:
    """Return whether a group's rewards teach nothing: fewer than two are known, or all that are known are equal."""
    known = rewards[torch.isfinite(rewards)]
    return len(known) < 2 or bool(known.amax() == known.amin())


def _lengths(window: Window) -> Tensor:
    return torch.tensor([float(len(c.token_ids or ())) for group in window.completions for c in group])
