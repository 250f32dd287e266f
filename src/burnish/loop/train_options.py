"""What `burnish train` is asked for, and what can be found wrong with it before anything is made or read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from burnish import files, methods
from burnish.config import parse_toml
from burnish.errors import InputError
from burnish.loop import asking, new_model, ready
from burnish.loop.train_settings import PARTNER, Settings
from burnish.models import devices
from burnish.models.spending import Caps
from burnish.records import Prompt
from burnish.rewards.judged import KEY_FILE, When
from burnish.training import checks

CONFIG = "config.toml"


@dataclass(frozen=True)
class TrainOptions:
    """What the command line says beside the settings."""

    out: Path
    data: str | None = None
    db: str | None = None
    task: str | None = None
    asked: Sequence[Prompt] = ()
    """The task's prompts."""
    prompts: str | None = None
    reward: str | None = None
    judge: str | None = None
    """Model that says which of two completions is better, for methods that ask a judge."""
    refiner: str | None = None
    """Model that writes refinements and revisions; none: the trained model, as it is before training."""
    resume: bool = False
    caps: Caps = field(default_factory=Caps)
    """What judge, refiner and judged reward may take together, over all sittings of the run."""
    mask: When = "outside"
    key_file: str = KEY_FILE


def began_with(out: Path) -> dict[str, Any]:
    """Return the settings a run in this folder began with, empty when there is none."""
    return parse_toml(out / CONFIG) if (out / CONFIG).exists() else {}


def check(options: TrainOptions, settings: Settings, module: ModuleType) -> None:
    """Raise InputError for a folder that is taken, a model that is not there, settings that the method cannot use."""
    _check_folder(options)
    devices.check(settings.run.device)
    if options.caps != Caps() and not asking.leaves(options.reward, options.judge, options.refiner):
        raise InputError("--budget: only models at an address cost anything, and none is named. Leave the cap out.")
    _check_model(options, settings, module)
    if options.reward and settings.partner not in (None, type(settings.partner)()):
        raise InputError(f"[{PARTNER}]: --reward pays in its place, so no partner is trained. Leave one of them out.")
    _check_course(options, settings, module)


def _check_folder(options: TrainOptions) -> None:
    if options.out.exists() and not options.out.is_dir():
        raise InputError(f"{options.out} is a file. Give --out a folder.")
    held = options.out.exists() and any(options.out.iterdir())
    if held and not (options.out / "status.json").exists() and not (options.out / files.LOCK).exists():
        raise InputError(f"{options.out} holds files that no run of burnish wrote. Choose another folder with --out.")
    if held and not options.resume and (options.out / CONFIG).exists():
        raise InputError(f"{options.out} holds a run. Go on with --resume, or choose another folder with --out.")


def _check_course(options: TrainOptions, settings: Settings, module: ModuleType) -> None:
    """Raise InputError for settings that the method, or its partner, can do nothing with."""
    run, needs = settings.run, module.needs(settings.method)
    both = [(module, settings.method)]
    beside = needs.partner if not options.reward else ""
    if beside and settings.partner:
        both.append((methods.load(beside), settings.partner))
    for each, its in both:
        checks.check(
            each, its, run.walk, group=each.needs(its).group or run.course.group, prompts=run.course.prompts_per_step,
            examples=run.course.examples_per_step, kl_target_nats=run.course.kl_target_nats,
            pays=bool(beside) and each is module and not needs.policy,
        )  # fmt: skip


def _check_model(options: TrainOptions, settings: Settings, module: ModuleType) -> None:
    run = settings.run
    if options.resume:
        new_model.check_same(began_with(options.out), run.model, run.new, options.out)
    _check_partner_model(options, settings, module)
    if ready.is_encoder(run.model):
        paired = bool(run.partner_model) and not options.reward
        checks.check_reader(module, settings.method, model=run.model, paired=paired)
    if not new_model.is_new(run.model):
        ready.check_model(run.model)
        return
    new_model.check(run.model, run.new)
    if not options.data:
        raise InputError(f"--model {run.model}: its tokenizer is learned from the data. Give text with --data FILE.")


def _check_partner_model(options: TrainOptions, settings: Settings, module: ModuleType) -> None:
    """Raise InputError for the model of a partner where none is trained, or one that this partner cannot stand on."""
    name, beside = settings.run.partner_model, module.needs(settings.method).partner
    if not name:
        return
    if not beside or options.reward:
        why = "--reward pays in its place" if beside else f"{settings.run.method} has no partner"
        raise InputError(f"partner_model: {name!r}, but {why}, so nothing is trained in turn. Leave it out.")
    if new_model.is_new(name):
        raise InputError(f"partner_model: {name!r} is made by a run of its own. Train it first, and name its folder.")
    ready.check_model(ready.chosen(name))
    if ready.is_encoder(ready.chosen(name)):
        checks.check_reader(methods.load(beside), settings.partner, model=name, paired=True)
