"""`burnish train METHOD`: one method, one model, one folder; looked at on what it never learns from, saved, resumed."""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import shutil
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from types import ModuleType
from typing import Any

from torch import Tensor

from burnish import __version__, files, memory, methods, progress
from burnish.errors import InputError, SpentError
from burnish.feedback.words import still
from burnish.loop import asking as others
from burnish.loop import material as materials
from burnish.loop import new_model, raw_text, ready, savepoint
from burnish.loop.asking import Asking
from burnish.loop.folder import RunFolder
from burnish.loop.headed_folder import bare, headed_in
from burnish.loop.held_out import HeldOut, apart, key_of
from burnish.loop.log import TrainingLog
from burnish.loop.rewards_by_name import reward_of
from burnish.loop.told import headline, left_out
from burnish.loop.train_options import CONFIG, TrainOptions, check
from burnish.loop.train_settings import PARTNER, Settings, finite
from burnish.models import asking
from burnish.models.averaging import in_place_of, mean_of
from burnish.models.headed import HeadedPolicy
from burnish.models.policy import Policy
from burnish.plain import snapshot_hash, to_plain
from burnish.records import Checkpoint, Prompt, Sampling, Signal, seed_of
from burnish.training.course import Course, Material
from burnish.training.partners import Partnership, partnership

REPORT, MODEL = "report.json", "model"


@dataclass(frozen=True)
class Look:
    """What was seen at a step, on examples or prompts that nothing is learned from. Lower is better."""

    step: int
    checkpoint: str
    loss: float
    """Held-out loss; of what is drawn fresh, the negative mean reward."""
    averaged: int = 0
    """Looks whose weights' mean these weights are; 0: the weights of the step itself."""


def train(options: TrainOptions, settings: Settings, module: ModuleType) -> dict[str, Any]:
    """Train in the folder and return report.json; raises StoppedOnRequest when everything is saved."""
    memory.keep()
    check(options, settings, module)
    signals = _signals(options, settings)
    with files.made(options.out), files.run_lock(options.out):
        folder = RunFolder(options.out)
        header = {"burnish": __version__, "seed": settings.run.seed, "data": options.data or "none"}
        if not (options.out / CONFIG).exists():  # a run was set up here in vain, perhaps with other sizes
            shutil.rmtree(options.out / MODEL, ignore_errors=True)
        with folder.listening(), others.purse_of(folder, options.caps) as purse, _told_how_to_go_on(folder):
            asking = Asking(purse, options.mask, options.key_file)
            run = _Run(folder, options, settings, module, signals, asking)
            # only now: what cannot be set up is mended and begun anew, without --resume
            files.write_atomic(options.out / CONFIG, settings.to_toml(header))
            run.go()
        folder.update(state="done")
    report: dict[str, Any] = json.loads((options.out / REPORT).read_text("utf-8"))
    return report


@contextlib.contextmanager
def _told_how_to_go_on(folder: RunFolder) -> Iterator[None]:
    """Say of a run whose spending cap was reached what is kept, and how it goes on."""
    try:
        yield
    except SpentError as spent:
        folder.update(state="stopped")
        is_begun = (folder.path / CONFIG).exists()
        kept = f"What was learned is saved in {folder.path}" if is_begun else "Nothing is learned yet"
        how = "with --resume and" if is_begun else "with"
        raise SpentError(
            f"{spent} {kept}. Go on with the same command, {how} more to spend (--budget, --max-cost)."
        ) from None


class _Run:
    """One run; `go` is its story."""

    def __init__(
        self, folder: RunFolder, options: TrainOptions, settings: Settings, module: ModuleType, signals: list[Signal],
        asking: Asking,
    ) -> None:  # fmt: skip
        self.folder, self.path, self.asking = folder, folder.path, asking
        self.options, self.settings, self.module = options, settings, module
        self.needs = module.needs(settings.method)
        self.signals = signals
        if new_model.is_new(settings.run.model) and not files.is_whole(self.path / MODEL):
            run = settings.run
            new_model.make(
                run.model, run.new, self.signals, self.path / MODEL,
                data=str(options.data), longest=run.max_tokens, seed=run.seed,
            )  # fmt: skip
        self.looks: list[Look] = []
        self.course, self.partner, self.held = self._set_up()

    def go(self) -> None:
        """Train to the end, to the point where nothing gets better, or until somebody asks to stop."""
        began = time.monotonic() - self.folder.status["seconds"].get("train", 0.0)
        self._restore()
        self.course.rehearse()
        if self.partner:
            self.partner.course.rehearse()
        steps = self.settings.run.course.steps
        try:
            self._walk(steps, began)
        except SpentError:
            # of two that take turns one may be a step ahead: they go on from where they were last saved together
            if self.partner is None:
                self._save(began)
            raise
        self._save(began)
        self._report(time.monotonic() - began)

    def _walk(self, steps: int, began: float) -> None:
        """Take the steps that are left, and look where it is due."""
        self._look_if_due()
        with (
            TrainingLog(self.path, round=0, step=self.course.step) as log,
            progress.bar(steps, self.settings.run.method, "steps", start=self.course.step) as bar,
        ):
            while self.course.step < steps and not self._is_over():
                numbers = self._advance()
                log.add({"round": 0, **numbers})
                bar.advance(1, headline(numbers))
                self._look_if_due()
                self._save_or_stop(self.course.step % self.settings.run.save_every == 0, began)
        self._look_at_average()

    def _advance(self) -> dict[str, float]:
        told = self.partner.advance() if self.partner else {}
        return {**told, **self.course.advance()}

    # ----------------------------------------------------------------------------------------------------- setting up

    def _set_up(self) -> tuple[Course, Partnership | None, HeldOut]:
        run = self.settings.run
        sampling = Sampling(temperature=run.sampling.temperature, max_new_tokens=run.sampling.max_new_tokens)
        prompts: list[Prompt] = []
        if self.needs.fresh:
            prompts = list(self.options.asked) or materials.prompts_of(self.options.prompts, self.signals)
        held_prompts, prompts = apart(prompts, [p.id for p in prompts], run.look.share)
        held_signals, signals = apart(self.signals, list(map(key_of, self.signals)), run.look.share)
        if run.look.share and not (held_prompts or held_signals):
            progress.say("nothing is held out of so few texts or prompts, so the last step's weights are kept")
        given = Material(signals=signals, prompts=prompts, claims=still.claims, sampling=sampling)
        if self.options.reward:
            given = replace(given, reward=reward_of(self.options.reward, run.dtype, self.asking, run.device))
        if self.options.judge:
            given = replace(given, judge=self.asking.judge(self.options.judge))
        if self.options.refiner:
            given = replace(given, refiner=self.asking.writer(self.options.refiner))
        network = self._network()
        partner = None
        if self.needs.partner and given.reward is None:
            partner = partnership(
                network, self.module, self.settings.method, given, run.course, self.settings.partner,
                make=self._network, optimiser=run.optimiser, walk=run.walk, seed=run.seed,
            )  # fmt: skip
            given = partner.given
        course = self._course(network, given)
        if reasons := left_out(run.method, "not used", course.left_out):
            progress.say(reasons)
        if partner:
            partner.meet(course)
        held = HeldOut(held_prompts[: run.look.most], [])
        if held.prompts and not (given.reward or given.partner):
            progress.say("a judge compares and gives no number to look at: the last step's weights are kept")
        if self.needs.eats and held_signals and not self.needs.fresh:
            try:
                looked = self._course(network, replace(given, signals=held_signals))
                held = replace(held, examples=looked.examples[: run.look.most])
            except InputError as error:  # the method can use none of them: then there is nothing to look at
                progress.say(f"nothing is held out to look at: {error}")
        return course, partner, held

    def _course(self, network: HeadedPolicy, given: Material) -> Course:
        run = self.settings.run
        return Course(
            network, self.module, self.settings.method, given, run.course,
            optimiser=run.optimiser, walk=run.walk, seed=run.seed,
        )  # fmt: skip

    def _network(self, needs: methods.Needs | None = None) -> HeadedPolicy:
        """Return the model with a fresh adapter and the heads that a method asks for; the partner's for its needs."""
        run, wanted = self.settings.run, needs or self.needs
        name, merged = run.model, self.path / MODEL
        if needs and run.partner_model:
            name, merged = ready.chosen(run.partner_model), self.path / "partner_model"
        policy = bare(ready.model_folder(name, merged), name=name, dtype=run.dtype, device=run.device)
        policy.recompute = run.recompute
        if hasattr(self.module, "ask"):  # its examples have the words already
            policy.asking = ""
        policy.adapt(replace(run.adapter, steps=self._optimiser_steps()), seed=seed_of(run.seed, "adapter"))
        sampling = Sampling(temperature=run.sampling.temperature, max_new_tokens=run.sampling.max_new_tokens)
        return HeadedPolicy(
            policy, heads=wanted.heads, temperature=run.sampling.temperature if wanted.fresh else 1.0,
            max_tokens=run.max_tokens, speaks=wanted.policy or "reference" in wanted.views, sampling=sampling,
            seed=seed_of(run.seed, "heads"),
        )  # fmt: skip

    def _courses(self) -> dict[str, Course]:
        """Return what is trained, by its method's name."""
        both = {self.settings.run.method: self.course}
        return both | ({self.needs.partner: self.partner.course} if self.partner else {})

    @property
    def _network_of_course(self) -> HeadedPolicy:
        network = self.course.network
        assert isinstance(network, HeadedPolicy)
        return network

    @property
    def _policy(self) -> Policy:
        return self._network_of_course.policy

    def _optimiser_steps(self) -> int:
        run = self.settings.run
        return run.course.steps * run.walk.passes * run.walk.parts

    # -------------------------------------------------------------------------------------------------------- looking

    def _look_if_due(self) -> None:
        """Look before the first step, every so many, and after the last; where it was cut off, once more."""
        step, every = self.course.step, self.settings.run.look.every
        is_due = step in (0, self.settings.run.course.steps) or (every and step % every == 0)
        if is_due and all(look.step != step for look in self.looks):
            self._look()

    def _look(self) -> None:
        memory.give_back()
        with self.course.steps.averaged():
            self._note(f"step {self.course.step}")

    def _look_at_average(self) -> None:
        """Look at the mean of the last looks' weights, where it is asked for and something is held out to judge it."""
        count = self.settings.run.look.average
        some = [look for look in self.looks if not look.averaged][-count:]
        if count < 2 or len(some) < 2 or self.looks[-1].averaged:
            return
        if not math.isfinite(some[-1].loss):
            progress.say("look.average: nothing is held out that could tell whether a mean is better; none is taken")
            return
        network = self._network_of_course
        mean = mean_of([self._weights_of(look) for look in some])
        with in_place_of(network.parameters(), mean):
            self._note(f"mean of the last {len(some)} looks", averaged=len(some))

    def _weights_of(self, look: Look) -> dict[str, Tensor]:
        run, folder = self.settings.run, self.path / "checkpoints" / look.checkpoint
        base = ready.model_folder(run.model, self.path / "model")
        network = headed_in(folder, base, name=run.model, dtype=run.dtype)
        return {name: parameter.detach() for name, parameter in network.parameters().items()}

    def _note(self, what: str, *, averaged: int = 0) -> None:
        """Look at the network as it is, and publish it."""
        loss = self.held.loss(self.course)
        name = _fingerprint(self._network_of_course)
        self._publish(self._network_of_course, name)
        self.looks.append(Look(self.course.step, name, loss, averaged))
        if math.isfinite(loss):
            of = "held-out reward" if self.needs.fresh else "held-out loss"
            progress.say(f"{what}: {of} {-loss if self.needs.fresh else loss:.4f}")

    def _is_over(self) -> bool:
        """Return whether nothing got better for `patience` looks."""
        patience = self.settings.run.look.patience
        known = [look for look in self.looks if math.isfinite(look.loss)]
        return bool(patience and known and sum(look.step > self._best().step for look in known) >= patience)

    def _best(self) -> Look:
        """Return the look with the least loss; the last one where nothing could be looked at."""
        known = [look for look in self.looks if math.isfinite(look.loss)]
        return min(known, key=lambda look: look.loss) if known else self.looks[-1]

    def _publish(self, network: HeadedPolicy, name: str) -> None:
        target = self.path / "checkpoints" / name
        if files.is_whole(target):
            return
        run = self.settings.run
        lineage = Checkpoint(
            id=name, path=f"checkpoints/{name}", kind="adapter" if self.needs.policy else "reward", parent=run.model,
            method=run.method, config={"model": run.model, **self._settings_of_both(), **self._speaks()},
            snapshot=snapshot_hash(self.signals) if self.signals else "", code_version=__version__,
            sources=tuple(filter(None, (self.options.data, self.options.reward, self.options.task))),
            seed=run.seed, step=self.course.step, sampling=self.course.sampling,
        )  # fmt: skip
        with files.publish(target) as temporary:
            network.save(temporary)
            (temporary / "burnish.json").write_text(json.dumps(to_plain(lineage), indent=1), "utf-8")

    def _settings_of_both(self) -> dict[str, Any]:
        """Return the method's settings and, where one is trained in turn, its partner's, for a lineage."""
        both = {self.settings.run.method: self.settings.method}
        if self.partner and self.settings.partner:
            both[PARTNER] = self.settings.partner
        told = {"partner_model": self.settings.run.partner_model} if self.settings.run.partner_model else {}
        return {**told, **{name: asdict(each) for name, each in both.items()}}

    def _speaks(self) -> dict[str, str]:
        """Return how the checkpoint wants to be asked and is decoded, for its lineage: as its method taught it, else as
        its model was. A reward does neither, it reads.
        """
        if not self.needs.policy:
            return {}
        decoded = {"decoded": self.settings.run.method} if hasattr(self.module, "act") else {}
        template = self._policy.asking
        if hasattr(self.module, "ask"):
            template = self.module.ask(Prompt.of(asking.ASKED), self.settings.method).text
        return decoded | ({"asked": template} if template else {})

    # ------------------------------------------------------------------------------------------------------- going on

    def _save_or_stop(self, due: bool, began: float) -> None:
        if due or self.folder.wants_stop():
            self._save(began)
        self.folder.check_stop()

    def _save(self, began: float) -> None:
        tensors, numbers = self.course.state()
        groups = {"course": tensors}
        if self.settings.run.adapter.kind == "adalora":  # its running means are no parameters
            groups["policy"] = self._policy.state()
        numbers["looks"] = [asdict(look) | {"loss": finite(look.loss)} for look in self.looks]
        if self.partner:
            groups["partner"], numbers["partner"] = self.partner.state()
        savepoint.save(self.path / "state", self.course.step, groups, numbers)
        self.folder.status["seconds"]["train"] = time.monotonic() - began
        others.note(self.folder, self.asking.purse)
        self.folder.update(state="train")

    def _restore(self) -> None:
        saved = savepoint.load(self.path / "state") if self.options.resume else None
        if saved is None:
            return
        tensors, numbers = saved
        self.course.load_state(tensors["course"], numbers)
        if "policy" in tensors:
            self._policy.load_state(tensors["policy"])
        self.looks = [
            Look(**{**each, "loss": math.nan if each["loss"] is None else each["loss"]}) for each in numbers["looks"]
        ]
        if self.partner:
            self.partner.load_state(tensors["partner"], numbers["partner"])
        progress.say(f"going on from step {self.course.step}")

    def _report(self, seconds: float) -> None:
        best, run = self._best(), self.settings.run
        sign = -1.0 if self.needs.fresh else 1.0
        said = {
            "schema": 1, "method": run.method, "model": run.model, "seed": run.seed, "steps": self.course.step,
            "best_step": best.step, "checkpoint": best.checkpoint, "seconds": {"total": seconds},
            "measure": "held-out reward, higher is better" if self.needs.fresh else "held-out loss, lower is better",
            "looks": [
                {"step": each.step, "value": finite(sign * each.loss), "averaged": each.averaged} for each in self.looks
            ],
            "held_out": len(self.held.prompts) or len(self.held.examples),
            "learned_from": {"examples": len(self.course.examples), "prompts": len(self.course.material.prompts)},
            "left_out": {name: dict(course.not_chosen) for name, course in self._courses().items()},
        }  # fmt: skip
        files.write_atomic(self.path / REPORT, json.dumps(said, indent=1))
        for name, course in self._courses().items():
            if reasons := left_out(name, "drawn and not learned from", course.not_chosen):
                progress.say(reasons)
        where = f"the mean of {best.averaged} looks is best" if best.averaged else f"best at step {best.step}"
        progress.say(f"{where}: {self.path / 'checkpoints' / best.checkpoint}")


def _signals(options: TrainOptions, settings: Settings) -> list[Signal]:
    if not options.data:
        return []
    characters = getattr(settings.method, "characters", raw_text.CHARACTERS)  # of a piece of raw text, at most
    return materials.signals_of(options.data, options.db, settings.run.signals.config(), characters=characters)


def _fingerprint(network: HeadedPolicy) -> str:
    digest = hashlib.sha256(network.policy.fingerprint().encode())
    for name, tensor in sorted(network.heads.state_dict().items()):
        digest.update(name.encode() + tensor.detach().cpu().contiguous().numpy().tobytes())
    return f"k_{digest.hexdigest()[:20]}" if len(network.heads) else network.policy.fingerprint()
