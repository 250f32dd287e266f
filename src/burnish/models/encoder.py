"""A bidirectional encoder as rewards are trained on it: loaded, tuned and saved as a policy is; it never speaks.

What stands on it are reward heads (`models.headed`). The pooler and the classification head that transformers saves
with it are left where they are: nothing reads them, so nothing would train them.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn

import torch
from transformers import AutoTokenizer, BertModel
from transformers.utils import logging

from burnish.errors import InputError
from burnish.models import devices
from burnish.models.policy import DTYPES, Policy, told
from burnish.records import Prompt, Sampling


def load(folder: Path, *, name: str = "", dtype: str = "float32", device: str = devices.CPU) -> Policy:
    """Return the encoder of a folder that `models.small` made, or that was trained since.

    device: where it computes. Raises InputError for one that cannot be loaded, and for a device that is not there.
    """
    place = devices.named(device)
    with told(folder):
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    model = weights(folder, DTYPES[dtype])
    return Policy(model.requires_grad_(False).to(place), tokenizer, name=name or folder.name, dtype=DTYPES[dtype])


def weights(folder: Path, dtype: torch.dtype) -> Any:
    """Return the layers of an encoder, without pooler and classification head. Raises InputError as `load`."""
    with told(folder), _without_a_report():
        model, found = BertModel.from_pretrained(
            folder, local_files_only=True, use_safetensors=True, dtype=dtype, add_pooling_layer=False,
            output_loading_info=True,
        )  # fmt: skip
    if missing := found["missing_keys"]:  # transformers would go on with random ones
        raise InputError(f"{folder}: {len(missing)} of the encoder's weights are not there ({min(missing)} ...).")
    return model.eval()


@contextlib.contextmanager
def _without_a_report() -> Iterator[None]:
    """Inside, transformers does not tell of every head that it leaves in the file: that is meant."""
    before = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(before)


class Unspoken:
    """A `Sampler` of what never speaks: whoever asks it for a completion is told so."""

    def __init__(self, name: str) -> None:
        self.name = name

    def sample(
        self, prompts: Sequence[Prompt], sampling: Sampling, *, n: int = 1, seed: int = 0, run: str = "", round: int = 0
    ) -> NoReturn:
        """Raise InputError."""
        raise InputError(f"{self.name}: an encoder reads and never speaks. Draw completions from a model that does.")
