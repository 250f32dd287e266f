"""A reward or a judge by the name a person gives it: a checkpoint of ours, one of `burnish.rewards`, a model."""

from __future__ import annotations

import json
from pathlib import Path

from burnish import rewards
from burnish.errors import InputError
from burnish.judges.asking.asker import Asker
from burnish.judges.asking.backends import sampler_of
from burnish.judges.asking.remembered import Remembered
from burnish.judges.comparison import Comparison
from burnish.loop import ready
from burnish.loop.headed_folder import headed_in
from burnish.models.headed import HEADS_FILE
from burnish.models.reward_model import RewardModel
from burnish.records import Judge, Reward
from burnish.rewards.judged import mask_of
from burnish.rewards.learned import LearnedRating
from burnish.store.judge_cache import JudgeCache


def reward_of(name: str, dtype: str) -> Reward:
    """Return the reward of a folder (what `burnish run` or `burnish train reward` saved), or of a name such as `chrf`.

    Raises InputError with what would be known instead.
    """
    folder = Path(name)
    if (folder / "reward_model.json").exists():
        return LearnedRating(RewardModel.load(folder, dtype=dtype), source=folder.name)
    if (folder / HEADS_FILE).exists():
        return _headed(folder, dtype)
    if folder.is_dir():
        raise InputError(
            f"--reward {name}: this folder holds no reward model (neither reward_model.json nor {HEADS_FILE})."
        )
    return rewards.make(name)


def judge_of(model: str) -> Judge:
    """Return a judge that compares two completions in both orders, by a model's name, folder or openai:URL#MODEL."""
    return Comparison(Asker(Remembered(sampler_of(model), JudgeCache()), mask=mask_of(model)))


def _headed(folder: Path, dtype: str) -> Reward:
    lineage = json.loads((folder / "burnish.json").read_text("utf-8"))
    if lineage.get("kind") != "reward":
        raise InputError(f"--reward {folder}: a policy of {lineage.get('method')}, whose heads are no reward.")
    base = ready.base_of(folder)
    return headed_in(folder, base, name=str(lineage.get("parent", base.name)), dtype=dtype)
