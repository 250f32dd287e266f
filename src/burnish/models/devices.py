"""Where a model's arithmetic is done: this machine's processor, or a CUDA device, by the same code.

What is only looked up with, such as the layout of packed texts, is made on the processor and copied over once a slice
(`models.packing`); a batch joins what the network says of it in the trainer (`training.trainer`); what is kept, such as
a checkpoint, is the same file whatever wrote it.

Apple's GPUs ("mps") are refused: they have no float64, in which tokens are drawn and shares of a loss are counted.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from burnish.errors import InputError

if TYPE_CHECKING:
    import torch

CPU = "cpu"


def check_name(name: str) -> None:
    """Raise InputError for what is no name of a device that burnish runs on; asks no machine."""
    if name.startswith("mps"):
        raise InputError(f"device: {name!r} has no float64, in which burnish draws tokens. Use cpu.")
    if not re.fullmatch(r"cpu|cuda(:\d+)?", name):
        raise InputError(f"device: {name!r} is no device burnish runs on. Use cpu, cuda, or cuda:1 for the second one.")


def named(name: str) -> torch.device:
    """Return torch's device of this name: "cpu", "cuda" (the first one that torch is shown), "cuda:1".

    Raises InputError for another name, and for a device that torch does not find.
    """
    import torch

    check_name(name)
    if name == CPU:
        return torch.device(CPU)
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    number = int(name.partition(":")[2] or 0)
    if number < count:
        return torch.device("cuda", number)
    found = f"finds {'only ' if count else 'no CUDA device, only '}cpu{''.join(f', cuda:{n}' for n in range(count))}"
    remedy = "Use one of these" if count else f"Use {CPU}"
    if not (torch.version.cuda or torch.version.hip):
        remedy += f"; for a GPU install a build of torch with CUDA (this one, {torch.__version__}, has none)"
    else:
        remedy += "; `nvidia-smi` tells whether the driver sees a GPU, and CUDA_VISIBLE_DEVICES which are shown"
    raise InputError(f"device: {name!r} was asked for, and torch {found}. {remedy}.")


def check(name: str) -> None:
    """Raise InputError as `named` does; torch is not even asked for the processor."""
    check_name(name)
    if name != CPU:
        named(name)


@contextlib.contextmanager
def drawn_from(seed: int, device: torch.device) -> Iterator[None]:
    """Inside, torch's own random numbers follow from the seed, the device's too; afterwards all is as it was."""
    import torch

    some = [] if device.type == CPU else [device]
    with torch.random.fork_rng(devices=some, device_type="cuda" if device.type == CPU else device.type):
        torch.manual_seed(seed)
        yield
