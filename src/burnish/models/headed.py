"""A language model as any method trains it: token statistics, linear heads on its states, a teacher, the reference.

    state before token t   --head "value"-->  V(prefix)            --head "q"-->  Q(prefix, every token), K of them
    state after token t    --head "reward"-> K rewards of the text so far; after the last token: of the completion

A bidirectional encoder takes reward heads alone. Its state at a token has seen the whole text, so there is a reading of
every token here too, and the completion's reward is their mean (no token stands for all that came before it).

Heads are small linear maps in float32 that start near zero (a value at zero exactly, trap T31), saved beside the
adapter as `heads.safetensors`. A method asks for them by name (`Needs.heads`).
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from burnish.errors import InputError
from burnish.examples import Row
from burnish.maths.batch import Outputs, Says
from burnish.models import bidirectional
from burnish.models.averaging import Average
from burnish.models.encoder import Unspoken
from burnish.models.packing import Packed, pack
from burnish.models.paying import Pay, not_rated, paid_by_token, paid_whole
from burnish.models.policy import Policy
from burnish.models.sampler import EngineSampler
from burnish.models.spans import token_spans, token_spans_of_ids
from burnish.records import Completion, FinishReason, Prompt, Sampler, Sampling, Score

HEADS_FILE = "heads.safetensors"
ROWS = 32
"""Completions rated together."""
MAX_TOKENS = 512
"""Of a prompt with a completion from outside, where nobody says."""
EMBEDDINGS = 4096
"""Embeddings, spread over the vocabulary, that their deviation is told by."""


@dataclass(frozen=True)
class HeadedInputs:
    """What a slice shows the model."""

    rows: Packed
    """Prompts with their completions; with a reward head, each completion has one token more, whose state is unused:
    the state that would predict it is the one after the last token."""
    lengths_B: list[int]
    width: int
    teacher: Packed | None

    @property
    def text_N(self) -> Tensor:
        """Which of the packed texts, prompt and completions, each of the N tokens belongs to."""
        lengths = [sum(group) for group in self.rows.layout.groups]
        return torch.arange(len(lengths)).repeat_interleave(torch.tensor(lengths))


class HeadedPolicy:
    """A `Policy` and its heads: a `training.window.Learner`."""

    dtype = torch.float32

    def __init__(
        self,
        policy: Policy,
        *,
        heads: Mapping[str, int] | None = None,
        temperature: float = 1.0,
        max_tokens: int = MAX_TOKENS,
        speaks: bool = True,
        sampling: Sampling | None = None,
        seed: int = 0,
    ) -> None:
        """heads: as `Needs.heads`. temperature: that completions are drawn at (trap T19). max_tokens: of a prompt with
        a completion from outside; what is longer loses the prompt's beginning, then the completion's end. speaks:
        False where only heads are read, so that the vocabulary is never touched. sampling: how completions that have
        begun are gone on with. Raises InputError for an encoder that is to speak, or to hold other heads than rewards.
        """
        self.sampling = sampling or Sampling()
        self.policy = policy
        self.temperature = temperature
        self.max_tokens = max_tokens
        self.speaks = speaks
        self.reads_only = bidirectional.is_encoder(policy.model)
        """Whether it is an encoder."""
        if self.reads_only:
            self._check_encoder(heads or {})
        weight = (policy.model.get_output_embeddings() or policy.model.get_input_embeddings()).weight
        self.vocabulary, self.hidden = int(weight.shape[0]), int(weight.shape[1])
        self.teacher: Average | None = None
        """Whose weights the teacher has; None: the policy's own."""
        self.pay: Pay | None = None
        """What single tokens are paid, where the reward heads pay so; None: the reading after the last, at the end."""
        self.heads = nn.ModuleDict()
        generator = torch.Generator().manual_seed(seed)
        for name, count in sorted((heads or {}).items()):
            wide = count * self.vocabulary if name == "q" else count
            self.heads[name] = nn.Linear(self.hidden, wide, bias=name != "reward")
            with torch.no_grad():
                for parameter in self.heads[name].parameters():
                    # members of an ensemble must differ from the start
                    scale = 0.02 if name == "reward" and parameter.ndim > 1 else 0.0
                    parameter.copy_(scale * torch.randn(parameter.shape, generator=generator))
        self.heads.to(policy.device)  # drawn on the processor: the same numbers everywhere

    def _check_encoder(self, heads: Mapping[str, int]) -> None:
        if self.speaks or heads.keys() - {"reward"}:
            raise InputError(
                f"{self.policy.name}: an encoder reads and never speaks: give it speaks=False and reward heads alone."
            )
        # one place is left for a prompt of which the completion leaves no room
        self.max_tokens = min(self.max_tokens, int(self.policy.model.config.max_position_embeddings) - 1)

    def parameters(self) -> dict[str, nn.Parameter]:
        """Return the policy's trained parameters and the heads', by name."""
        own = {f"heads.{name}": parameter for name, parameter in sorted(self.heads.named_parameters())}
        return {**self.policy.parameters(), **own}

    # --------------------------------------------------------------------------------------------------- rows to inputs

    def tokens(self, row: Row) -> list[int]:
        """Return the completion's token ids: the sampler's own (never re-tokenised, trap T35), else text and end.

        An encoder draws none, so what has token ids has another model's, and its text is read.
        """
        completion = row.completion
        if completion.token_ids is not None and not self.reads_only:
            return list(completion.token_ids)
        ids = [*self._encoded(completion.text)]
        end = self.policy.tokenizer.eos_token_id
        cut = completion.finish_reason is FinishReason.LENGTH
        if end is not None and not cut and (not ids or ids[-1] != end):  # exactly one end (trap T2)
            ids.append(int(end))
        return ids[: self.max_tokens]

    def token_places(self, row: Row) -> list[tuple[int, int]]:
        """Return the characters (start, end) of each token; the end token stands behind the text.

        Those that were sampled are decoded: other tokens may spell the same text (trap T35).
        """
        count, text = len(self.tokens(row)), row.completion.text
        if row.completion.token_ids is not None and not self.reads_only:
            return token_spans_of_ids(self.policy.tokenizer, row.completion.token_ids)
        places = token_spans(self.policy.tokenizer, text)[:count]
        return places + [(len(text), len(text))] * (count - len(places))

    def length(self, row: Row) -> int:
        """Return how many tokens of a row go through the model; of its prompt and its teacher's, the longer one's."""
        said = len(self.tokens(row))
        room = sys.maxsize if self._is_whole(row) else self.max_tokens - said
        return said + max(len(self.prompt_ids(prompt, room)) for prompt in (row.prompt, row.teacher or row.prompt))

    def _is_whole(self, row: Row) -> bool:
        """Return whether the prompt stays whole: the sampler saw all of it, so its completions are trained on behind
        all of it (trap T23). A reward that an encoder reads is of what it has room for."""
        return row.fresh and not self.reads_only

    def prompt_ids(self, prompt: Prompt, room: int) -> list[int]:
        """Return the prompt's last `room` ids."""
        return self.policy.encode(prompt)[-max(room, 1) :]

    def inputs(self, rows: Sequence[Row], width: int, *, teacher: bool = False, apart: bool = False) -> HeadedInputs:
        """Return the rows packed; rows of one prompt that follow each other share it, unless each is to be apart."""
        tokens = [self.tokens(row) for row in rows]
        more = [self.tokens(row) + [self._last()] * ("reward" in self.heads) for row in rows]
        whole = [self._is_whole(row) for row in rows]
        taught = self._packed([row.teacher or row.prompt for row in rows], tokens, whole) if teacher else None
        asked = self._packed([row.prompt for row in rows], more, whole, apart=apart or self.reads_only)
        return HeadedInputs(asked, [len(t) for t in tokens], width, taught)

    def _packed(
        self, prompts: Sequence[Prompt], tokens: Sequence[list[int]], whole: Sequence[bool], *, apart: bool = False
    ) -> Packed:
        asked: list[Prompt] = []
        said: list[list[list[int]]] = []
        rooms: list[int] = []
        for prompt, each, uncut in zip(prompts, tokens, whole, strict=True):
            if apart or not asked or asked[-1] != prompt:
                asked.append(prompt)
                said.append([])
                rooms.append(self.max_tokens)
            said[-1].append(each)
            if uncut:
                rooms[-1] = sys.maxsize
            elif rooms[-1] != sys.maxsize:
                rooms[-1] = min(rooms[-1], self.max_tokens - len(each))
        return pack([self.prompt_ids(prompt, room) for prompt, room in zip(asked, rooms, strict=True)], said)

    def _encoded(self, text: str) -> list[int]:
        ids: list[int] = self.policy.tokenizer(text, add_special_tokens=False)["input_ids"]
        return ids

    def _last(self) -> int:
        end = self.policy.tokenizer.eos_token_id
        return 0 if end is None else int(end)

    # --------------------------------------------------------------------------------------------------------- outputs

    def outputs(self, inputs: HeadedInputs, *, reference: bool = False, shift: Tensor | None = None) -> Outputs:
        """Return what the method asked for, as rows (B, T), zero beyond each completion's end.

        shift: what is added to the embeddings that the policy reads, (N, H); reference and teacher read them as they
        are.
        """
        states_M = self.policy.states(inputs.rows, shift_NH=shift)
        before_N, after_N, last_B = self._split(states_M, inputs)
        found: dict[str, Tensor | None] = {}
        if self.speaks:
            found |= self._spoken(before_N, inputs, reference)
        if "value" in self.heads:
            found["values_BT"] = _rows(self.heads["value"](before_N.float())[:, 0], inputs)
        if "q" in self.heads:
            q_NKV = self.heads["q"](before_N.float()).view(len(before_N), -1, self.vocabulary)
            found["q_BTKV"] = _rows(q_NKV, inputs)
        if "reward" in self.heads:
            assert after_N is not None
            after_NK = self.heads["reward"](after_N.float())
            found["token_rewards_BTK"] = _rows(after_NK, inputs)
            found["rewards_BK"] = self._of_whole(after_NK, last_B, inputs)
        return Outputs(**found)

    def _of_whole(self, after_NK: Tensor, last_B: Tensor, inputs: HeadedInputs) -> Tensor:
        """Return the completions' rewards (B, K): the reading after the last token, an encoder's mean reading."""
        if not self.reads_only:
            return after_NK[last_B]
        return torch.stack([part.sum(0) / max(len(part), 1) for part in torch.split(after_NK, inputs.lengths_B)])

    def _spoken(self, before_N: Tensor, inputs: HeadedInputs, reference: bool) -> dict[str, Tensor | None]:
        tokens_N = self._cut(inputs.rows.token_M, inputs)
        with torch.no_grad():
            plain = self._split(self.policy.states(inputs.rows, adapter=False), inputs)[0] if reference else None
            taught = self._taught(inputs.teacher) if inputs.teacher is not None else None
        said = self.policy.token_statistics(before_N, tokens_N, self.temperature, plain)
        found = {
            "logprobs_BT": _rows(said.logprobs, inputs),
            "entropy_BT": _rows(said.entropy, inputs),
            "reference_logprobs_BT": _rows(said.reference_logprobs, inputs),
            "kl_BT": _rows(said.kl, inputs),
        }
        if taught is not None:  # the teacher is to the policy what the reference is: whole distributions compared
            lesson = self.policy.token_statistics(
                before_N, tokens_N, self.temperature, taught[0], reference_weight=taught[1]
            )
            found["teacher_logprobs_BT"] = _rows(lesson.reference_logprobs, inputs)
            found["teacher_kl_BT"] = _rows(lesson.kl, inputs)
        return found

    def _taught(self, rows: Packed) -> tuple[Tensor, Tensor]:
        """Return the teacher's states, and the output matrix that they are read by."""
        with self.teacher.swapped() if self.teacher else contextlib.nullcontext():
            # where the weights are swapped, parameters point at the policy's own again afterwards
            return self.policy.states(rows), self.policy.output_matrix().detach()

    def undisturbed(self, inputs: HeadedInputs) -> tuple[Tensor, Tensor, float]:
        """Return the shift that changes nothing, (N, H), whose gradient is that of the embeddings; the text that each
        of its places belongs to, (N,); and how far embeddings lie apart: the deviation of their entries."""
        embedding, device = self.policy.model.get_input_embeddings(), self.policy.device
        width = embedding.weight.shape[1]
        shift_NH = torch.zeros(len(inputs.rows.tokens_N), width, device=device, requires_grad=True)
        with torch.no_grad():
            some = torch.arange(0, self.vocabulary, max(self.vocabulary // EMBEDDINGS, 1), device=device)
            return shift_NH, inputs.text_N.to(device), float(embedding(some).float().std())

    def _split(self, states_M: Tensor, inputs: HeadedInputs) -> tuple[Tensor, Tensor | None, Tensor]:
        """Return the states before each completion token (N, H), those after, and the place of each row's last."""
        last_B = torch.tensor(inputs.lengths_B, device=states_M.device).cumsum(0) - 1
        if "reward" not in self.heads:
            return states_M, None, last_B
        parts = torch.split(states_M, [length + 1 for length in inputs.lengths_B])
        return torch.cat([part[:-1] for part in parts]), torch.cat([part[1:] for part in parts]), last_B

    def _cut(self, values_M: Tensor, inputs: HeadedInputs) -> Tensor:
        return self._split(values_M, inputs)[0]

    # -------------------------------------------------------------------------------------------- drawing and rating

    def sampler(self, act: Callable[[Says], Tensor] | None = None, *, reference: bool = False) -> Sampler:
        """Return the engine, which draws from what `act` makes of what the network says, where a method has one.

        reference: `act` wants the untouched model's logits as well (`models.acting`). Whoever draws from an encoder's
        is told that it never speaks.
        """
        if self.reads_only:
            return Unspoken(self.policy.name)
        if act is not None and reference:
            from burnish.models.acting import ActingSampler

            return ActingSampler(self, act)
        return EngineSampler(self.policy, read=None if act is None else self.reading(act))

    def reading(self, act: Callable[[Says], Tensor]) -> Callable[[Tensor], Tensor]:
        """Return the function from final states (B, H) to what `act` draws the next token from, (B, V)."""
        return lambda states_BH: act(self.says(states_BH)).float()

    def says(self, states_BH: Tensor, reference_BH: Tensor | None = None) -> Says:
        """Return what is said of the next token by the states before it, and by those of the untouched model."""
        wide = states_BH.float()
        return Says(
            logits_BV=self.policy.logits(states_BH),
            reference_logits_BV=None if reference_BH is None else self.policy.logits(reference_BH, untouched=True),
            values_B=self.heads["value"](wide)[:, 0] if "value" in self.heads else None,
            q_BKV=self.heads["q"](wide).view(len(wide), -1, self.vocabulary) if "q" in self.heads else None,
        )

    def continuations(
        self, prompts: Sequence[Prompt], prefixes: Sequence[Sequence[int]], *, n: int, seed: int
    ) -> list[list[Completion]]:
        """Return n whole completions for each prompt that begin with the prefix's token ids."""
        return EngineSampler(self.policy).go_on(prompts, prefixes, self.sampling, n=n, seed=seed)

    def after_step(self, step: int) -> None:
        """Let the adapter share out its ranks, where it does (AdaLoRA)."""
        self.policy.after_step(step)

    def noisy(self, seed: int) -> contextlib.AbstractContextManager[None]:
        """Inside, the model's own dropout and scheduled sampling are on, drawn from the seed."""
        return self.policy.noisy(seed)

    @torch.no_grad()
    def score(self, prompts: Sequence[Prompt], completions: Sequence[Completion]) -> list[Score]:
        """Return the reward heads' scores, as a `Reward`: mean and members, and where each part of it is paid.

        An empty completion is not scored. One that another model's tokenizer drew is read by this one's.
        """
        found: list[Score] = []
        for start in range(0, len(prompts), ROWS):
            part = completions[start : start + ROWS]
            rows = [Row(p, self._read(c)) for p, c in zip(prompts[start : start + ROWS], part, strict=True)]
            spoken = [row for row in rows if self.tokens(row)]
            rated = iter(self._rated(spoken)) if spoken else iter(())
            scores = [next(rated) if self.tokens(row) else not_rated(row) for row in rows]
            found += [replace(score, completion=c) for score, c in zip(scores, part, strict=True)]
        return found

    def _read(self, completion: Completion) -> Completion:
        """Return the completion without its token ids where they do not spell it here: ids of another vocabulary."""
        ids = completion.token_ids
        if ids is None or (
            max(ids, default=0) < self.vocabulary and self.policy.decode(ids).startswith(completion.text)
        ):
            return completion
        return replace(completion, token_ids=None, logprobs=None)

    def _rated(self, rows: Sequence[Row]) -> list[Score]:
        outputs = self.outputs(self.inputs(rows, max(len(self.tokens(row)) for row in rows)))
        assert outputs.rewards_BK is not None
        assert outputs.token_rewards_BTK is not None
        if self.pay is None:
            return [paid_whole(row, members) for row, members in zip(rows, outputs.rewards_BK.tolist(), strict=True)]
        places = [self.token_places(row) for row in rows]
        return [
            paid_by_token(row, readings_TK[: len(where)], where, self.pay)
            for row, readings_TK, where in zip(rows, outputs.token_rewards_BTK.cpu(), places, strict=True)
        ]

    # ------------------------------------------------------------------------------------------------------ to a folder

    def save(self, folder: Path) -> None:
        """Write the policy's checkpoint, and the heads beside it."""
        self.policy.save(folder)
        if len(self.heads):
            tensors = {name: tensor.contiguous() for name, tensor in self.heads.state_dict().items()}
            save_file(tensors, folder / HEADS_FILE, metadata={"format": "pt"})

    def load_heads(self, folder: Path) -> None:
        """Read the heads that `save` wrote. Raises InputError when they are not those that are wanted."""
        path = folder / HEADS_FILE
        if not path.exists():
            raise InputError(f"{path}: missing, so this checkpoint has no heads ({', '.join(self.heads)} wanted).")
        saved = load_file(path)
        mine: dict[str, Any] = self.heads.state_dict()
        if {n: t.shape for n, t in saved.items()} != {n: t.shape for n, t in mine.items()}:
            raise InputError(f"{path}: holds {sorted(saved)}; wanted {sorted(mine)} of the same shapes. Same method?")
        self.heads.load_state_dict(saved)


def _rows(values_N: Tensor | None, inputs: HeadedInputs) -> Tensor | None:
    """Return (B, T, ...) from per-token values; differentiable."""
    if values_N is None:
        return None
    rows = torch.split(values_N, inputs.lengths_B)
    padded = nn.utils.rnn.pad_sequence(list(rows), batch_first=True)
    missing = inputs.width - padded.shape[1]
    return nn.functional.pad(padded, (0, 0) * (padded.ndim - 2) + (0, missing))
