"""Which sign of doubt tells where a reward model is wrong?

python benchmarks/doubt.py [RUN_FOLDER]          (of `burnish run reviews`; default: runs/reviews-0)

For the reward model of the run, on people's test texts: rank correlation (Spearman) of each sign of doubt with the
error of the predicted rating. Ensembles are fitted anew, by ridge regression on the states of the trained model's
layers for the texts that the run learned from; every member sees its own bootstrap sample. Prints one line each.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import spearmanr
from torch import Tensor, nn

from burnish.loop import evidence
from burnish.models.reward_model import RewardModel, by_length
from burnish.records import Score
from burnish.tasks import reviews

Floats = NDArray[np.float64]
RIDGE = 300.0
MEMBERS = 5


@torch.no_grad()
def read(network: RewardModel, scores: list[Score], depths: list[int]) -> tuple[Floats, Floats]:
    """Return the last token's state at each depth, (N, D, H), scaled to one length, and the heads' rewards, (N, K)."""
    encoded = [network.encode(score.completion.text, score.prompt.text) for score in scores]
    states: list[Tensor] = [torch.empty(0)] * len(encoded)
    rewards = torch.zeros(len(encoded), network.config.heads)
    layers = [*network.lower, *network.upper]
    for part in by_length(encoded, 64):
        lengths = [len(encoded[i]) for i in part]
        ids = nn.utils.rnn.pad_sequence([torch.tensor(encoded[i]) for i in part], batch_first=True)
        now, found = network.backbone.embed_tokens(ids), []
        for before, depth in zip([0, *depths], depths, strict=False):
            now = network._run(layers[before:depth], now, lengths)
            last = now[torch.arange(len(part)), torch.tensor(lengths) - 1].float()
            found.append(nn.functional.normalize(last, dim=-1) * last.shape[-1] ** 0.5)
        for row, i in enumerate(part):
            states[i] = torch.stack([each[row] for each in found])
        rewards[part] = network.score(network.norm(last))
    return torch.stack(states).double().numpy(), rewards.double().numpy()


def ridge(x: Floats, y: Floats, weight: Floats, strength: float = RIDGE) -> Callable[[Floats], Floats]:
    """Return the weighted ridge regression of y on x."""
    mean, middle = weight @ x / weight.sum(), weight @ y / weight.sum()
    rows = (x - mean) * np.sqrt(weight)[:, None]
    slopes = np.linalg.solve(rows.T @ rows + strength * np.eye(x.shape[1]), rows.T @ ((y - middle) * np.sqrt(weight)))
    return lambda other: (other - mean) @ slopes + middle


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="Which sign of doubt tells where a reward model is wrong?")
    default = Path("runs/reviews-0")
    parser.add_argument("run", type=Path, nargs="?", default=default, help=f"a run folder (default: {default})")
    args = parser.parse_args()
    folder = args.run / "checkpoints" / "reward-0"
    if not folder.exists():
        print(f"nothing to measure: {folder} is not there. First: burnish run reviews")
        return
    network = RewardModel.load(folder, dtype="bfloat16")
    top = network.config.layers
    depths = [top - 9, top - 6, top - 3, top]
    found = reviews.evidence()
    learned = [signal for signal in evidence.read(args.run / "signals" / "fit.jsonl") if isinstance(signal, Score)]
    test = [signal for signal in found.test if isinstance(signal, Score)]
    (x, _), (x_cal, r_cal), (x_test, r_test) = (
        read(network, part, depths) for part in (learned, list(found.calibration), test)
    )
    y, y_cal, y_test = (np.array([score.value for score in part], float) for part in (learned, found.calibration, test))
    fitted = json.loads((folder / "calibration.json").read_text("utf-8"))
    rated, rated_cal = (fitted["slope"] * r + fitted["offset"] for r in (r_test, r_cal))
    draw = np.random.default_rng(0)

    def tell(name: str, doubt: Floats, predicted: Floats) -> None:
        error = np.abs(predicted - y_test)
        print(f"{name:44} correlation {spearmanr(doubt, error)[0]:+.3f}  mean error {error.mean():.3f}", flush=True)

    tell("spread of the run's own heads", rated.std(1, ddof=1), rated.mean(1))
    for name, places in (("top layer", [3] * MEMBERS), ("a depth each", [0, 1, 2, 3])):
        members = np.stack(
            [ridge(x[:, d], y, draw.poisson(1, len(y)).astype(float))(x_test[:, d]) for d in places], axis=1
        )
        tell(f"spread of {len(places)} bootstrap ridges, {name}", members.std(1, ddof=1), members.mean(1))
    size = np.log(np.abs(rated_cal.mean(1) - y_cal) + 0.05)
    expected = ridge(x_cal[:, 3], size, np.ones(len(size)), strength=10 * RIDGE)(x_test[:, 3])
    tell("error predicted from the top layer", expected, rated.mean(1))
    tell("nearness of the prediction to the middle", -np.abs(rated.mean(1)), rated.mean(1))


if __name__ == "__main__":
    main()
