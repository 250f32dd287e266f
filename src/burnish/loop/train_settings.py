"""Every setting of `burnish train` that is not the method's own, with the tested defaults."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from types import ModuleType
from typing import Any, Literal

from burnish import config, methods
from burnish.errors import InputError, nearest
from burnish.loop.heard import Heard
from burnish.loop.new_model import NewModel, defaults, is_new
from burnish.loop.ready import is_encoder
from burnish.loop.recipe import SamplingSettings
from burnish.models import devices
from burnish.models.tuning import TuningConfig
from burnish.training.course import CourseConfig
from burnish.training.optimiser import OptimiserConfig
from burnish.training.steps import StepConfig


@dataclass(frozen=True)
class LookSettings:
    """When training is looked at, on examples or prompts that it never learns from, and what follows from it."""

    every: int = 20
    """Steps between two looks; the best look's weights are what is saved at the end. 0 never looks."""
    share: float = 0.1
    """Share of the prompts, by hash, that is set aside for looks, in [0, 1)."""
    most: int = 64
    """Examples or prompts looked at, at most."""
    patience: int = 3
    """Looks without anything better after which training stops early; 0 goes on to the end."""
    average: int = 0
    """Last looks whose weights' mean is looked at when training ends, and saved where it does best; 0 tries none."""

    def __post_init__(self) -> None:
        for name in ("every", "patience", "average"):
            if getattr(self, name) < 0:
                raise InputError(f"{name}: {getattr(self, name)} is negative. Use 0 for never.")
        if self.most < 1:
            raise InputError(f"most: {self.most} is not a whole number from 1 up.")
        if not 0 <= self.share < 1:
            raise InputError(f"share: {self.share} is not in [0, 1). Use 0.1, or 0 to set nothing aside.")


@dataclass(frozen=True)
class TrainSettings:
    """Settings of a training run, whatever the method."""

    method: str = "sft"
    """File name of the method."""
    model: str = "smollm2-135m"
    """The model that is trained: a name known to `burnish fetch`, a folder, a hub id, or one to be made (`new:gru`)."""
    partner_model: str = ""
    """The model of the method that is trained in turn: a known name, a folder, a hub id; empty: the same one. A reward
    may so stand on an encoder, beside a policy that speaks."""
    seed: int = 0
    """Every random choice follows from it."""
    dtype: Literal["float32", "bfloat16"] = "float32"
    """Number format of the frozen weights; what trains is float32 in any case."""
    device: str = "cpu"
    """Where models compute, a learned reward's too: cpu, cuda, or cuda:1 for the second GPU. Nothing has been
    measured on a GPU yet, so none is chosen unasked. A model that judges in this process stays on the processor."""
    max_tokens: int = 512
    """Tokens of a prompt with its completion; longer ones are cut."""
    recompute: bool = False
    """Keep each layer's input only and compute the rest again in the backward pass: a fraction of the memory for up to
    half more time (gradient checkpointing); no effect on a model that takes the general path."""
    save_every: int = 20
    """Steps between two places to go on from."""
    signals: Heard = field(default_factory=Heard)
    new: NewModel = field(default_factory=NewModel)
    adapter: TuningConfig = field(default_factory=TuningConfig)
    course: CourseConfig = field(default_factory=CourseConfig)
    walk: StepConfig = field(default_factory=StepConfig)
    optimiser: OptimiserConfig = field(default_factory=OptimiserConfig)
    sampling: SamplingSettings = field(default_factory=SamplingSettings)
    look: LookSettings = field(default_factory=LookSettings)

    def __post_init__(self) -> None:
        devices.check_name(self.device)
        for name in ("max_tokens", "save_every"):
            if getattr(self, name) < 1:
                raise InputError(f"{name}: {getattr(self, name)} is not a whole number from 1 up.")
        if self.new != NewModel() and not is_new(self.model):
            raise InputError(
                f"new: its sizes are those of a model that is made (--model new:gru), and the model is {self.model!r}."
                " Leave them out."
            )
        if self.look.average and self.adapter.kind == "adalora":
            raise InputError(
                f"look.average: {self.look.average} asks for a mean of looks, and AdaLoRA's differ in their ranks."
                " Use 0, or another adapter.kind."
            )


@dataclass(frozen=True)
class Settings:
    """A run's settings, its method's, and those of the method that is trained in turn with it."""

    run: TrainSettings
    method: Any
    """The method's `Config`."""
    partner: Any = None
    """Its partner's `Config`; None where it has none."""

    def to_toml(self, header: Mapping[str, object]) -> str:
        """Return config.toml: the method's settings stand in a section of its name, its partner's in [partner]."""
        sections = {self.run.method: self.method} | ({PARTNER: self.partner} if self.partner else {})
        own = "\n".join(f"[{name}]\n{config.to_toml(each)}" for name, each in sections.items())
        return f"{config.to_toml(self.run, header).rstrip()}\n\n{own}"


PARTNER = "partner"
"""Section of the settings of whoever is trained in turn."""
MOVED = {"grpo.minibatches": "walk.parts"}
"""What was a method's setting and is now one of every method's, under this name."""


def settings_of(method: str, module: ModuleType, given: Mapping[str, Any], sets: Sequence[str], where: str) -> Settings:
    """Return the settings: defaults, what is given (a config.toml), then flags `key=value` or `section.key=value`.

    On a model that is made for the run, or was made so, some defaults are others (`loop.new_model`).
    A key without a section is the method's own where the method has it (`beta=0.2`), else the run's; `partner.beta=1`
    is of the method that is trained in turn.
    """
    for_run, for_method, for_partner = _shared_out(method, module, sets)
    model = config.with_sets(given, for_run).get("model", TrainSettings.model)
    given = _over(defaults(str(model), method), given)
    run = {key: value for key, value in given.items() if key not in (method, PARTNER)}
    own = _without_moved(method, given.get(method, {}), where)
    chosen = config.load(module.Config, own, for_method, where=f"{where} [{method}]")
    beside = module.needs(chosen).partner
    if for_partner and not beside:
        raise InputError(f"--set {PARTNER}.{for_partner[0]}: {method} trains nothing in turn, so it has no partner.")
    its = (
        config.load(methods.load(beside).Config, given.get(PARTNER, {}), for_partner, where=f"{where} [{PARTNER}]")
        if beside
        else None
    )
    whole = Settings(config.load(TrainSettings, {**run, "method": method}, for_run, where=where), chosen, its)
    _check_noise(whole, module.needs(chosen))
    _check_adapter_noise(whole, module.needs(chosen))
    return whole


def _check_noise(settings: Settings, needs: methods.Needs) -> None:
    """Raise InputError for dropout or scheduled sampling under a method that would leave them off."""
    run = settings.run
    if needs.noise or not is_new(run.model) or is_encoder(run.model):
        return
    for name in ("dropout", "teacher_forcing"):
        value, off = getattr(run.new, name), getattr(NewModel(), name)
        if value != off:
            raise InputError(
                f"new.{name}: {value:g}, and {run.method} compares log-probs, which it changes from one pass to the "
                f"next (trap T20). Use {off:g}, or train the model with pretrain or sft first."
            )


def _check_adapter_noise(settings: Settings, needs: methods.Needs) -> None:
    """Raise InputError for dropout in the adapter where it would be left off: of the method, or its partner, which has
    an adapter of the same settings. An encoder alone says no log-probs."""
    run = settings.run
    if not run.adapter.dropout or needs.noise or (is_encoder(run.model) and not needs.partner):
        return
    raise InputError(
        f"adapter.dropout: {run.adapter.dropout:g}, and {run.method} compares log-probs, which it changes from one "
        "pass to the next (trap T20). Use 0, or train the adapter with sft first."
    )


def _over(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of `above`, and those of `below` that it does not have, section by section."""
    both = {**below, **above}
    return both | {
        name: {**below[name], **above[name]}
        for name in below.keys() & above.keys()
        if isinstance(below[name], Mapping) and isinstance(above[name], Mapping)
    }


def _shared_out(method: str, module: ModuleType, sets: Sequence[str]) -> tuple[list[str], list[str], list[str]]:
    """Return the flags that are the run's, the method's and its partner's, the latter two without their section."""
    mine = {item.name for item in fields(module.Config)}
    known = mine | {item.name for item in fields(TrainSettings)}
    for_run, for_method, for_partner = list[str](), list[str](), list[str]()
    for each in map(str.strip, sets):
        key, _, value = (part.strip() for part in each.partition("="))
        section, _, rest = key.partition(".")
        if now := MOVED.get(key if rest else f"{method}.{key}"):
            raise InputError(f"--set: {key} is {now} here, a setting of every method. Use --set {now}={value}.")
        if key == "label_smoothing" and key not in mine:
            raise InputError(
                f"--set {key}: {method} has no labels that could be smoothed: it learns from {_learned(module)}. "
                "Leave it out."
            )
        if not rest and key not in known:
            raise InputError(
                f"--set: unknown key {key!r}.{nearest(key, known)} `burnish train {method} --help-config` lists them."
            )
        if section == method and rest:
            for_method.append(each[len(method) + 1 :])
        elif section == PARTNER and rest:
            for_partner.append(each[len(PARTNER) + 1 :])
        elif not rest and key in mine:
            for_method.append(each)
        else:
            for_run.append(each)
    return for_run, for_method, for_partner


def _learned(module: ModuleType) -> str:
    """Return what a method without labels learns from: grades, a teacher's chances, what is paid, or a likelihood."""
    needs: methods.Needs = module.needs(module.Config())
    if "teacher" in needs.views:
        return "a teacher's chances of all tokens"
    if "reward" in needs.heads and needs.fresh:
        return "two kinds of texts, whose log-ratio smoothing would bias"
    return "grades, whose noise it has settings for" if "reward" in needs.heads else "rewards"


def _without_moved(method: str, own: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Return a method's section of an older config.toml without what has moved since, where it says nothing there.

    Raises InputError where it does: `burnish train` did not heed it then.
    """
    kept = dict(own)
    for name in own:
        now = MOVED.get(f"{method}.{name}")
        if now and kept.pop(name) != 1:
            section, _, key = now.partition(".")
            raise InputError(
                f"{where} [{method}]: {name} = {own[name]} is now {now}, a setting of every method, and was not heeded "
                f"here before. Delete the line to go on as it was, or write {key} = {own[name]} under [{section}]."
            )
    return kept


def finite(value: float | None) -> float | None:
    """Return the value, None where it is no number: JSON has no NaN."""
    return value if value is not None and math.isfinite(value) else None
