"""What a text looks like apart from what it says, as numbers: what a reward should not be paid for, or a feature."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from burnish.maths.overlap import tokens

Floats = NDArray[np.float64]

FEATURES = ("log words", "headers", "list items", "bold", "code", "exclamations", "questions", "capitals", "repetition")
"""Log of 1 + words; log of 1 + counts; shares of letters and of tokens for the last two."""
LENGTH = ("log words",)

_HEADER = re.compile(r"^#{1,6}\s", re.MULTILINE)
_ITEM = re.compile(r"^\s*(?:[-*•]|\d+[.)、])\s", re.MULTILINE)
_BOLD = re.compile(r"\*\*[^*\n]+\*\*|__[^_\n]+__")
_CODE = re.compile(r"`[^`\n]+`|^```", re.MULTILINE)


def style(texts: Sequence[str], names: Sequence[str] = FEATURES) -> Floats:
    """Return the named features of each text, shape (N, F)."""
    columns = [FEATURES.index(name) for name in names]
    return np.array([_features(text) for text in texts], dtype=np.float64).reshape(-1, len(FEATURES))[:, columns]


def _features(text: str) -> list[float]:
    words = [token.text for token in tokens(text)]
    counts = [
        len(words),
        len(_HEADER.findall(text)),
        len(_ITEM.findall(text)),
        len(_BOLD.findall(text)),
        len(_CODE.findall(text)),
        len(re.findall("[!\uff01]", text)),
        len(re.findall("[?\uff1f]", text)),
    ]
    letters = sum(map(str.isalpha, text))
    capitals = sum(map(str.isupper, text)) / letters if letters else 0.0
    repeated = 1 - len(set(words)) / len(words) if words else 0.0
    return [float(np.log1p(count)) for count in counts] + [capitals, repeated]
