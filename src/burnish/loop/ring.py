"""The stages of a run, in order. Each writes its result whole and is passed over when it is there."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

from burnish import __version__, files, memory, progress
from burnish.corpora import resolve as resolve_folder
from burnish.errors import DamagedFileError
from burnish.evaluation.reward_card import RewardCard, card_from_plain
from burnish.evaluation.verdict import require_independent
from burnish.feedback.evidence import Evidence
from burnish.loop import evidence as evidences
from burnish.loop import gold as golds
from burnish.loop import measure, ready, rehearsal, report_stage, reward_stage
from burnish.loop.folder import RunFolder
from burnish.loop.recipe import Recipe
from burnish.loop.reinforce import Look, Reinforcement
from burnish.loop.rollouts import sampling_of
from burnish.loop.run import RunOptions, counts, write_config
from burnish.machine import system
from burnish.machine.plan import Size
from burnish.models.policy import Policy
from burnish.models.reward_model import RewardModel
from burnish.models.sampler import EngineSampler
from burnish.plain import snapshot_hash
from burnish.records import Checkpoint, Prompt, Reward, seed_of, share_of
from burnish.rewards.asked_rating import AskedRating
from burnish.rewards.learned import AskedOnce, LearnedRating
from burnish.rewards.on_topic import StaysOnTopic

FEW_SIGNALS = 100  # below which a reward model is hardly better than chance, whatever else is right


class Ring:
    """One run; every stage can be read on its own."""

    def __init__(self, folder: RunFolder, task: ModuleType, recipe: Recipe, options: RunOptions) -> None:
        self.folder = folder
        self.path = folder.path
        self.task = task
        self.recipe = recipe
        self.options = options

    def turn(self) -> None:
        """Do every stage that is not done yet."""
        if self.recipe.model == "tiny":
            self.folder.stage("model", lambda: files.verify(self.model_folder))
        self._rehearse()
        self.folder.stage("feedback", self._feedback)
        self.folder.stage("before", lambda: self._sample_test("before", None))
        for number in range(self.recipe.loop.rounds):
            self.round(number)
        self.folder.stage("after", lambda: self._sample_test("after", self.promoted(self.recipe.loop.rounds - 1)))
        # last, so that the judge cannot have had a part in anything it judges
        self.folder.stage("gold", self._gold)
        self.folder.stage("report", lambda: report_stage.tell(self))
        progress.say(f"report: {self.path / 'report.html'}")

    def _rehearse(self) -> None:
        """Tell what the run holds in memory and try its heaviest slice, unless all reinforcement lies behind it."""
        if all(self.folder.is_done(f"train-{number}") for number in range(self.recipe.loop.rounds)):
            return
        free, size = system.free_bytes(), Size.of(self.model_folder)
        rehearsal.rehearse(self._policy(None), self.prompts["train"], self.recipe, size=size, free=free)
        memory.give_back()

    def round(self, number: int) -> None:
        """Learn a reward and train against it: a second round is a second call."""
        self.folder.stage(f"reward-{number}", lambda: self._reward(number))
        self.folder.stage(f"train-{number}", lambda: self._train(number))

    # ----------------------------------------------------------------------------------------------- what is given

    @cached_property
    def model_folder(self) -> Path:
        """The folder of the model that is trained; a task may make a small one of its own, called `tiny`."""
        if self.recipe.model != "tiny":
            return ready.model_folder(self.recipe.model, self.path / "model")
        folder = self.path / "model"
        if not files.is_whole(folder):
            with files.publish(folder) as temporary:
                self.task.make_model(temporary)
        return folder

    @cached_property
    def prompts(self) -> dict[str, list[Prompt]]:
        """Prompts by split; validation and test drawn once for all seeds, by hash."""
        found: dict[str, list[Prompt]] = {"train": [], "validation": [], "test": []}
        for prompt in self.task.prompts():
            found[prompt.split].append(prompt)
        limits = {"validation": self.recipe.rl.validation_prompts, "test": self.recipe.evaluation.prompts}
        for split, count in limits.items():
            found[split] = evidences.evenly(found[split], count)
        found["train"].sort(key=lambda prompt: share_of(prompt.id, "order"))
        return found

    @cached_property
    def evidence(self) -> Evidence:
        """The recipe's feedback, or the user's, or both."""
        most = self.recipe.reward.signals
        return evidences.joined(self.task, self.brought, mix=self.options.mix, most=most)

    @cached_property
    def brought(self) -> evidences.Brought | None:
        """The user's feedback: read once, then what was kept of it."""
        if self.options.feedback is None:
            return None
        return evidences.kept(self.path / "signals" / "own") or evidences.bring(
            self.options.feedback,
            self.options.db,
            aspect=self.recipe.reward.aspect,
            heard=self.recipe.reward.heard(),
        )

    @property
    def asks(self) -> bool:
        """Whether the reward is nearness to an asked rating (the recipe's feedback) or the predicted score itself."""
        return self.options.feedback is None or self.options.mix

    # ---------------------------------------------------------------------------------------------------- stages

    def _feedback(self) -> None:
        found, own = self.evidence, self.brought
        agreement = own.agreement if own and not self.options.mix else evidences.agreement(found)
        summary = {
            "records": found.records,
            "people": found.people,
            "by_kind": dict(found.by_kind),
            "agreement": agreement,
            "signals": {"fit": counts(found.fit), "gold": counts(found.gold), "test": counts(found.test)},
            "snapshot": snapshot_hash(found.fit),
            "sources": list(found.sources),
        }
        if own:
            evidences.keep(self.path / "signals" / "own", own)
            if own.store:
                evidences.save_snapshots(own, found.fit, mix=self.options.mix)
        evidences.write(self.path / "signals" / "fit.jsonl", found.fit)
        write_config(self.path, self.recipe, self.options, snapshot=str(summary["snapshot"]))
        files.write_atomic(self.path / "feedback.json", json.dumps(summary))
        progress.say(f"feedback: {found.records:,} records, {len(found.fit):,} signals to learn from")
        if len(found.fit) < FEW_SIGNALS:
            progress.say(f"feedback: {len(found.fit)} signals are few: the reward will know little more than chance")

    def _gold(self) -> None:
        missing = golds.needed(self.evidence, self.recipe)
        if missing:
            progress.say(f"gold: {missing} more signals would be needed for a judge of its own; the report will say so")
            return
        require_independent(self.evidence.gold_sources, self.learned(self.recipe.loop.rounds - 1)["sources"])
        encoder = resolve_folder(self.recipe.gold.encoder) if self.recipe.gold.encoder else None
        golds.learn(
            self.path / "checkpoints" / "gold", encoder, self.evidence, self.recipe,
            work=self.path / "state" / "gold", check_stop=self._check_stop,
        )  # fmt: skip

    def _reward(self, number: int) -> None:
        found = self.evidence
        if number and not self.asks:
            progress.say("nobody has spoken of the new samples: the same feedback is learned from once more")
        if number and self.asks:  # the recipe's author speaks of the recipe's question, not of the user's
            found = evidences.with_scripted(found, self.task, self._fresh_samples(number))
            evidences.write(self.path / "signals" / f"fit-{number}.jsonl", found.fit)
            learned = {"snapshot": snapshot_hash(found.fit), "sources": list(found.sources)}
            self.folder.update(**{f"learned-{number}": learned})
        made = reward_stage.learn(
            self.path / "checkpoints" / f"reward-{number}", self.model_folder, found, self.recipe,
            lineage=self._checkpoint(number, "reward", None, "score_reward, reward"),
            work=self.path / "state" / f"reward-{number}", check_stop=self._check_stop,
        )  # fmt: skip
        self._published(made)

    def _train(self, number: int) -> None:
        parent = self.promoted(number - 1) if number else None
        policy = self._policy(parent)
        proxy, _ = self.rewards(number)
        training = Reinforcement(
            self.path, policy, proxy, self.recipe, self.prompts["train"], self.prompts["validation"],
            lineage=self._checkpoint(number, "adapter", parent, "grpo"),
            round=number, origin=self._first_look(number), check_stop=self._check_stop, published=self._published,
        )  # fmt: skip
        training.run()
        best = training.best()
        chosen = best.checkpoint
        self.folder.update(
            **{f"promoted-{number}": chosen, f"looks-{number}": [asdict(each) for each in training.state.looks]}
        )
        self.folder.update(**{f"ended-{number}": training.state.ended or "all steps"})
        progress.say(f"promoted step {best.step} ({chosen}): {best.told}")

    def learned(self, number: int) -> dict[str, Any]:
        """Return snapshot and sources of the signals that a round's reward was learned from."""
        first: dict[str, Any] = json.loads((self.path / "feedback.json").read_text("utf-8"))
        learned: dict[str, Any] = self.folder.status.get(f"learned-{number}", first)
        return learned

    def _checkpoint(
        self, number: int, kind: Literal["adapter", "reward"], parent: Path | None, method: str
    ) -> Checkpoint:
        """Return what a round's checkpoints say of where they come from; id and path are set on publication."""
        learned = self.learned(number)
        return Checkpoint(
            id="", path="", kind=kind, parent=parent.name if parent else self.recipe.model, method=method,
            config=asdict(self.recipe), snapshot=learned["snapshot"],
            sources=tuple(learned["sources"]), code_version=__version__, seed=self.recipe.seed,
            sampling=sampling_of(self.recipe),
        )  # fmt: skip

    def _first_look(self, number: int) -> Look | None:
        """Return what the untouched model was like, None in the first round, which is about to see it."""
        return Look(**self.folder.status["looks-0"][0]) if number else None

    def _published(self, checkpoint: Checkpoint) -> None:
        """Tell the user's store at once that a checkpoint has learned from its words."""
        if self.brought and self.brought.store:
            placed = replace(checkpoint, path=str((self.path / checkpoint.path).resolve()))
            evidences.record(self.brought, placed, mix=self.options.mix)

    def _fresh_samples(self, number: int) -> list[tuple[Prompt, Any]]:
        policy = self._policy(self.promoted(number - 1))
        start = seed_of(self.recipe.seed, "fresh", number)
        prompts = sorted(self.prompts["train"], key=lambda p: share_of(p.id, str(start)))[: self.recipe.loop.samples]
        sampler = EngineSampler(policy, rows=self.recipe.sampling.together or None)
        groups = sampler.sample(prompts, sampling_of(self.recipe), n=1, seed=start, round=number)
        return [(prompt, group[0]) for prompt, group in zip(prompts, groups, strict=True)]

    def _sample_test(self, side: str, checkpoint: Path | None) -> None:
        policy = self._policy(checkpoint)
        sampling = sampling_of(self.recipe)
        trained = checkpoint is not None
        name = checkpoint.name if checkpoint else None
        rows = self.recipe.sampling.together or None
        prompts, count = self.prompts["test"], self.recipe.evaluation.samples
        with progress.bar(len(prompts) * count, f"sampling test prompts {side}", "texts") as bar:

            def ended() -> None:
                bar.advance(1)
                self._check_stop(False)

            # all at once: where one has ended the next takes its place, and no batch waits for its longest
            sampler = EngineSampler(policy, adapter=trained, checkpoint_id=name, rows=rows, ended=ended)
            groups = sampler.sample(prompts, sampling, n=count, seed=seed_of(self.recipe.seed, "test"), run=side)
        what = f"measuring test prompts {side}"
        found = measure.likelihood(policy, prompts, groups, sampling.temperature, what, adapter=trained)
        measure.write(self.path / "samples" / f"{side}.jsonl", groups, found)

    # ------------------------------------------------------------------------------------------------ what is made

    def _policy(self, checkpoint: Path | None) -> Policy:
        recipe = self.recipe
        policy = Policy.load(self.model_folder, name=recipe.model, dtype=recipe.dtype, device=recipe.device)
        policy.recompute = self.recipe.rl.recompute
        policy.add_lora(
            rank=self.recipe.adapter.rank, alpha=self.recipe.adapter.alpha, seed=seed_of(self.recipe.seed, "lora")
        )
        if checkpoint is not None:
            _need_whole(checkpoint)
            policy.load_adapter_file(checkpoint / "adapter_model.safetensors")
        return policy

    def rewards(self, number: int) -> tuple[Reward, Reward]:
        """Return (the reward trained on, the rating it is made of)."""
        folder = self.path / "checkpoints" / f"reward-{number}"
        _need_whole(folder)
        calibration = json.loads((folder / "calibration.json").read_text("utf-8"))
        network = RewardModel.load(folder, dtype=self.recipe.dtype, device=self.recipe.device)
        fitted = {name: calibration[name] for name in ("slope", "offset", "floor", "factor")}
        rating = AskedOnce(LearnedRating(network, folder.name, **fitted))
        settings = self.recipe.reward
        careful = AskedRating(rating, settings.uncertainty, settings.penalty, heeds=self.asks)
        return StaysOnTopic(careful, settings.off_topic), AskedRating(rating, "mean", heeds=False)

    def judge(self) -> golds.Gold | None:
        """Return the gold judge; None when there was too little to learn one from."""
        folder = self.path / "checkpoints" / "gold"
        return golds.Gold.load(folder) if (folder / "gold.json").exists() else None

    def card(self, number: int) -> RewardCard | None:
        """Return what is known of a round's reward model; None when nothing could be measured."""
        plain = json.loads((self.path / "checkpoints" / f"reward-{number}" / "card.json").read_text("utf-8"))
        return card_from_plain(plain) if plain else None

    def promoted(self, number: int) -> Path:
        """Return the folder of the checkpoint that a round chose."""
        return self.path / "checkpoints" / str(self.folder.status[f"promoted-{number}"])

    def _check_stop(self, saved: bool) -> None:
        if saved or self.folder.wants_stop():
            self.folder.check_stop()


def _need_whole(checkpoint: Path) -> None:
    try:
        files.verify(checkpoint)
    except DamagedFileError as error:
        raise DamagedFileError(
            f"{error} This checkpoint was made by an earlier stage of the run. Put back a copy of it, or begin the run "
            "again with another --out."
        ) from None
