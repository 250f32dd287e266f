"""A sampler that says what it is told to: for tests, demonstrations and rehearsals without a model or a network."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from burnish.errors import UnreachableError
from burnish.models.answering import Attempt, Choice, Failure, Schema
from burnish.records import Completion, FinishReason, Prompt, Sampling, seed_of

Script = Callable[[Prompt, int], "str | Failure"]
"""(prompt, the completion's own seed) -> what is said."""


@dataclass
class Scripted:
    """`Sampler` whose words come from a function; `asked` keeps every prompt it was shown."""

    say: Script
    prefer: Callable[[Prompt, Sequence[str]], Mapping[str, float] | Failure] | None = None
    """Log-probability of each option; None means that this sampler offers none."""
    name: str = "scripted"
    asked: list[Prompt] = field(default_factory=list)

    @property
    def tells_logprobs(self) -> bool:
        return self.prefer is not None

    def sample(
        self, prompts: Sequence[Prompt], sampling: Sampling, *, n: int = 1, seed: int = 0, run: str = "", round: int = 0
    ) -> list[list[Completion]]:
        """Return n completions for each prompt; raises `UnreachableError` where the script fails."""
        groups = self.attempt(prompts, sampling, n=n, seed=seed)
        for failure in (each for group in groups for each in group if isinstance(each, Failure)):
            raise UnreachableError(f"{self.name}: {failure}. Mend the script.")
        return [[each for each in group if isinstance(each, Completion)] for group in groups]

    def attempt(
        self, prompts: Sequence[Prompt], sampling: Sampling, *, n: int = 1, seed: int = 0, schema: Schema = None
    ) -> list[list[Attempt]]:
        """Return n completions or failures for each prompt, in order."""
        self.asked.extend(prompts)
        return [[self._one(prompt, sampling, seed, index) for index in range(n)] for prompt in prompts]

    def choose(self, prompts: Sequence[Prompt], options: Sequence[str]) -> list[Choice]:
        """Return what the script prefers; a failure where it has no preferences."""
        self.asked.extend(prompts)
        if self.prefer is None:
            return [Failure("no log-probs", f"{self.name} offers none")] * len(prompts)
        return [self.prefer(prompt, options) for prompt in prompts]

    def _one(self, prompt: Prompt, sampling: Sampling, seed: int, index: int) -> Attempt:
        said = self.say(prompt, seed_of(seed, prompt.id, index))
        if isinstance(said, Failure):
            return said
        return Completion(
            prompt.id, said, model=self.name, sampling=sampling, finish_reason=FinishReason.STOP, index=index
        )
