"""allRank 1.4.3: ListMLE, loaded as a file; the package itself asks for a vision library and a cloud's client."""

from __future__ import annotations

import importlib
import importlib.util
from pathlib import Path

from protocol import Window, answer, module
from torch import Tensor

FOUND = importlib.util.find_spec("allrank")
assert FOUND is not None
assert FOUND.submodule_search_locations is not None
PACKAGE = Path(FOUND.submodule_search_locations[0])
module("allrank.data", __path__=[])
module("allrank.data.dataset_loading", PADDED_Y_VALUE=-1)
module("allrank.models", __path__=[])
module("allrank.models.losses", __path__=[str(PACKAGE / "models" / "losses")], DEFAULT_EPS=0.0)
LIST_MLE = importlib.import_module("allrank.models.losses.listMLE").listMLE


def ranked(window: Window) -> list[Tensor]:
    """Its grades grow with merit, our ranks fall with it; what it adds to a logarithm's inside (1e-10) is left out."""
    leaf = window.rewards_B.clone().requires_grad_(True)
    return window.told(LIST_MLE(leaf.reshape(2, -1), 3 - window.ranks_B.reshape(2, -1), eps=0.0), leaf)


QUESTIONS = {"ranking reward": ranked}

if __name__ == "__main__":
    answer(QUESTIONS, "allrank", "1.4.3")
