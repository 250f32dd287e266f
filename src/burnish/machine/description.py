"""What is known of a machine, as records that can be written down as JSON and read again."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from burnish.errors import InputError

QUIET_CORES = 0.25
"""What others may take of the cores before the machine counts as busy."""


@dataclass(frozen=True)
class System:
    """What the operating system says; it changes only when the machine, or this process's share of it, does."""

    name: str
    """Operating system and architecture: "Linux x86_64"."""
    processor: str = ""
    """The processor's own name; empty when the system does not tell."""
    flags: tuple[str, ...] = ()
    """Instructions that make matrix products fast, of those in `system.FLAGS`."""
    logical_cores: int = 1
    """Cores of the whole machine, threads of one core counted apart."""
    physical_cores: int | None = None
    """Cores that this process may use, threads of one core counted once."""
    usable_cores: int = 1
    """Logical cores that this process may use (its affinity)."""
    quota_cores: float | None = None
    """Cores' worth of time that a control group grants; None: no limit known."""
    memory_bytes: int | None = None
    """Memory of the machine, or of the control group when that grants less."""
    torch: str = ""
    """Version of torch; empty: not installed, so nothing could be measured."""

    @property
    def most_threads(self) -> int:
        """Threads that can run at once: the usable cores, or the whole cores that the quota grants, at least 1."""
        quota = self.usable_cores if self.quota_cores is None else int(self.quota_cores)
        return max(1, min(self.usable_cores, quota))

    @property
    def key(self) -> str:
        """Hash of all but the memory: a measurement holds for machines with the same key."""
        plain = dataclasses.asdict(dataclasses.replace(self, memory_bytes=None))
        return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Rate:
    """How fast square matrices are multiplied."""

    dtype: str
    """float32 or bfloat16."""
    threads: int
    size: int
    """Rows of the matrices."""
    gflops: float
    """10⁹ operations a second, of the median of several products."""


@dataclass(frozen=True)
class Gpu:
    """A graphics processor that torch can use."""

    kind: str
    """cuda or mps."""
    name: str
    memory_bytes: int | None = None


@dataclass(frozen=True)
class Speed:
    """What was measured, and when."""

    products: tuple[Rate, ...] = ()
    """For each dtype and number of threads."""
    copy_gb_s: float | None = None
    """10⁹ bytes read and written a second, copying within memory, with all threads."""
    gpu: Gpu | None = None
    measured_at: str = ""
    """RFC 3339, UTC."""

    def gflops(self, dtype: str, threads: int) -> float | None:
        """Return the rate of a dtype with so many threads; None when it was not measured."""
        return next((r.gflops for r in self.products if (r.dtype, r.threads) == (dtype, threads)), None)


@dataclass(frozen=True)
class Small:
    """How long small products take: the kind that one step of sampling is made of, in float32."""

    threads: int
    microseconds: float
    """Mean of many, so that the few that waited for another process count in full."""


@dataclass(frozen=True)
class Load:
    """How busy the machine is at this moment; measured anew for every run."""

    busy_cores: float | None = None
    """Cores' worth of time that other processes took of those that this one may use."""
    busiest: str = ""
    """The one that took most: "python (pid 123)"; empty when none took much or it cannot be seen."""
    small: tuple[Small, ...] = ()
    free_bytes: int | None = None
    """Memory that can be taken without swapping."""

    @property
    def is_quiet(self) -> bool:
        """Whether other processes leave the cores alone, as far as one can tell."""
        return self.busy_cores is None or self.busy_cores < QUIET_CORES

    def gain(self, threads: int) -> float | None:
        """Return how many times as fast small products are with so many threads as with one; None: not measured."""
        taken = {each.threads: each.microseconds for each in self.small}
        if 1 not in taken or threads not in taken:
            return None
        return taken[1] / taken[threads]


@dataclass(frozen=True)
class Machine:
    """All that is known of a machine."""

    system: System
    speed: Speed = Speed()
    load: Load = Load()

    def to_json(self) -> str:
        """Return it as JSON; `from_json` of that is equal."""
        return json.dumps(dataclasses.asdict(self), indent=1)

    @classmethod
    def from_json(cls, text: str) -> Machine:
        """Return what `to_json` wrote. Raises InputError for anything else."""
        try:
            plain = json.loads(text)
            return cls(_system(plain["system"]), _speed(plain["speed"]), _load(plain["load"]))
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise InputError(f"machine: not a description of a machine ({error}). Run `burnish doctor`.") from None


def _system(plain: Mapping[str, Any]) -> System:
    return System(**{**plain, "flags": tuple(plain["flags"])})


def _speed(plain: Mapping[str, Any]) -> Speed:
    gpu = None if plain["gpu"] is None else Gpu(**plain["gpu"])
    return Speed(**{**plain, "products": tuple(Rate(**each) for each in plain["products"]), "gpu": gpu})


def _load(plain: Mapping[str, Any]) -> Load:
    return Load(**{**plain, "small": tuple(Small(**each) for each in plain["small"])})
