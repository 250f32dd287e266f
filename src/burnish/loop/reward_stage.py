"""Stage "reward": evidence -> a trained, calibrated reward model with its card."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from burnish import files, progress
from burnish.evaluation import baselines
from burnish.evaluation.reward_card import (
    PairAccuracy,
    RewardCard,
    agreed_share,
    draw_pairs,
    fit_temperature,
    pair_accuracy,
    reward_card,
)
from burnish.feedback.evidence import Evidence
from burnish.feedback.pairs import preferences_from_scores
from burnish.loop import savepoint
from burnish.loop.fit import FitSettings, Item, fit, rows_of
from burnish.loop.recipe import Recipe
from burnish.maths.intervals import bootstrap_mean
from burnish.maths.stated_variance import fit_stated_variance
from burnish.models.reward_model import RewardModel, RewardModelConfig
from burnish.plain import to_plain
from burnish.records import Checkpoint, Preference, Score, Signal, share_of
from burnish.training.optimiser import OptimiserConfig

Floats = NDArray[np.float64]
PAIRS_AGREED = 20_000
CALIBRATION_TEXTS = 500  # five numbers are fitted on them
OTHER_TEXTS = 1_500  # of each other domain, drawn by hash: their interval is a point wide either way
ENOUGH = 20  # texts or pairs, below which nothing is fitted to them nor measured on them
LOGIT_UNITS = 1.5  # rating units to a logit before calibration: what ratings with a spread of 1.9 call for


@dataclass(frozen=True)
class Calibration:
    """rating = slope * reward + offset; P(a above b) = sigmoid(scale * (rating_a - rating_b));
    variance of a rating = floor + factor * variance of the heads' ratings (`maths/stated_variance.py`)."""

    slope: float = 1.0
    offset: float = 0.0
    scale: float = 1.0
    floor: float = 0.0
    factor: float = 1.0

    def variance(self, spread_N: Floats) -> Floats:
        """Return the variance of ratings whose heads have this standard deviation, rating units."""
        found: Floats = self.floor + self.factor * np.square(spread_N)
        return found


def learn(
    folder: Path,
    model_folder: Path,
    evidence: Evidence,
    recipe: Recipe,
    *,
    lineage: Checkpoint,
    work: Path,
    check_stop: Callable[[bool], None],
) -> Checkpoint:
    """Train, calibrate, measure and publish the reward model in `folder`, with `calibration.json` and `card.json`."""
    settings = recipe.reward
    torch.manual_seed(recipe.seed)
    backbone = json.loads((model_folder / "config.json").read_text("utf-8"))
    shape = _shape(recipe, int(backbone["num_hidden_layers"]))
    network = RewardModel.fresh(model_folder, shape, dtype=recipe.dtype, seed=recipe.seed, device=recipe.device)
    chosen = [*evidence.fit, *_drawn_pairs(evidence.fit, settings.pairs, recipe.seed)]
    items, number_of = _items(network, chosen, check_stop)
    scores, pairs = rows_of(chosen, number_of)
    optimiser = OptimiserConfig(
        learning_rate=settings.learning_rate, warmup_steps=10, schedule="cosine", weight_decay=0.01
    )
    fitting = FitSettings(
        settings.epochs, settings.batch, optimiser, shape.heads, {"score": settings.head_rate, "norm": 0.5}, recipe.seed
    )
    fit(
        network,
        items,
        scores,
        pairs,
        fitting,
        units_per_logit=LOGIT_UNITS,
        folder=work,
        check_stop=check_stop,
        what="learning the reward",
        lower="Set reward.batch lower, and take another --out.",
    )
    with files.publish(folder) as temporary:
        network.save(temporary)
        del network, items
        # what is measured is what will be used
        network = RewardModel.load(temporary, dtype=recipe.dtype, device=recipe.device)
        calibration = _calibrate(network, evidence.calibration[:CALIBRATION_TEXTS])
        card = _card(network, calibration, evidence, chosen, recipe.seed)
        name = f"k_{files.sha256_of(temporary / 'model.safetensors')[:20]}"
        lineage = replace(lineage, id=name, path=f"checkpoints/{folder.name}")
        (temporary / "burnish.json").write_text(json.dumps(to_plain(lineage), indent=1), "utf-8")
        (temporary / "calibration.json").write_text(json.dumps(asdict(calibration)), "utf-8")
        (temporary / "card.json").write_text(json.dumps(to_plain(card) if card else None), "utf-8")
    savepoint.clear(work)
    return lineage


def _shape(recipe: Recipe, there: int) -> RewardModelConfig:
    """Return what the reward model is made of; on a shallower model the frozen share of its layers stays the same."""
    asked = asdict(recipe.reward_model)
    if there >= recipe.reward_model.layers:
        return RewardModelConfig(**asked)
    frozen = recipe.reward_model.frozen * there // recipe.reward_model.layers
    progress.say(f"the model has {there} layers: the reward model uses all of them, {frozen} as they are")
    return RewardModelConfig(**{**asked, "layers": there, "frozen": frozen})


def _drawn_pairs(signals: Sequence[Signal], per_text: float, seed: int) -> list[Signal]:
    scored = [signal for signal in signals if isinstance(signal, Score) and signal.value is not None]
    n = int(per_text * len(scored))
    return list(preferences_from_scores(scored, n_pairs=n, within=_asked_of, seed=seed)) if n else []


def _asked_of(score: Score) -> str:
    """Return what two texts must share to be paired: the set they stand in, or the prompt they answer."""
    return str(score.prompt.metadata.get("set") or score.prompt.id)


def group_of(score: Score) -> str:
    """Return the set of texts a score is compared within; all that a user brought are one set."""
    return str(score.prompt.metadata.get("set") or score.prompt.source)


def comparable(means: Sequence[float], groups: Sequence[str]) -> bool:
    """Return whether enough texts of one group differ in mean rating for pairs of them to say anything."""
    return len(means) >= ENOUGH and any(
        len({mean for mean, of in zip(means, groups, strict=True) if of == group}) > 1 for group in set(groups)
    )


def _items(
    network: RewardModel, signals: Sequence[Signal], check_stop: Callable[[bool], None]
) -> tuple[list[Item], Callable[[str, str], int]]:
    """Return each distinct text's activations once, and the function that numbers them."""
    numbers: dict[tuple[str, str], int] = {}

    def number_of(text: str, prompt: str) -> int:
        return numbers.setdefault((text, prompt), len(numbers))

    rows_of(signals, number_of)
    encoded = [network.encode(text, prompt) for text, prompt in numbers]
    with progress.bar(len(encoded), "computing the frozen layers once", "texts") as bar:

        def advance(count: int) -> None:
            bar.advance(count)
            check_stop(False)

        states = network.activations(encoded, advance)
    return [Item(state, len(state)) for state in states], number_of


def _calibrate(network: RewardModel, scores: Sequence[Score]) -> Calibration:
    """Fit slope and offset to people's ratings, and the scale of pair probabilities, on texts that trained nothing."""
    usable = [score for score in scores if score.value is not None]
    groups = [group_of(score) for score in usable]
    if not comparable([float(score.value or 0.0) for score in usable], groups):
        return Calibration()
    with progress.bar(len(usable), "calibrating", "texts") as bar:
        rewards = network.predict([s.completion.text for s in usable], [s.prompt.text for s in usable], bar.advance)
    predicted = rewards.mean(1).double().numpy()
    means = np.array([score.value for score in usable], float)
    if predicted.std() < 1e-6:
        return Calibration(offset=float(means.mean()))
    slope, offset = np.polyfit(predicted, means, 1)
    ratings = [expand(score) for score in usable]
    pairs = draw_pairs(means, groups, PAIRS_AGREED, 0)
    rated = slope * predicted + offset
    scale = fit_temperature(rated[pairs[:, 0]] - rated[pairs[:, 1]], agreed_share(ratings, pairs))
    spread = slope * rewards.double().numpy().std(1, ddof=1) if rewards.shape[1] > 1 else np.zeros(len(usable))
    floor, factor = fit_stated_variance(rated - means, spread, [score.variance or 0.0 for score in usable])
    return Calibration(float(slope), float(offset), scale, floor, factor)


def expand(score: Score) -> list[float]:
    """Return everybody's ratings of a text, one by one."""
    return [rating for rating, count in score.counts for _ in range(count)] or [float(score.value or 0.0)]


def _card(
    network: RewardModel, calibration: Calibration, evidence: Evidence, learned: Sequence[Signal], seed: int
) -> RewardCard | None:
    test = [signal for signal in evidence.test if isinstance(signal, Score) and signal.value is not None]
    if not comparable([float(np.mean(expand(score))) for score in test], [group_of(score) for score in test]):
        return _card_of_pairs(network, [signal for signal in evidence.test if isinstance(signal, Preference)], seed)
    rewards = predict(network, test, "measuring the reward model") * calibration.slope + calibration.offset
    means = [float(np.mean(expand(score))) for score in test]
    known = [signal for signal in learned if isinstance(signal, Score) and signal.counts]
    spread = rewards.std(1, ddof=1) if rewards.shape[1] > 1 else np.zeros(len(test))
    card = reward_card(
        rewards.mean(1),
        [score.completion.text for score in test],
        [expand(score) for score in test],
        [group_of(score) for score in test],
        scale=calibration.scale,
        spread=spread,
        variance=calibration.variance(spread) + [score.variance or 0.0 for score in test],
        clusters=[str(score.prompt.metadata.get("group") or score.completion.id) for score in test],
        baselines=_baselines(known, test, seed),
        n_pairs=PAIRS_AGREED,
        seed=seed,
    )
    others = {}
    for name, given in evidence.other_domains.items():
        scores = sorted(given, key=lambda score: share_of(score.completion.text, "other domains"))[:OTHER_TEXTS]
        rated = predict(network, scores, f"measuring on {name}").mean(1)
        people = [float(np.mean(expand(score))) for score in scores]
        others[name] = pair_accuracy(rated, people, [name] * len(people), seed=seed)
    progress.say(
        f"reward model: pair accuracy {card.accuracy.accuracy:.3f} on {len(means)} unseen texts"
    ) if card.accuracy else None
    return replace(card, other_domains=others)


def _card_of_pairs(network: RewardModel, test: Sequence[Preference], seed: int) -> RewardCard | None:
    """Return the card where people only compared."""
    found = accuracy_on_comparisons(lambda texts, asked: network.predict(texts, asked).mean(1).numpy(), test, seed)
    if found is None:
        return None
    progress.say(f"reward model: pair accuracy {found.accuracy:.3f} on {found.n_pairs} unseen comparisons")
    return RewardCard(accuracy=found)


def accuracy_on_comparisons(
    rate: Callable[[list[str], list[str]], NDArray[Any]], test: Sequence[Preference], seed: int = 0
) -> PairAccuracy | None:
    """Return how often `rate(texts, prompts)` puts the one people chose above the other, its interval by prompt.

    None when there are too few comparisons without a tie, or all are of one prompt.
    """
    pairs = [pair for pair in test if pair.is_pair and pair.ranks[0] != pair.ranks[1]]
    if len(pairs) < ENOUGH or len({pair.prompt.id for pair in pairs}) < 2:
        return None
    texts = [c.text for pair in pairs for c in (pair.chosen, pair.rejected)]
    rated = rate(texts, [pair.prompt.text for pair in pairs for _ in range(2)])
    right = (np.sign(rated[0::2] - rated[1::2]) + 1) / 2
    found = bootstrap_mean(right, [pair.prompt.id for pair in pairs], seed=seed)
    return PairAccuracy(found.mean, found.low, found.high, len(pairs), len(set(texts)))


def predict(network: RewardModel, scores: Sequence[Score], what: str) -> Floats:
    """Return the K rewards of each score's text, (N, K)."""
    with progress.bar(len(scores), what, "texts") as bar:
        rewards = network.predict([s.completion.text for s in scores], [s.prompt.text for s in scores], bar.advance)
    found: Floats = rewards.double().numpy()
    return found


def _baselines(known: Sequence[Score], test: Sequence[Score], seed: int) -> dict[str, Any]:
    """Return baselines' predictions of the test texts, learned from the same texts as the model."""
    texts = [score.completion.text for score in test]
    found: dict[str, Any] = {"number of words": [float(len(text.split())) for text in texts]}
    if any(score.prompt.source.startswith("ratings:") for score in test):
        from burnish.corpora import ratings

        words = ratings.lexicon()
        found["lexicon"] = baselines.lexicon(lambda text: ratings.lexicon_score(text, words), texts)
    if len(known) >= 50:
        found["TF-IDF Bradley-Terry"] = baselines.tfidf_from_ratings(
            [score.completion.text for score in known],
            [expand(score) for score in known],
            [group_of(score) for score in known],
            texts,
            seed=seed,
        )
    return found
