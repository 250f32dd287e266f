"""A reward by the name a person gives it: a checkpoint of ours, one of `burnish.rewards`, a file of several."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from burnish import methods, rewards
from burnish.errors import InputError
from burnish.loop import ready
from burnish.loop.asking import Asking
from burnish.loop.headed_folder import headed_in
from burnish.loop.reward_file import combined_of
from burnish.models import devices
from burnish.models.headed import HEADS_FILE
from burnish.models.paying import Pay
from burnish.models.reward_model import RewardModel
from burnish.records import Reward
from burnish.rewards import boosted
from burnish.rewards.learned import LearnedRating

JUDGED = "judged:"


def reward_of(name: str, dtype: str, asking: Asking | None = None, device: str = devices.CPU) -> Reward:
    """Return the reward of a folder (what `burnish run` or `burnish train reward` saved), of a name such as `chrf`, or
    of several together, from a TOML file (`burnish.loop.reward_file`).

    asking: how judges are asked, where one grades. device: where a learned one computes. Raises InputError with what
    would be known instead.
    """
    folder = Path(name)
    if folder.suffix == ".toml" and not name.startswith(JUDGED):
        return combined_of(folder, partial(_part_of, dtype=dtype, asking=asking, device=device))
    if (folder / "reward_model.json").exists():
        return LearnedRating(RewardModel.load(folder, dtype=dtype, device=device), source=folder.name)
    if (folder / HEADS_FILE).exists():
        return _headed(folder, dtype, device)
    if (folder / boosted.FILE).exists():
        return boosted.load(folder)
    if folder.is_dir():
        raise InputError(
            f"--reward {name}: this folder holds no reward model (neither reward_model.json nor {HEADS_FILE} nor "
            f"{boosted.FILE}). Of a run name a checkpoint: {folder / 'checkpoints' / 'k_...'}."
        )
    if asking and name.startswith(JUDGED):
        return asking.reward(name.removeprefix(JUDGED))
    return rewards.make(name)


def _part_of(name: str, dtype: str, asking: Asking | None, device: str) -> Reward:
    if name.endswith(".toml"):
        raise InputError(f"--reward {name}: a file of parts inside a file of parts. Put its parts into the one above.")
    return reward_of(name, dtype, asking, device)


def _headed(folder: Path, dtype: str, device: str) -> Reward:
    lineage = json.loads((folder / "burnish.json").read_text("utf-8"))
    if lineage.get("kind") != "reward":
        raise InputError(f"--reward {folder}: a policy of {lineage.get('method')}, whose heads are no reward.")
    base = ready.base_of(folder)
    network = headed_in(folder, base, name=str(lineage.get("parent", base.name)), dtype=dtype, device=device)
    network.pay = _pay(lineage)
    return network


def _pay(lineage: Mapping[str, Any]) -> Pay | None:
    """Return how the method that trained a reward pays single tokens, by its settings; None where it does not."""
    name = lineage.get("method", "")
    if name not in methods.names() or not hasattr(module := methods.load(name), "pay"):
        return None
    return partial(module.pay, config=module.Config(**lineage.get("config", {}).get(name, {})))
