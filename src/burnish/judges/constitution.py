"""Principles in words: which of two completions keeps them better, and a completion criticised and revised by them.

Comparing: each principle is a question of its own, asked in both orders; the probabilities are averaged by the
principles' weights over those that apply. Revising: the model criticises the completion by a principle and writes it
anew by its own critique, principle after principle. Source: Constitutional AI, Bai et al. 2022, arXiv 2212.08073,
sections 3.1 and 4.1; there one principle is drawn at random each time, here all that apply are used, because they are
few and named.
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal

from burnish.errors import InputError, nearest
from burnish.judges.asking.asker import Asker, author_id, drawn_by, template, words
from burnish.judges.asking.fence import disarm, fenced
from burnish.judges.asking.shape import Field, Shape
from burnish.judges.asking.together import together
from burnish.judges.asking.verdict import Part, Verdict, feedback_by, share_of_votes
from burnish.judges.comparison import Comparison
from burnish.models.answering import Failure
from burnish.records import Completion, Critique, Feedback, Prompt, content_id

FORM = "comparison"
APPLIES = Shape((Field("verdict", "choice", choices=("yes", "no")),))
NOTHING = ("none", "none.", "没有", "无")
"""What a model writes that has nothing to criticise."""


@dataclass(frozen=True, slots=True)
class Principle:
    """One thing a text should do or leave."""

    id: str
    text: str
    """The principle itself, in one sentence."""
    weight: float = 1.0
    critique: str = ""
    """How a critique is asked for; made from the text when empty."""
    revision: str = ""
    """How a revision is asked for; likewise."""
    comparison: str = ""
    """Which of two answers keeps it better, as a question; likewise."""
    applies_if: str = ""
    """A yes-or-no question about the request; empty: always."""

    @property
    def asks_critique(self) -> str:
        return self.critique or f"Point out where the text does not keep this principle: {self.text}"

    @property
    def asks_revision(self) -> str:
        return self.revision or f"Rewrite the text so that it keeps this principle, changing nothing else: {self.text}"

    @property
    def asks_comparison(self) -> str:
        return self.comparison or f"which one keeps this principle better: {self.text}"


@dataclass(frozen=True, slots=True)
class Constitution:
    """A named list of principles."""

    name: str
    principles: tuple[Principle, ...]
    version: str = "1"

    def __post_init__(self) -> None:
        names = [principle.id for principle in self.principles]
        if not names or len(set(names)) != len(names):
            raise InputError(f"constitution {self.name!r}: needs principles, each with an id of its own.")
        if not all(principle.weight > 0 for principle in self.principles):
            raise InputError(f"constitution {self.name!r}: a weight is not positive. Leave the principle out.")

    @property
    def id(self) -> str:
        """Content hash: another wording is another constitution."""
        return content_id("k", [[p.id, p.text, p.weight, p.comparison, p.applies_if] for p in self.principles])

    @classmethod
    def load(cls, path: Path | None = None) -> Constitution:
        """Return the constitution of a TOML file (`name`, `version`, `[[principles]]`), or the short one we bring.

        Raises InputError naming the file and what is wrong in it.
        """
        where = str(path or "prompts/constitution.toml")
        try:
            source = path.read_text("utf-8") if path else words("constitution", ".toml")
            plain = tomllib.loads(source)
        except (OSError, ValueError) as error:
            raise InputError(f"{where}: cannot be read as TOML ({error}).") from None
        known = [field.name for field in fields(Principle)]
        principles = []
        for place, row in enumerate(plain.get("principles", [])):
            for key in row:
                if key not in known:
                    raise InputError(f"{where}: principles[{place}]: unknown key {key!r}.{nearest(key, known)}")
            if not {"id", "text"} <= row.keys():
                raise InputError(f"{where}: principles[{place}]: needs an id and a text.")
            principles.append(Principle(**row))
        name = str(plain.get("name") or (path.stem if path else "short"))
        return cls(name, tuple(principles), str(plain.get("version", "1")))


@dataclass(frozen=True)
class Constitutional:
    """`records.Judge` of pairs by a constitution, and a reviser by the same principles."""

    asker: Asker
    constitution: Constitution
    repeats: int = 1
    """Times that each order of each principle is asked, where log-probs are not used."""
    logprobs: Literal["auto", "never"] = "auto"

    @property
    def author(self) -> str:
        by = () if self.by_logprobs else drawn_by(self.asker, self.repeats)
        words = ("words",) if self.logprobs == "never" else ()
        return author_id(self.asker, FORM, "constitution", self.constitution.id, *words, *by)

    @property
    def by_logprobs(self) -> bool:
        return self._by(self.constitution.principles[0]).by_logprobs

    def judge(self, prompts: Sequence[Prompt], completions: Sequence[Sequence[Completion]]) -> list[Feedback | None]:
        """Return a comparison for each pair, or None for a counted failure."""
        return [verdict.feedback for verdict in self.verdicts(prompts, completions)]

    def verdicts(
        self, prompts: Sequence[Prompt], completions: Sequence[Sequence[Completion]], *, seed: int = 0
    ) -> list[Verdict]:
        """Return a verdict for each pair: `value` is the weighted mean probability that its first completion keeps the
        principles better, one part for each principle. A failure where no principle could be answered."""
        parts: list[list[Part]] = [[] for _ in prompts]
        shares: list[list[tuple[float, float]]] = [[] for _ in prompts]
        questions, agreed = [0] * len(prompts), [0] * len(prompts)
        for principle in self.constitution.principles:
            those = self._where_it_applies(principle, prompts, seed)
            some = [prompts[i] for i in those], [completions[i] for i in those]
            found = self._by(principle).verdicts(*some, seed=seed)
            for i, verdict in zip(those, found, strict=True):
                questions[i] += verdict.questions + bool(principle.applies_if)
                agreed[i] += bool(verdict.consistent)
                reason = verdict.failure or verdict.reason
                parts[i].append(Part(principle.id, verdict.value, principle.weight, reason))
                if (share := share_of_votes(verdict)) is not None:
                    shares[i].append((principle.weight, share))
        rows = zip(prompts, completions, parts, shares, agreed, questions, strict=True)
        return [replace(self._verdict(*row), questions=n) for *row, n in rows]

    def _by(self, principle: Principle) -> Comparison:
        return Comparison(self.asker, principle.asks_comparison, self.repeats, self.logprobs)

    def revise(
        self, prompts: Sequence[Prompt], completions: Sequence[Completion], *, seed: int = 0
    ) -> list[list[Critique | Failure]]:
        """Return for each completion its critiques in the order of the principles, each with the revision it led to.

        A revision is what the next principle is applied to, so the last one is the revised text. Where a critique finds
        nothing there is none; where a step fails the failure stands in its place and the text stays as it was.
        """
        texts = [completion.text for completion in completions]
        steps: list[list[Critique | Failure]] = [[] for _ in completions]
        for principle in self.constitution.principles:
            those = self._where_it_applies(principle, prompts, seed)
            critiques = self._write("critique", principle, [(prompts[i], texts[i], "") for i in those], seed)
            found: list[tuple[int, str]] = []
            for i, critique in zip(those, critiques, strict=True):
                if isinstance(critique, Failure):
                    steps[i].append(critique)
                elif critique and critique.strip().lower() not in NOTHING:
                    found.append((i, critique))
            asked = [(prompts[i], texts[i], critique) for i, critique in found]
            revisions = self._write("revision", principle, asked, seed)
            for (i, critique), revision in zip(found, revisions, strict=True):
                if isinstance(revision, Failure) or not revision:
                    steps[i].append(revision or Failure("empty", "the revision is empty"))
                    continue
                said = replace(completions[i], text=texts[i]) if texts[i] != completions[i].text else completions[i]
                steps[i].append(Critique(prompts[i], said, critique, aspect=principle.id, revision=revision))
                texts[i] = revision
        return steps

    def _where_it_applies(self, principle: Principle, prompts: Sequence[Prompt], seed: int) -> list[int]:
        """Return the places of the prompts a principle applies to; where that cannot be told, it applies."""
        if not principle.applies_if:
            return list(range(len(prompts)))
        asked = [together(self.asker, prompt, [], []) for prompt in prompts]
        questions = [
            template("rubric").substitute(
                criterion=principle.applies_if, mark=one.mark, request=one.blocks[0], text="", asks=APPLIES.asks()
            )
            for one in asked
        ]
        replies = self.asker.ask(questions, APPLIES, seed=seed)
        return [i for i, reply in enumerate(replies) if reply.answers is None or reply.answers["verdict"] == "yes"]

    def _write(
        self, step: str, principle: Principle, asked: Sequence[tuple[Prompt, str, str]], seed: int
    ) -> list[str | Failure]:
        questions = []
        for prompt, text, critique in asked:
            one = together(self.asker, prompt, [text], ["the text"])
            own = {"critique": principle.asks_critique}
            if step == "revision":
                own = {
                    "revision": principle.asks_revision,
                    "critique": fenced(disarm(critique).text, "a critique of it", one.mark),
                }
            asks = template(f"constitution_{step}")
            questions.append(asks.substitute(mark=one.mark, request=one.blocks[0], text=one.blocks[1], **own))
        return self.asker.write(questions, seed=seed)

    def _verdict(
        self,
        prompt: Prompt,
        pair: Sequence[Completion],
        parts: Sequence[Part],
        shares: Sequence[tuple[float, float]],
        agreed: int,
    ) -> Verdict:
        """Return the weighted mean of the principles; without one whose two orders agree nothing was said of the
        texts."""
        bare = Verdict(prompt, tuple(pair), None, parts=tuple(parts))
        known = [(part.weight, part.value) for part in parts if part.value is not None]
        if not known:
            return replace(bare, failure=parts[0].reason if parts else "no principle applies")
        total = sum(weight for weight, _ in known)
        share = sum(weight * value for weight, value in known) / total
        spread = sum(weight / total * (value - share) ** 2 for weight, value in known)
        said_nothing = share == 0.5 or not agreed
        value: dict[str, Any] = {"cannot_judge": True} if said_nothing else {"chosen": 0 if share > 0.5 else 1}
        metadata = {
            "probability": share,
            "share": sum(weight * each for weight, each in shares) / total,
            "constitution": {"name": self.constitution.name, "version": self.constitution.version},
            "principles": {part.name: part.value for part in parts},
        }
        said = feedback_by(self.author, FORM, prompt, pair, value, exposure={"orders": "both"}, metadata=metadata)
        reason = "; ".join(f"{part.name}: {part.value:.2f}" for part in parts if part.value is not None)
        variance = spread / len(known)
        return replace(
            bare, feedback=said, value=share, variance=variance, reason=reason, consistent=agreed == len(known)
        )
