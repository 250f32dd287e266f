"""Methods: one file per algorithm. The file name is the registry.

Each holds its frozen `Config` and, of these functions, `needs` and `loss` always, the others where it must:

    needs(config) -> Needs                          what the loop must bring
    prepare(signals, config, tools) -> [Example]    signals to rows, text to text, seeded (else `examples.prepared`)
    ask(prompt, config) -> Prompt                   what the trained policy is asked instead (control token, wish)
    sampling(config, sampling) -> Sampling          how fresh completions are drawn
    act(says, config) -> logits_BV                  what the trained policy speaks by, where not its own logits
    behaviour(says, config) -> logits_BV            what fresh completions are drawn from, where not from the same
    choose(examples, config, tools) -> [Example]    fresh, scored groups to what is learned from (best of n, pairs, ...)
    targets(batch, config) -> Batch                 once for a whole window, pure, no gradient: advantages, denominators
    loss(batch, outputs, config) -> (share, metrics)
    pay(readings_TK, text, places, config) -> paid_TK    of a reward, what it pays single tokens; NaN where nothing

`loss` returns each row's share of the window's loss, (B,): slices of a window add up (trap T26). `metrics` maps a name
to (B,) values, NaN where it does not apply; the trainer prints their mean. `METRICS` says of each what it means and
what is healthy; the docs are made of it. A loss that holds still what the policy decides (a weight, a teacher) says in
`STOPPED` what: as a number it need not fall. `ask` belongs to the trained policy, not to its training: it puts the
prompt's last message into words, which go into the checkpoint, so that whoever samples from it later (evaluation, the
gateway, the next round) asks it so (`models.asking`); `prepare` has put the words into the rows already. `act` belongs
to it too: checkpoints name their method, and whoever draws from them draws through it (`models.decoding`,
`loop.speaking`). `behaviour` is of training alone: exploring, an opponent. It may read the reference where the method
has that view.
"""

from __future__ import annotations

import importlib
import math
import pkgutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import ModuleType

from burnish.errors import InputError, nearest
from burnish.maths.batch import Says

__all__ = ["Needs", "Says", "above", "load", "names", "readers", "reads", "within"]


@dataclass(frozen=True, slots=True)
class Needs:
    """What a method asks of the loop that trains it; a function of its config (`needs(config)`)."""

    eats: tuple[type, ...]
    """Which of the four signals; with `fresh` they come beside what is drawn."""
    fresh: bool = False
    """Completions drawn now by the policy."""
    group: int = 0
    """Completions drawn for a prompt, where the method fixes it; 0 leaves it to the run's own setting."""
    scored: bool = False
    """Fresh completions need a reward (or a judge)."""
    views: tuple[str, ...] = ()
    """"reference": statistics of the untouched model beside the policy's. "old": before the first step on a window a
    pass over all of it fills old_logprobs_BT, old_values_BT and (with "reference") reference_logprobs_BT for `targets`.
    "slow": the same pass by a slowly moving copy fills slow_values_BT and slow_q_BTKV. "teacher": `Row.teacher` is
    asked beside the row's own prompt."""
    heads: Mapping[str, int] = field(default_factory=dict)
    """{"reward": K}, {"value": 1}, {"q": K}: linear heads on the policy's states."""
    tokens: tuple[str, ...] = ()
    """Control tokens that rows begin with; a tokenizer that has no such token spells them with the pieces it has."""
    together: bool = False
    """Rows of an example stay in one slice."""
    compares: str = ""
    """What a fresh completion is compared with, so that one alone would teach nothing: "group" (others of its prompt),
    "window"; empty: it is learned from by itself."""
    once: bool = False
    """One optimiser step a window: nothing in the loss corrects for a policy that moved on since it drew (no ratio)."""
    replay: int = 0
    """Windows kept and drawn again beside the fresh one."""
    slow_rate: float = 0.0
    """Share of the way that the slow copy moves towards the policy after each step, in (0, 1]."""
    teacher_rate: float = 0.0
    """The same of the teacher's weights, in [0, 1); 0: they are the policy's own."""
    partner: str = ""
    """Method trained in turn: the reward of this one, or the policy of this reward."""
    noise: bool = False
    """Whether dropout may be on while learning: only where no log-prob is held against another's, or another pass's."""
    policy: bool = True
    """Whether the language model itself is trained; False trains heads (and adapter) as a reward model."""


def reads(needs: Needs) -> bool:
    """Return whether a model that reads and never speaks, an encoder, does for a method: it trains a reward, and asks
    nobody how likely a text was."""
    return not needs.policy and "reference" not in needs.views


def readers() -> list[str]:
    """Return the names of the methods that an encoder can be trained by."""
    return [name for name in names() if reads((module := load(name)).needs(module.Config()))]


def names() -> list[str]:
    """Return the names of all methods, sorted."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def load(name: str) -> ModuleType:
    """Return the module of a method. Raises InputError with the nearest name when there is none."""
    if name not in names():
        raise InputError(f"method {name!r} is not known.{nearest(name, names())}")
    return importlib.import_module(f"{__name__}.{name}")


def within(config: object, **ranges: tuple[float, float]) -> None:
    """Raise InputError for the first of these settings of a config that is no finite number in [low, high].

    An infinite end asks for any number on that side. The remedy told is the tested setting, the field's default.
    """
    for name, (low, high) in ranges.items():
        value = getattr(config, name)
        if not (math.isfinite(value) and low <= value <= high):
            wanted = f"from {low:g} up" if high == math.inf else f"in [{low:g}, {high:g}]"
            raise InputError(f"{name}: {value} is not a number {wanted}. Use {getattr(type(config), name)}.")


def smooths(config: object) -> None:
    """Raise InputError for a label_smoothing not in [0, 0.5): at a half labels say nothing, above it the reverse."""
    value = getattr(config, "label_smoothing")  # noqa: B009  # a field that not every config has
    if not 0 <= value < 0.5:
        raise InputError(f"label_smoothing: {value} is not in [0, 0.5). Use 0 for the labels as they are.")


def above(config: object, **bounds: float) -> None:
    """Raise InputError for the first of these settings of a config that is no finite number above its bound."""
    for name, low in bounds.items():
        value = getattr(config, name)
        if not (math.isfinite(value) and value > low):
            raise InputError(f"{name}: {value} is not a number above {low:g}. Use {getattr(type(config), name)}.")
