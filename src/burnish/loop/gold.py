"""Stage "gold": the judge of the report, learned from signals kept apart, on features the policy does not share.

gold(text) = a * encoder(text) + b * words(text) + c: MiniLM fine-tuned, and ridge regression on TF-IDF; a, b, c fitted
on a tenth of the gold texts that trained neither. It takes no part in training, stopping or choosing.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from burnish import files, progress
from burnish.evaluation.reward_card import pair_accuracy
from burnish.feedback.evidence import Evidence
from burnish.loop import savepoint
from burnish.loop.fit import STATED_ORDER, FitSettings, Item, fit, rows_of
from burnish.loop.recipe import Recipe
from burnish.loop.reward_stage import LOGIT_UNITS, accuracy_on_comparisons, comparable, expand, group_of
from burnish.models.encoder_reward import EncoderReward
from burnish.models.words_reward import WordsReward
from burnish.records import Preference, Score, Signal, share_of
from burnish.training.optimiser import OptimiserConfig

Floats = NDArray[np.float64]
HELD_SHARE = 0.1


class Gold:
    """A text's rating by the gold judge."""

    def __init__(self, encoder: EncoderReward | None, words: WordsReward, blend: Sequence[float]) -> None:
        self.encoder = encoder
        self.words = words
        self.blend = np.asarray(blend, float)

    @classmethod
    def load(cls, folder: Path) -> Gold:
        """Return the judge that `learn` published."""
        described = json.loads((folder / "gold.json").read_text("utf-8"))
        encoder = EncoderReward.load(folder / "encoder") if (folder / "encoder").is_dir() else None
        return cls(encoder, WordsReward.load(folder / "words"), described["blend"])

    def parts(self, texts: Sequence[str]) -> Floats:
        """Return (N, parts + 1): encoder (if any), words, and 1."""
        columns = [self.words.predict(texts), np.ones(len(texts))]
        if self.encoder is not None:
            columns.insert(0, self.encoder.predict(texts).double().numpy())
        return np.stack(columns, axis=1)

    def rate(self, texts: Sequence[str]) -> Floats:
        """Return the predicted rating of each text, (N,)."""
        if not texts:
            return np.zeros(0)
        found: Floats = self.parts(texts) @ self.blend
        return found


def needed(evidence: Evidence, recipe: Recipe) -> int:
    """Return how many gold signals are missing; 0 when there are enough."""
    return max(recipe.gold.least_signals - len(_usable(evidence.gold)), 0)


def _usable(signals: Sequence[Signal]) -> list[Signal]:
    return [s for s in signals if isinstance(s, Preference) or (isinstance(s, Score) and s.value is not None)]


def learn(
    folder: Path,
    encoder_folder: Path | None,
    evidence: Evidence,
    recipe: Recipe,
    *,
    work: Path,
    check_stop: Callable[[bool], None],
) -> None:
    """Train, blend, measure and publish the judge in `folder` with `gold.json`."""
    usable = _usable(evidence.gold)
    shown, held = _parted(usable)
    words = WordsReward.fit(*_as_scores(shown))
    encoder = None
    if encoder_folder is not None:
        encoder = EncoderReward.load(encoder_folder)
        _fit_encoder(encoder, shown, recipe, work, check_stop)
    gold = Gold(encoder, words, [])
    gold.blend = _blend(gold, held)
    described: dict[str, Any] = {
        "how": f"{recipe.gold.encoder} fine-tuned, and TF-IDF ridge" if encoder_folder else "TF-IDF ridge",
        "n_texts": len(usable),
        "blend": gold.blend.tolist(),
        **_accuracy(gold, evidence),
    }
    with files.publish(folder) as temporary:
        words.save(temporary / "words")
        if encoder is not None:
            (temporary / "encoder").mkdir()
            encoder.save(temporary / "encoder")
        (temporary / "gold.json").write_text(json.dumps(described), "utf-8")
    savepoint.clear(work)
    if described["pair_accuracy"] is not None:
        progress.say(f"gold judge: pair accuracy {described['pair_accuracy']:.3f}")


def _parted(signals: Sequence[Signal]) -> tuple[list[Signal], list[Signal]]:
    """Return (what the parts are trained on, a tenth to fit the blend on): nothing stands on both sides.

    Parted by what belongs together (a review's sentences, a prompt's answers), or by text where all belongs together.
    """
    for key_of in (_belongs_to, _texts):
        held = [signal for signal in signals if share_of(key_of(signal), "blend") < HELD_SHARE]
        if 0 < len(held) <= len(signals) / 2:
            shown = [signal for signal in signals if share_of(key_of(signal), "blend") >= HELD_SHARE]
            return shown, held
    return list(signals), []


def _belongs_to(signal: Signal) -> str:
    return str(signal.prompt.metadata.get("group") or (signal.prompt.id if signal.prompt.messages else _texts(signal)))


def _texts(signal: Signal) -> str:
    completions = signal.completions if isinstance(signal, Preference) else (signal.completion,)
    return "\n".join(sorted(completion.text for completion in completions))


def _as_scores(signals: Sequence[Signal]) -> tuple[list[str], list[float], list[float]]:
    """Return texts, values and weights. Two compared texts are their log-odds apart, around 0; a tie puts both at 0."""
    texts: list[str] = []
    values: list[float] = []
    weights: list[float] = []
    for signal in signals:
        if isinstance(signal, Score) and signal.value is not None:
            texts.append(signal.completion.text)
            values.append(signal.value)
            weights.append(signal.weight / ((signal.variance or 0.0) + 0.5))
        elif isinstance(signal, Preference):
            placed = [
                (c.text, rank) for c, rank in zip(signal.completions, signal.ranks, strict=True) if rank is not None
            ]
            for text, rank in placed:
                above = sum(_log_odds(signal, rank, other) for _, other in placed) / max(len(placed) - 1, 1)
                texts.append(text)
                values.append(LOGIT_UNITS * above / 2)
                weights.append(signal.weight)
    return texts, values, weights


def _log_odds(signal: Preference, rank: int, other: int) -> float:
    """Return the log-odds that a completion of this rank is preferred to one of the other rank."""
    if rank == other:
        return 0.0
    chance = signal.probability if signal.is_pair and signal.probability is not None else STATED_ORDER
    chance = min(max(chance, 0.02), 0.98)  # what few people say never is certainty
    return math.log(chance / (1 - chance)) * (1 if rank < other else -1)


def _fit_encoder(
    encoder: EncoderReward, shown: Sequence[Signal], recipe: Recipe, work: Path, check_stop: Callable[[bool], None]
) -> None:
    numbers: dict[str, int] = {}

    def number_of(text: str, prompt: str) -> int:
        return numbers.setdefault(text, len(numbers))

    scores, pairs = rows_of(shown, number_of)
    items = [Item(ids, len(ids)) for ids in map(encoder.encode, numbers)]
    optimiser = OptimiserConfig(recipe.gold.learning_rate, 30, "cosine", 0.01)
    settings = FitSettings(recipe.gold.epochs, 32, optimiser, 1, {"score": 10.0}, recipe.seed)
    what = "learning the gold judge"
    fit(
        encoder,
        items,
        scores,
        pairs,
        settings,
        units_per_logit=LOGIT_UNITS,
        folder=work,
        check_stop=check_stop,
        what=what,
        lower='Set gold.encoder="", to judge by words alone, and take another --out.',
    )


def _blend(gold: Gold, held: Sequence[Signal]) -> Floats:
    """Return the least-squares weights of the parts on signals that trained neither, with equal weights for too few."""
    texts, values, _ = _as_scores(held)
    width = 2 if gold.encoder is None else 3
    if len(texts) < 20:
        return np.array([*[1.0 / (width - 1)] * (width - 1), 0.0])
    found: Floats = np.linalg.lstsq(gold.parts(texts), np.asarray(values), rcond=None)[0]
    return found


def _accuracy(gold: Gold, evidence: Evidence) -> dict[str, Any]:
    """Return pair accuracy on people's test texts, or on their test comparisons; null where there are too few."""
    test = [s for s in evidence.test if isinstance(s, Score) and s.value is not None]
    means, groups = [float(np.mean(expand(s))) for s in test], [group_of(s) for s in test]
    if comparable(means, groups):
        rated = gold.rate([s.completion.text for s in test])
        clusters = [str(s.prompt.metadata.get("group") or s.completion.id) for s in test]
        found = pair_accuracy(rated, means, groups, clusters=clusters)
    else:
        compared = accuracy_on_comparisons(
            lambda texts, _: gold.rate(texts), [s for s in evidence.test if isinstance(s, Preference)]
        )
        if compared is None:
            return {"pair_accuracy": None, "ci95": None}
        found = compared
    return {"pair_accuracy": found.accuracy, "ci95": [found.low, found.high]}
