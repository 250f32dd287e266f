"""Answers from a model, for whoever talks with one: the studio's playground, live samples of a study, the gateway.

One model is in memory at a time and answers one request at a time: on a few cores two at once would each take twice
as long. Those who wait do so in turn, a bounded number of them. A checkpoint and the untouched model under it share
one copy of the weights, so that the two can be put side by side at no cost.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

from burnish import corpora, memory, progress
from burnish.errors import BusyError, InputError
from burnish.loop.speakers import Speaker
from burnish.models import devices
from burnish.models.answering import Weights
from burnish.records import Completion, Prompt, Sampler, Sampling

if TYPE_CHECKING:
    from burnish.models.headed import HeadedPolicy
    from burnish.models.sampler import EngineSampler

AT_ONCE = 8
"""Prompts drawn from between two turns: whoever talks with the model is not kept waiting by a study's samples."""


class Answering(Protocol):
    """What the studio needs of a room full of models; `Answers` is ours, tests bring a script."""

    def speak(
        self, who: Speaker, prompt: Prompt, sampling: Sampling, *, seed: int = 0, run: str = "", index: int = 0
    ) -> Iterator[str | Completion]:
        """Yield one completion's text piece by piece, then the completion."""
        ...

    def sample(
        self,
        who: Speaker,
        prompts: Sequence[Prompt],
        sampling: Sampling,
        *,
        n: int = 1,
        seed: int = 0,
        run: str = "",
        stopped: Callable[[], bool] | None = None,
    ) -> list[list[Completion]]:
        """Return n completions for each prompt. Raises StoppedOnRequest soon after `stopped` says yes."""
        ...


class Answers:
    """Speaks for any `Speaker`; may be shared by threads."""

    def __init__(
        self,
        *,
        dtype: Literal["auto", "float32", "bfloat16"] = "auto",
        weights: Weights = "as-is",
        device: str = devices.CPU,
        most_waiting: int = 8,
        rest_after: float = 600,
    ) -> None:
        """weights: what `speak` decodes with; "int8" is for one completion at a time, in bfloat16, so `sample`, which
        draws many, never does, and a model that cannot says so once and speaks as it is. device: where models compute
        (`burnish.models.devices`). most_waiting: requests that may wait for the one that is answered. rest_after:
        seconds after which a model that nobody talks with leaves the memory; a run may need it."""
        if weights == "int8" and dtype == "float32":
            raise InputError("weights: int8 takes the place of bfloat16, but dtype is float32. Leave one of them out.")
        self.dtype = "bfloat16" if weights == "int8" else dtype
        self.weights = weights
        self.device = device
        self.most_waiting = most_waiting
        self.rest_after = rest_after
        self._turn = threading.Semaphore(1)  # not a Lock: a stream may be closed by another thread than began it
        self._counting = threading.Lock()
        self._inside = 0
        self._loaded: tuple[str, str, HeadedPolicy] | None = None
        """Base, folder of the checkpoint on it, and the model with the heads that the checkpoint brought."""
        self._resting: threading.Timer | None = None
        self._said = set[str]()

    def speak(
        self, who: Speaker, prompt: Prompt, sampling: Sampling, *, seed: int = 0, run: str = "", index: int = 0
    ) -> Iterator[str | Completion]:
        """Yield one completion's text piece by piece, then the completion; closing the iterator ends the decoding.

        Raises BusyError when too many wait already, InputError for a model that cannot be loaded or does not fit.
        """
        with self._our_turn(), _fitting(who):
            if who.is_remote:
                (completion,) = _asked_elsewhere(who, [prompt], sampling, seed=seed, run=run)[0]
                yield from (completion.text, completion)
                return
            yield from self._sampler(who, weights=self.weights).speak(prompt, sampling, seed=seed, run=run, index=index)

    def sample(
        self,
        who: Speaker,
        prompts: Sequence[Prompt],
        sampling: Sampling,
        *,
        n: int = 1,
        seed: int = 0,
        run: str = "",
        stopped: Callable[[], bool] | None = None,
    ) -> list[list[Completion]]:
        """Return n completions for each prompt, in one turn; raises as `speak` does, and StoppedOnRequest soon after
        `stopped` says yes: it is asked after every token, but not while a model is loaded or another host asked."""
        with self._our_turn(), _fitting(who):
            if who.is_remote:
                return _asked_elsewhere(who, prompts, sampling, n=n, seed=seed, run=run)
            return self._sampler(who, stopped).sample(prompts, sampling, n=n, seed=seed, run=run)

    @property
    def loaded(self) -> str:
        """Folder or name of the model in memory; empty when there is none."""
        return (self._loaded[1] or self._loaded[0]) if self._loaded else ""

    def rest(self) -> None:
        """Let go of the model, unless it is speaking."""
        if self._turn.acquire(blocking=False):
            try:
                self._loaded = None
                memory.give_back()
            finally:
                self._turn.release()

    # --------------------------------------------------------------------------------------------------- one at a time

    @contextlib.contextmanager
    def _our_turn(self) -> Iterator[None]:
        with self._counting:
            if self._inside > self.most_waiting:
                raise BusyError(f"model: {self.most_waiting} requests wait for it already. Try again in a minute.")
            self._inside += 1
        try:
            with self._turn:
                yield
                self._rest_later()
        finally:
            with self._counting:
                self._inside -= 1

    def _rest_later(self) -> None:
        if self._resting is not None:
            self._resting.cancel()
        self._resting = threading.Timer(self.rest_after, self.rest)
        self._resting.daemon = True
        self._resting.start()

    def _sampler(
        self, who: Speaker, stopped: Callable[[], bool] | None = None, *, weights: Weights = "as-is"
    ) -> EngineSampler:
        """Return what speaks for the model: a checkpoint as it was trained to, the untouched model by its logits."""
        from burnish.loop.speaking import reading
        from burnish.models.decoder.quantised import QuantisedProducts
        from burnish.models.sampler import EngineSampler

        network = self._network(who)
        policy = network.policy
        if weights == "int8" and (why := QuantisedProducts.why_not(policy.decoder)):
            self._say_once(f"model: {policy.name} speaks without int8 weights: {why}")
            weights = "as-is"
        if not who.checkpoint:
            return EngineSampler(policy, adapter=False, stopped=stopped, weights=weights)
        return EngineSampler(policy, checkpoint_id=who.name, stopped=stopped, read=reading(network), weights=weights)

    def _say_once(self, sentence: str) -> None:
        if sentence not in self._said:
            self._said.add(sentence)
            progress.say(sentence)

    def _network(self, who: Speaker) -> HeadedPolicy:
        """Return the model in memory, loaded when it is another one's turn."""
        if self._loaded and self._loaded[0] == who.base and who.checkpoint in ("", self._loaded[1]):
            return self._loaded[2]
        self._loaded = None  # before the next one is loaded: there is room for one
        memory.give_back()
        self._loaded = who.base, who.checkpoint, _load(who, self.dtype, self.device)
        return self._loaded[2]


@contextlib.contextmanager
def _fitting(who: Speaker) -> Iterator[None]:
    """Turn what says that memory ran out into what can be done about it."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and "memory" not in str(error).lower():
            raise
        raise InputError(
            f"model: {who.name!r} does not fit into the memory that is free now. Stop other programs, ask for fewer "
            "completions of a prompt, or use a smaller model."
        ) from error


def _load(who: Speaker, dtype: str, device: str) -> HeadedPolicy:
    from burnish.loop.headed_folder import headed_in

    folder = Path(who.checkpoint) if who.checkpoint else None
    return headed_in(folder, corpora.resolve(who.base), name=who.model, dtype=_fitted(dtype), device=device)


def _fitted(dtype: str) -> str:
    """Return the number format, the faster one on this machine where it is left open."""
    if dtype != "auto":
        return dtype
    from burnish.machine import kept
    from burnish.machine.fit import fit_dtype

    return str(fit_dtype(kept.current(corpora.folder())).value)


def _asked_elsewhere(
    who: Speaker, prompts: Sequence[Prompt], sampling: Sampling, *, n: int = 1, seed: int, run: str
) -> list[list[Completion]]:
    """Return completions of a model at another address, marked as this run's. What leaves this machine is masked."""
    from burnish.loop.masked import Masked
    from burnish.models.endpoint import Endpoint
    from burnish.rewards.judged import mask_of

    masker = mask_of(who.base)
    with contextlib.closing(Endpoint(who.base)) as endpoint:
        asked: Sampler = Masked(endpoint, masker) if masker else endpoint
        groups = asked.sample(prompts, sampling, n=n, seed=seed)
    return [[replace(each, run=run) for each in group] for group in groups]


# ------------------------------------------------------------------------------------------------------- live samples


def live_items(
    answers: Answering,
    models: Sequence[Speaker],
    prompts: Sequence[Prompt],
    sampling: Sampling,
    *,
    n: int = 2,
    seed: int = 0,
    run: str = "",
    stopped: Callable[[], bool] | None = None,
) -> Iterator[tuple[Prompt, tuple[Completion, ...]]]:
    """Yield items for people to judge: n completions of one model, or one of each of several models side by side.

    Texts that are empty or read the same are left out, since nobody can tell them apart; a prompt that keeps fewer
    than it needs (two to compare, else one) yields nothing. Drawn a few prompts at a time, as the items are asked for.
    Raises StoppedOnRequest soon after `stopped` says yes.
    """
    if not models:
        raise InputError("models: none is named. Name one to be sampled, or several to put side by side.")
    each = n if len(models) == 1 else 1
    needed = min(2, each * len(models))
    rest = iter(prompts)
    while some := list(islice(rest, AT_ONCE)):
        drawn = [answers.sample(who, some, sampling, n=each, seed=seed, run=run, stopped=stopped) for who in models]
        for place, prompt in enumerate(some):
            told = {c.text.strip(): c for groups in drawn for c in groups[place] if c.text.strip()}
            if len(told) >= needed:
                yield prompt, tuple(told.values())
