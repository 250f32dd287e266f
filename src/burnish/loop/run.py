"""`burnish run`: the ring, turned once or several times, in one folder, from feedback to report."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import platform
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from burnish import __version__, config, files, memory, progress
from burnish.errors import InputError
from burnish.loop import fitted, ready
from burnish.loop.folder import STATUS, RunFolder
from burnish.loop.recipe import Recipe
from burnish.machine import system

CONFIG = "config.toml"


@dataclass(frozen=True)
class RunOptions:
    """What the command line says."""

    recipe: str
    out: Path | None = None
    feedback: str | None = None
    mix: bool = False
    seed: int | None = None
    resume: bool = False
    sets: tuple[str, ...] = ()
    dry_run: bool = False
    model: str | None = None
    db: str | None = None
    json: bool = False
    quiet: bool = False


@dataclass(frozen=True)
class RunResult:
    """Where it lies, and what report.json says."""

    folder: Path
    report: Mapping[str, Any]


USERS_TEMPLATE = "Prompt: {prompt}\nAnswer: {text}\nPeople say that this answer is very"
"""How the reward model is shown what the user's people judged: an answer is good or bad for what was asked."""


def resolve(options: RunOptions, task: ModuleType, given: Mapping[str, Any]) -> Recipe:
    """Return the recipe: defaults, the task's, the TOML file's, then the flags'.

    With --resume, what the run folder's config.toml says stands in place of the defaults and the task's.
    """
    merged = _merge(task.recipe(), given)
    if options.feedback is not None and not options.mix:
        merged = _merge({"reward_model": {"template": USERS_TEMPLATE}}, merged)
    recipe = _load(options, task, merged)
    began = folder_of(options, recipe) / CONFIG
    if options.resume and began.with_name(STATUS).exists() and began.exists():
        recipe = _load(options, task, _merge(config.parse_toml(began), given))
    if recipe.task != task.NAME:
        raise InputError(f"task: {recipe.task!r} is set, but the recipe {options.recipe!r} is for {task.NAME!r}.")
    return recipe


def _load(options: RunOptions, task: ModuleType, given: Mapping[str, Any]) -> Recipe:
    merged = _merge({"task": task.NAME}, given)
    if options.seed is not None:
        merged["seed"] = options.seed
    if options.model is not None:
        merged["model"] = options.model
    return config.load(Recipe, merged, options.sets, where=options.recipe)


def _merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        old = merged.get(key)
        merged[key] = _merge(old, value) if isinstance(value, Mapping) and isinstance(old, Mapping) else value
    return merged


def folder_of(options: RunOptions, recipe: Recipe) -> Path:
    """Return the run folder: --out, or `runs/RECIPE-SEED`."""
    return options.out or Path("runs") / f"{Path(options.recipe).stem}-{recipe.seed}"


def run(options: RunOptions, task: ModuleType, recipe: Recipe) -> RunResult:
    """Turn the ring in the run folder; raises StoppedOnRequest when everything is saved and somebody asked to stop."""
    memory.keep()
    folder = folder_of(options, recipe)
    going_on = options.resume and (folder / CONFIG).exists()  # with the feedback that it began with
    ready.check(recipe, task, feedback=None if going_on else options.feedback, mix=options.mix and not going_on)
    _check_folder(folder, options)
    if options.dry_run:
        progress.say(plan(recipe, task, folder))
        print(json.dumps(dataclasses.asdict(recipe)) if options.json else config.to_toml(recipe))
        return RunResult(folder, {})
    ready.fetch(recipe, task)
    folder.mkdir(parents=True, exist_ok=True)
    with files.run_lock(folder):
        found = RunFolder(folder)
        options, recipe = _begin(folder, recipe, options, found)
        progress.say(plan(recipe, task, folder))
        with found.listening():
            # torch is imported only now: a wrong flag is told at once
            from burnish.loop.ring import Ring

            with _threads(recipe, found):
                Ring(found, task, recipe, options).turn()
        found.update(state="done")
    report = json.loads((folder / "report.json").read_text("utf-8"))
    return RunResult(folder, report)


def _check_folder(folder: Path, options: RunOptions) -> None:
    for place in (folder, *folder.parents):
        if place.exists() and not place.is_dir():
            raise InputError(f"{place} is a file. Give --out a folder that is one or can be made.")
    if not folder.exists() or not any(folder.iterdir()):
        if options.resume:
            progress.say(f"{folder}: no run to go on with; it begins.")
        return
    if not (folder / STATUS).exists() and not (folder / files.LOCK).exists():
        raise InputError(f"{folder} holds files that no run of burnish wrote. Choose another folder with --out.")
    if not options.resume and (folder / STATUS).exists():
        with files.run_lock(folder):  # a living run is named first
            status = RunFolder(folder).status
        state = status["state"]
        if not set(status["done"]) - {"model"}:
            progress.say(f"{folder}: a run began here and finished no stage; it begins again.")
            return
        what = "a finished run" if state == "done" else f"an unfinished run (state: {state})"
        raise InputError(f"{folder} holds {what}. Go on with --resume, or choose another folder with --out.")


def _begin(folder: Path, recipe: Recipe, options: RunOptions, found: RunFolder) -> tuple[RunOptions, Recipe]:
    """Fit the settings to the machine and write them down, or compare them with those the run began with.

    Returns the options and the settings that the run has.
    """
    path = folder / CONFIG
    if not (options.resume and path.exists()):
        recipe = fitted.to_machine(recipe)
        write_config(folder, recipe, options)
        found.update(options={"feedback": options.feedback, "mix": options.mix})
        return options, recipe
    before = config.build(Recipe, config.parse_toml(path), where=str(path))
    recipe = fitted.settled(recipe, before)  # what was left to the machine is what the machine gave when it began
    changed = _changes(fitted.settled(before, recipe), recipe)
    began = {"feedback": options.feedback, "mix": options.mix, **found.status.get("options", {})}
    if options.feedback is not None and (options.feedback, options.mix) != (began["feedback"], began["mix"]):
        changed.append(f"--feedback ({_said(began)} -> {_said({'feedback': options.feedback, 'mix': options.mix})})")
    if changed:
        raise InputError(
            f"--resume: {', '.join(changed)} differ from {path}. A run goes on with the settings it began with; "
            "leave these flags out, or take another --out."
        )
    began_with = dataclasses.replace(options, feedback=began["feedback"], mix=began["mix"])
    return began_with, fitted.to_machine(recipe)  # only in a folder that says "auto" is anything left to fit


def _said(feedback: Mapping[str, Any]) -> str:
    return f"{feedback['feedback'] or 'none'}{' --mix' if feedback['mix'] else ''}"


def write_config(folder: Path, recipe: Recipe, options: RunOptions, *, snapshot: str = "") -> None:
    """Write config.toml: every setting, and above them what made the run; the snapshot once there is one."""
    feedback = {"feedback": options.feedback or "the recipe's"} | ({"mix": "with the recipe's"} if options.mix else {})
    header = {"burnish": __version__, "seed": recipe.seed, **feedback} | ({"snapshot": snapshot} if snapshot else {})
    files.write_atomic(folder / CONFIG, config.to_toml(recipe, header))


def _changes(before: Any, after: Any, prefix: str = "") -> list[str]:
    found = []
    for item in dataclasses.fields(before):
        old, new = getattr(before, item.name), getattr(after, item.name)
        if dataclasses.is_dataclass(old):
            found.extend(_changes(old, new, f"{prefix}{item.name}."))
        elif old != new:
            found.append(f"{prefix}{item.name} ({old} -> {new})")
    return found


@contextlib.contextmanager
def _threads(recipe: Recipe, found: RunFolder) -> Iterator[None]:
    """Set the number of threads while the run lasts; say when it is not the number the run began with."""
    import torch

    before = torch.get_num_threads()
    now = recipe.threads
    began = found.status.get("threads", now)
    if began != now:
        progress.say(
            f"this run began with {began} threads and goes on with {now}: sums round differently, so the result will "
            "not be bit for bit that of a run never interrupted."
        )
    found.update(threads=began)
    torch.set_num_threads(now)
    try:
        yield
    finally:
        torch.set_num_threads(before)


# seconds of work a unit, from the stages of 2026-11-23 in docs/log.md: only ever used for the estimate before a run
_SECONDS_A_TOKEN_SAMPLED = 1 / 500
_SECONDS_A_TOKEN_TRAINED = 1 / 230
_SECONDS_A_SIGNAL = 0.043
_SECONDS_AROUND = 120
"""Reading the ratings, the gold judge and the report, whatever the size of the rest."""


def plan(recipe: Recipe, task: ModuleType, folder: Path) -> str:
    """Return what is about to be done and about how long it takes, in a few lines."""
    rl, tokens = recipe.rl, recipe.sampling.max_new_tokens * 0.6
    rollout = rl.prompts_per_step * rl.group_size * tokens
    looks = (rl.steps // rl.evaluate_every + 1) * rl.validation_prompts * rl.validation_samples * tokens
    test = 2 * recipe.evaluation.prompts * recipe.evaluation.samples * tokens
    sampling = (rl.steps * rollout + looks + test) * _SECONDS_A_TOKEN_SAMPLED
    training = (rl.steps * rollout + 0.4 * (looks + test)) * _SECONDS_A_TOKEN_TRAINED
    reward = recipe.reward.signals * recipe.reward.epochs * _SECONDS_A_SIGNAL
    minutes = (recipe.loop.rounds * (sampling + training + reward) + _SECONDS_AROUND) / 60
    if recipe.dtype == "float32":
        minutes *= 2.5
    time = f"{minutes:.0f} minutes" if minutes < 120 else f"{minutes / 60:,.0f} hours"
    takes = f"about {time} with SmolLM2-135M on a quiet 2-core machine; less with more cores"
    if recipe.model == "tiny":
        takes = "under a minute on a quiet 2-core machine"
    number_format = "number format fitted to the machine" if recipe.dtype == fitted.AUTO else recipe.dtype
    return (
        f"{task.NAME}: {task.SUMMARY}\n"
        f"  model {recipe.model} ({number_format}), seed {recipe.seed}, {recipe.loop.rounds} round(s) into {folder}\n"
        f"  1. learn a reward from at most {recipe.reward.signals:,} signals\n"
        f"  2. {rl.steps} steps of {rl.prompts_per_step * rl.group_size} completions; "
        f"3. {recipe.evaluation.prompts} test prompts x {recipe.evaluation.samples}, before and after\n"
        f"  {takes}"
    )


def versions() -> dict[str, str]:
    """Return what the numbers were made with."""
    from importlib.metadata import version

    names = ("torch", "transformers", "peft", "numpy")
    return {"burnish": __version__, "python": platform.python_version(), **{name: version(name) for name in names}}


def machine() -> str:
    """Return the processor and its cores in words."""
    return f"{platform.machine()}, {len(system.usable())} cores, {platform.system()}"


def counts(signals: Sequence[object]) -> dict[str, int]:
    """Return how many signals of each type there are."""
    found: dict[str, int] = {}
    for signal in signals:
        name = type(signal).__name__.lower()
        found[name] = found.get(name, 0) + 1
    return found
