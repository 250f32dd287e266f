"""The smallest policy there is: a table with one row of logits for every (prompt, beginning of a completion).

Every completion can be enumerated, so that probabilities, KL, values and gradients are known exactly: this is what
methods are held to (`conformance/toys.py`, tests/methods/). Tokens are 0..V-1; token 0 ends a completion, and one of
`longest` tokens is cut off there. A text is its tokens' digits: "3 1 0".
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from burnish.errors import InputError
from burnish.examples import Row
from burnish.maths.batch import Outputs, Says, length_mask
from burnish.maths.kl import kl_exact
from burnish.models.averaging import Average
from burnish.models.draw import inverse_cdf
from burnish.models.paying import Pay, paid_by_token
from burnish.records import Completion, FinishReason, Prompt, Sampling, Score, seed_of

END = 0


@dataclass(frozen=True)
class TableInputs:
    """The rows of a slice, as places in the table; padding points at place 0 and is masked by whoever reads it."""

    node_BT: Tensor
    """The beginning each token follows."""
    token_BT: Tensor
    length_B: Tensor
    teacher_BT: Tensor | None


Act = Callable[[Says], Tensor]


@dataclass(frozen=True)
class TableSampler:
    """`Sampler` that draws from a table."""

    policy: TablePolicy
    act: Act | None = None

    def sample(
        self, prompts: Sequence[Prompt], sampling: Sampling, *, n: int = 1, seed: int = 0, run: str = "", round: int = 0
    ) -> list[list[Completion]]:
        """Return n completions for each prompt."""
        return self.policy.sample(prompts, sampling, n=n, seed=seed, run=run, round=round, act=self.act)


class TablePolicy:
    """Logits for every beginning, an untouched copy of them, and tables in place of heads."""

    def __init__(
        self,
        prompts: Sequence[Prompt],
        *,
        vocabulary: int = 5,
        longest: int = 3,
        heads: Mapping[str, int] | None = None,
        seed: int = 0,
        spread: float = 0.5,
        dtype: torch.dtype = torch.float64,
    ) -> None:
        """heads: {"value": 1, "reward": K, "q": K}, as `Needs.heads`. spread: of the random logits it begins with."""
        self.prompts = list(prompts)
        self.dtype = dtype
        self.reads_only = False
        self.vocabulary, self.longest = vocabulary, longest
        self.teacher: Average | None = None
        """Whose table the teacher reads; None: the policy's own."""
        self.pay: Pay | None = None
        """What single tokens are paid, where the reward tables pay so; None: the last one's reading, at the end."""
        begun = [
            beginning
            for length in range(longest)
            for beginning in itertools.product(range(1, vocabulary), repeat=length)
        ]
        self._node = {(p.id, b): n for n, (p, b) in enumerate(itertools.product(self.prompts, begun))}
        generator = torch.Generator().manual_seed(seed)
        count = len(self._node)
        start = spread * torch.randn(count, vocabulary, generator=generator, dtype=dtype)
        self.reference_SV = start.clone()
        self.tables = {"logits": nn.Parameter(start)}
        shapes = {"value": (1,), "q": (vocabulary,), "reward": (vocabulary,)}
        for name, heads_K in (heads or {}).items():
            # members of an ensemble must differ from the start; a value starts at 0 (trap T31)
            scale = 0.0 if name == "value" else 0.01
            first = scale * torch.randn(count, heads_K, *shapes[name], generator=generator, dtype=dtype)
            self.tables[name] = nn.Parameter(first)

    def parameters(self) -> dict[str, nn.Parameter]:
        """Return the tables by name."""
        return dict(self.tables)

    def tokens(self, row: Row) -> list[int]:
        """Return the row's completion as tokens."""
        ids = row.completion.token_ids
        return list(ids) if ids is not None else [int(each) for each in row.completion.text.split()]

    def token_places(self, row: Row) -> list[tuple[int, int]]:
        """Return the characters (start, end) of each token: a digit and the blank before it."""
        ends = list(itertools.accumulate(len(str(t)) + (i > 0) for i, t in enumerate(self.tokens(row))))
        return list(zip([0, *ends[:-1]], ends, strict=True))

    def length(self, row: Row) -> int:
        """Return how many places of the table a row reads."""
        return len(self.tokens(row))

    def inputs(self, rows: Sequence[Row], width: int, *, teacher: bool = False, apart: bool = False) -> TableInputs:
        """Return the rows as places in the table, where each is apart from the others as it is."""
        tokens = [self.tokens(row) for row in rows]

        def places(prompts: Sequence[Prompt]) -> Tensor:
            return torch.tensor([self._nodes(p.id, t, width) for p, t in zip(prompts, tokens, strict=True)])

        return TableInputs(
            node_BT=places([row.prompt for row in rows]),
            token_BT=torch.tensor([t + [0] * (width - len(t)) for t in tokens]),
            length_B=torch.tensor([len(t) for t in tokens]),
            teacher_BT=places([row.teacher or row.prompt for row in rows]) if teacher else None,
        )

    def undisturbed(self, inputs: TableInputs) -> tuple[Tensor, Tensor, float]:
        """Return a shift of the logits that changes nothing, (B, T, V), the row that each of its places belongs to,
        and the deviation of the logits: a row of the table is what a beginning's embedding is to a network."""
        place_BT = torch.arange(inputs.node_BT.shape[1]) < inputs.length_B[:, None]
        text_BT = torch.arange(len(place_BT))[:, None].masked_fill(~place_BT, -1)
        shift_BTV = torch.zeros(*text_BT.shape, self.vocabulary, dtype=self.dtype, requires_grad=True)
        return shift_BTV, text_BT, float(self.reference_SV.std())

    def outputs(self, inputs: TableInputs, *, reference: bool = False, shift: Tensor | None = None) -> Outputs:
        """Return everything a method may read, with gradient. shift: added to the policy's logits, (B, T, V)."""
        node_BT, token_BT1 = inputs.node_BT, inputs.token_BT[..., None]
        logits_BTV = self.tables["logits"][node_BT]
        log_BTV = torch.log_softmax(logits_BTV if shift is None else logits_BTV + shift, -1)
        reference_BTV = torch.log_softmax(self.reference_SV[node_BT], -1)
        found: dict[str, Tensor] = {
            "logprobs_BT": log_BTV.gather(-1, token_BT1)[..., 0],
            "entropy_BT": -(log_BTV.exp() * log_BTV).sum(-1).detach(),
        }
        if reference:
            found["reference_logprobs_BT"] = reference_BTV.gather(-1, token_BT1)[..., 0]
            found["kl_BT"] = kl_exact(log_BTV, reference_BTV)
        if inputs.teacher_BT is not None:
            told = self.tables["logits"] if self.teacher is None else self.teacher.averages["logits"]
            teacher_BTV = torch.log_softmax(told[inputs.teacher_BT], -1).detach()
            found["teacher_logprobs_BT"] = teacher_BTV.gather(-1, token_BT1)[..., 0]
            found["teacher_kl_BT"] = kl_exact(log_BTV, teacher_BTV)
        if "value" in self.tables:
            found["values_BT"] = self.tables["value"][node_BT][..., 0, 0]
        if "q" in self.tables:
            found["q_BTKV"] = self.tables["q"][node_BT]
        if "reward" in self.tables:
            rewards_BTKV = self.tables["reward"][node_BT]
            place = token_BT1[..., None].expand(*rewards_BTKV.shape[:-1], 1)
            after_BTK = rewards_BTKV.gather(-1, place)[..., 0]
            found["token_rewards_BTK"] = after_BTK
            last_B = (inputs.length_B - 1).clamp(min=0)
            found["rewards_BK"] = after_BTK[torch.arange(len(last_B)), last_B]
        return Outputs(**found)

    def after_step(self, step: int) -> None:
        """Nothing: a table has nothing to share out."""

    def noisy(self, seed: int) -> contextlib.AbstractContextManager[None]:
        """Nothing: a table has no dropout."""
        return contextlib.nullcontext()

    @torch.no_grad()
    def score(self, prompts: Sequence[Prompt], completions: Sequence[Completion]) -> list[Score]:
        """Return the mean of the reward heads, as a `Reward`, and where each part of it is paid."""
        rows = [Row(prompt, completion) for prompt, completion in zip(prompts, completions, strict=True)]
        found = self.outputs(self.inputs(rows, self.longest)) if rows else Outputs()
        if found.rewards_BK is None or found.token_rewards_BTK is None:
            return []
        if self.pay is None:
            means = found.rewards_BK.mean(-1).tolist()
            return [Score(row.prompt, row.completion, mean) for row, mean in zip(rows, means, strict=True)]
        places = [self.token_places(row) for row in rows]
        return [
            paid_by_token(row, readings_TK[: len(where)], where, self.pay)
            for row, readings_TK, where in zip(rows, found.token_rewards_BTK, places, strict=True)
        ]

    @torch.no_grad()
    def become(self, prompt: Prompt, chances: Tensor) -> None:
        """Make the policy, now and as reference, say completions with these chances (in the order of `completions`)."""
        below: dict[tuple[int, ...], Tensor] = {}
        for tokens, chance in zip(self.completions(), chances / chances.sum(), strict=True):
            for place in range(len(tokens)):
                weights = below.setdefault(tokens[:place], torch.zeros(self.vocabulary, dtype=self.dtype))
                weights[tokens[place]] += chance
        for beginning, weights in below.items():
            node = self._node[prompt.id, beginning]
            self.tables["logits"][node] = self.reference_SV[node] = weights.clamp(min=1e-30).log()

    # ------------------------------------------------------------------------------------------ drawing, and all of it

    def continuations(
        self, prompts: Sequence[Prompt], prefixes: Sequence[Sequence[int]], *, n: int, seed: int
    ) -> list[list[Completion]]:
        """Return n whole completions for each prompt that begin with the prefix's tokens; without log-probs."""
        return self.sample(prompts, Sampling(max_new_tokens=self.longest), n=n, seed=seed, beginnings=prefixes)

    def sampler(self, act: Act | None = None, *, reference: bool = False) -> TableSampler:
        """Return a `Sampler` of this policy, or of what `act` makes of what it says; it always says the reference."""
        return TableSampler(self, act)

    def sample(
        self,
        prompts: Sequence[Prompt],
        sampling: Sampling,
        *,
        n: int = 1,
        seed: int = 0,
        run: str = "",
        round: int = 0,
        act: Act | None = None,
        beginnings: Sequence[Sequence[int]] | None = None,
    ) -> list[list[Completion]]:
        """Return n completions for each prompt, each with a seed of its own; they go on from `beginnings`."""
        begun = beginnings or [()] * len(prompts)
        asked = [prompt for prompt in prompts for _ in range(n)]
        ids = [each for prompt in prompts for each in [prompt.id] * n]  # an id is a hash: worked out once
        said = [list(each) for each in begun for _ in range(n)]
        seeds = [seed_of(seed, each, number % n) for number, each in enumerate(ids)]
        uniforms = torch.stack(
            [torch.rand(self.longest, generator=torch.Generator().manual_seed(s), dtype=torch.float64) for s in seeds]
        )
        logprobs: list[list[float]] = [[] for _ in asked]
        while going := [i for i, tokens in enumerate(said) if len(tokens) < self.longest and END not in tokens]:
            nodes = torch.tensor([self._node[ids[i], tuple(said[i])] for i in going])
            logits_BV = act(self._said(nodes)) if act else self.tables["logits"].detach()[nodes]
            log_BV = torch.log_softmax(logits_BV / (sampling.temperature or 1e-6), -1)
            drawn = inverse_cdf(log_BV.exp(), uniforms[going, [len(said[i]) for i in going]])
            logprob_B = log_BV.gather(-1, drawn[:, None])[:, 0]
            for i, token, logprob in zip(going, drawn.tolist(), logprob_B.tolist(), strict=True):
                said[i].append(token)
                logprobs[i].append(logprob)
        found = [
            self.completion(
                prompt, tokens, logprobs=None if beginnings else tuple(drawn_at), sampling=sampling, index=i % n,
                run=run, round=round,
            )
            for i, (prompt, tokens, drawn_at) in enumerate(zip(asked, said, logprobs, strict=True))
        ]  # fmt: skip
        return [found[i * n : (i + 1) * n] for i in range(len(prompts))]

    def completion(self, prompt: Prompt, tokens: Sequence[int], **more: Any) -> Completion:
        """Return the completion that these tokens are; more: further fields of it, by name."""
        finish = FinishReason.STOP if tokens and tokens[-1] == END else FinishReason.LENGTH
        return Completion(prompt.id, " ".join(map(str, tokens)), tuple(tokens), finish_reason=finish, **more)

    def completions(self) -> Iterator[tuple[int, ...]]:
        """Yield every completion there is."""
        for length in range(1, self.longest + 1):
            for beginning in itertools.product(range(1, self.vocabulary), repeat=length - 1):
                yield (*beginning, END)
        yield from itertools.product(range(1, self.vocabulary), repeat=self.longest)

    def probabilities(self, prompt: Prompt, *, act: Act | None = None, reference: bool = False) -> Tensor:
        """Return the probability of every completion to a prompt, in the order of `completions`; with gradient."""
        logits = self.reference_SV if reference else self.tables["logits"]
        whole = torch.log_softmax(act(self._said(torch.arange(len(logits)))) if act else logits, -1)
        every, name = list(self.completions()), prompt.id
        nodes_YT = torch.tensor([self._nodes(name, tokens, self.longest) for tokens in every])
        tokens_YT = torch.tensor([tokens + (0,) * (self.longest - len(tokens)) for tokens in every])
        return whole[nodes_YT, tokens_YT].masked_fill(~length_mask(list(map(len, every))), 0.0).sum(-1).exp()

    def _said(self, nodes: Tensor) -> Says:
        value, q = self.tables.get("value"), self.tables.get("q")
        return Says(
            logits_BV=self.tables["logits"].detach()[nodes],
            reference_logits_BV=self.reference_SV[nodes],
            values_B=None if value is None else value.detach()[nodes, 0, 0],
            q_BKV=None if q is None else q.detach()[nodes],
        )

    def _nodes(self, prompt_id: str, tokens: Sequence[int], width: int) -> list[int]:
        try:
            found = [self._node[prompt_id, tuple(tokens[:place])] for place in range(len(tokens))]
        except KeyError:
            raise InputError(
                f"table: {list(tokens)} to prompt {prompt_id} is no completion it knows. It has {len(self.prompts)} "
                f"prompts, tokens 0 to {self.vocabulary - 1} (0 ends), and at most {self.longest} of them."
            ) from None
        return found + [0] * (width - len(found))
