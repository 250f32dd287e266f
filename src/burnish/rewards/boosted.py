"""People's grades predicted by gradient-boosted trees from features of a text: an ensemble that is fitted in seconds.

A baseline that a reward model has to beat, and a way to bring measured features together (a metric, a lexicon's score,
embeddings handed in): the trees say which of them they used (`importance`). On film and product texts style and a word
list together are worth no more than the word list (benchmarks/rewards.py). K members, each on its own bootstrap sample
of the prompts, give the spread that `members` holds.

Nothing is unpickled, ever: a fitted reward is kept as its data and settings (`save`), and fitted again when it is
loaded, which gives the same trees. Source: histogram gradient boosting, Ke et al. 2017; scikit-learn's
HistGradientBoostingRegressor.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from burnish.errors import InputError
from burnish.records import Completion, Prompt, Score, seed_of
from burnish.rewards.parts.style import FEATURES, style
from burnish.rewards.parts.units import unit_of

Floats = NDArray[np.float64]
Featurise = Callable[[Sequence[Prompt], Sequence[Completion]], ArrayLike]
"""Texts in, features out: shape (N, F)."""

LEAST_TEXTS = 20
FILE = "boosted.json"
"""What a folder with a fitted reward is known by."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How the trees are grown; small, because grades are few."""

    members: int = 5
    iterations: int = 100
    learning_rate: float = 0.08
    leaves: int = 8
    least_in_leaf: int = 10
    l2: float = 1.0
    seed: int = 0


@dataclass(frozen=True)
class Boosted:
    """`Reward` by a fitted ensemble; made by `fit` or `load`."""

    trees: tuple[Any, ...]
    featurise: Featurise
    settings: Settings
    features_NF: Floats
    grades_N: Floats
    groups: tuple[str, ...]
    source: str = "boosted"
    names: tuple[str, ...] = field(default=FEATURES)

    def score(self, prompts: Sequence[Prompt], completions: Sequence[Completion]) -> list[Score]:
        """Return the mean of the members for each completion, with their spread; an empty text is not scored."""
        spoken = [i for i, completion in enumerate(completions) if completion.text.strip()]
        found: dict[int, Floats] = {}
        if spoken:
            features = np.asarray(self.featurise([prompts[i] for i in spoken], [completions[i] for i in spoken]), float)
            members_KN = np.stack([tree.predict(features) for tree in self.trees])
            found = dict(zip(spoken, members_KN.T, strict=True))
        return [self._one(p, c, found.get(i)) for i, (p, c) in enumerate(zip(prompts, completions, strict=True))]

    def _one(self, prompt: Prompt, completion: Completion, members: Floats | None) -> Score:
        if members is None:
            return Score(prompt, completion, None, source=self.source, reason="the completion is empty")
        spread = float(members.var(ddof=1)) if len(members) > 1 else None
        values = tuple(members.tolist())
        return Score(prompt, completion, float(members.mean()), variance=spread, members=values, source=self.source)

    def save(self, folder: Path) -> None:
        """Write data and settings into a folder; `load` with the same `featurise` gives the same reward."""
        folder.mkdir(parents=True, exist_ok=True)
        np.savez(folder / "boosted.npz", features=self.features_NF, grades=self.grades_N)
        described = {
            "settings": asdict(self.settings),
            "groups": self.groups,
            "names": self.names,
            "source": self.source,
        }
        (folder / FILE).write_text(json.dumps(described, ensure_ascii=False, indent=2), "utf-8")


def of_style(prompts: Sequence[Prompt], completions: Sequence[Completion]) -> Floats:
    """Return the features of style alone (`parts.style`), the default."""
    return style([completion.text for completion in completions])


def fit(
    scores: Sequence[Score],
    *,
    featurise: Featurise = of_style,
    names: Sequence[str] = FEATURES,
    settings: Settings | None = None,
    source: str = "boosted",
) -> Boosted:
    """Return a reward fitted to people's grades (`Score.value`; the unscored are passed over).

    Raises InputError for fewer than 20 grades, or features that are not numbers.
    """
    graded = [score for score in scores if score.value is not None]
    if len(graded) < LEAST_TEXTS:
        raise InputError(f"reward boosted: {len(graded)} grades. Give at least {LEAST_TEXTS}.")
    features = np.asarray(featurise([s.prompt for s in graded], [s.completion for s in graded]), dtype=np.float64)
    grades = np.array([score.value for score in graded], dtype=np.float64)
    groups = tuple(unit_of(score.prompt, score.completion) for score in graded)
    return _grown(features, grades, groups, featurise, tuple(names), settings or Settings(), source)


def load(folder: Path, *, featurise: Featurise = of_style) -> Boosted:
    """Return the reward that `save` wrote, grown again from its data. Raises InputError where it is not there."""
    try:
        described = json.loads((folder / FILE).read_text("utf-8"))
        with np.load(folder / "boosted.npz", allow_pickle=False) as arrays:
            features, grades = arrays["features"], arrays["grades"]
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"reward boosted: {folder} holds none ({error}).") from None
    groups, names, settings = tuple(described["groups"]), tuple(described["names"]), Settings(**described["settings"])
    return _grown(features, grades, groups, featurise, names, settings, described["source"])


def _grown(
    features: Floats,
    grades: Floats,
    groups: tuple[str, ...],
    featurise: Featurise,
    names: tuple[str, ...],
    settings: Settings,
    source: str,
) -> Boosted:
    if features.ndim != 2 or len(features) != len(grades) or not np.isfinite(features).all():
        raise InputError(f"reward boosted: features of shape {features.shape} for {len(grades)} texts, all finite.")
    codes = np.unique(groups, return_inverse=True)[1]
    units = int(codes.max()) + 1
    trees = []
    for member in range(settings.members):
        draw = np.random.default_rng(seed_of(settings.seed, "boosted", member))
        counts = np.bincount(draw.integers(units, size=units), minlength=units)
        trees.append(_tree(features, grades, counts[codes].astype(np.float64), settings, member))
    return Boosted(tuple(trees), featurise, settings, features, grades, groups, source, names)


def _tree(features: Floats, grades: Floats, weights: Floats, settings: Settings, member: int) -> Any:
    from sklearn.ensemble import HistGradientBoostingRegressor

    model = HistGradientBoostingRegressor(
        max_iter=settings.iterations,
        learning_rate=settings.learning_rate,
        max_leaf_nodes=settings.leaves,
        min_samples_leaf=settings.least_in_leaf,
        l2_regularization=settings.l2,
        early_stopping=False,  # a held-out part of few grades is mostly luck
        random_state=seed_of(settings.seed, "tree", member) % 2**31,
    )
    return model.fit(features, grades, sample_weight=weights)


def importance(reward: Boosted, *, seed: int = 0) -> dict[str, float]:
    """Return how much the squared error grows when a feature is shuffled among the texts, for each feature.

    In shares of the grades' variance, on the texts the reward was fitted on: what it uses, not what is true.
    Source: permutation importance, Breiman 2001.
    """
    draw = np.random.default_rng(seed)

    def error(features: Floats) -> float:
        predicted = np.mean([tree.predict(features) for tree in reward.trees], axis=0)
        return float(np.mean((predicted - reward.grades_N) ** 2) / reward.grades_N.var())

    whole = error(reward.features_NF)
    found = {}
    for place, name in enumerate(reward.names):
        shuffled = reward.features_NF.copy()
        shuffled[:, place] = draw.permutation(shuffled[:, place])
        found[name] = error(shuffled) - whole
    return dict(sorted(found.items(), key=lambda pair: -pair[1]))
