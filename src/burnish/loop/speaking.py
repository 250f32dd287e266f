"""A checkpoint as it speaks: drawn from its logits, or from what its method makes of its heads (`ilql`, `dqn`)."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

from torch import Tensor

from burnish import config, corpora, methods
from burnish.errors import InputError
from burnish.loop.headed_folder import headed_in
from burnish.loop.speakers import of_checkpoint
from burnish.maths.batch import Says
from burnish.models import devices
from burnish.models.headed import HeadedPolicy
from burnish.models.sampler import EngineSampler

REPORT = "report.json"


def sampler_in(
    folder: str | Path, *, base: str | None = None, dtype: Literal["float32", "bfloat16"] = "float32",
    device: str = devices.CPU, **changes: Any,
) -> EngineSampler:  # fmt: skip
    """Return the sampler of a checkpoint's folder, or of a run's, whose best checkpoint speaks then.

    base: the model that it was trained on, where that is not where it was. device: where it computes. changes: settings
    of the checkpoint's method that its way of speaking reads, such as ILQL's `tilt`. Raises InputError for what is no
    checkpoint of a policy, and for settings that its method has not.
    """
    folder = _chosen(Path(folder))
    who = of_checkpoint(folder)
    if who is None:
        raise InputError(f"{folder}: no checkpoint of a policy is there (burnish.json, its weights). Is it another's?")
    network = headed_in(folder, corpora.resolve(base or who.base), name=who.model, dtype=dtype, device=device)
    return EngineSampler(network.policy, read=reading(network, changes), checkpoint_id=folder.name)


def reading(network: HeadedPolicy, changes: Mapping[str, Any] | None = None) -> Callable[[Tensor], Tensor] | None:
    """Return what a checkpoint's network draws the next token from, given final states; None: from its logits.

    Raises InputError where its method is not known here, or has other settings or heads.
    """
    decoding = network.policy.decoding
    if decoding is None:
        if "q" in network.heads:
            raise InputError(
                f"{network.policy.name}: the checkpoint holds action values, but its burnish.json does not say how it "
                'is decoded. Put "decoded": "ilql" (its method) into "config" there.'
            )
        if changes:
            raise InputError(f"{', '.join(changes)}: this checkpoint speaks by its logits, which take no settings.")
        return None
    method = methods.load(decoding.method)
    settings = config.build(method.Config, {**decoding.settings, **(changes or {})}, where=decoding.method)
    missing = method.needs(settings).heads.keys() - network.heads.keys()
    if missing or not hasattr(method, "act"):
        raise InputError(
            f"{network.policy.name}: {decoding.method} cannot decode this checkpoint: "
            f"{'it has no head ' + repr(min(missing)) if missing else 'it speaks by the logits'}."
        )
    act: Callable[[Says], Tensor] = functools.partial(method.act, config=settings)
    return network.reading(act)


def _chosen(folder: Path) -> Path:
    """Return a run's chosen checkpoint; the folder itself where it is no run's."""
    report = folder / REPORT
    if not report.exists():
        return folder
    return folder / "checkpoints" / str(json.loads(report.read_text("utf-8"))["checkpoint"])
