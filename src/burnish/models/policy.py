"""A language model that is trained: Hugging Face weights, a peft adapter, packed log-probs, the untouched reference.

The reference is the same model with the adapter off, so there is one copy of the weights (trap T21: true for a new
adapter; a later round continues the same adapter and still measures against the untouched model). Where the weights
themselves are trained, those that are have a copy of what they were.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from peft.tuners.tuners_utils import BaseTunerLayer
from safetensors.torch import load_file
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.utils import logging

from burnish import progress
from burnish.errors import InputError
from burnish.maths.batch import Outputs
from burnish.models import adapters, asking, bidirectional, decoding, devices, general, rank_budget, tuned_folder
from burnish.models.decoder.attention import PackedAttention
from burnish.models.decoder.forms import Forms
from burnish.models.decoder.forward import Decoder
from burnish.models.decoder.packed import PackedProducts
from burnish.models.decoder.quantised import Products
from burnish.models.decoder.shape import UnknownShape
from burnish.models.head import TokenStatistics, token_statistics
from burnish.models.packing import Packed, pack
from burnish.models.rank_budget import RankBudget
from burnish.models.small import registry as registry  # so that the Auto classes know our own small models
from burnish.models.tuning import TuningConfig
from burnish.models.untouched import Untouched
from burnish.records import Completion, Prompt

logging.disable_progress_bar()  # burnish.progress says what is being done
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


@dataclass(frozen=True)
class PolicyInputs:
    """What a slice of a window shows the policy."""

    rows: Packed
    temperature: float
    width: int
    """T of the whole window."""


class Policy:
    """The model, its tokenizer and its adapter."""

    def __init__(self, model: Any, tokenizer: Any, *, name: str, dtype: torch.dtype) -> None:
        self.model: Any = model  # transformers and peft publish no types
        self.tokenizer = tokenizer
        self.name = name
        self.dtype = dtype
        self.end_ids = _end_ids(model, tokenizer)
        self.tuning: TuningConfig | None = None
        """What is trained; None: nothing yet."""
        self.untouched: Untouched | None = None
        """What the weights were, where they are trained themselves."""
        self.budget: RankBudget | None = None
        """AdaLoRA's."""
        self.asking = self.asking_tuned = ""
        """How the model wants to be asked (`models.asking`), and how with what is trained on it; empty: as it is."""
        self.decoding: decoding.Decoding | None = None
        """How what is trained on it is decoded (`models.decoding`); None: by the logits."""
        self.recompute = False
        """Whether training keeps each layer's input only and computes the rest again in the backward pass."""
        self._decoder: tuple[Any, str | None, Decoder | None] | None = None
        self._forms = Forms()
        self._dropping = False

    @property
    def device(self) -> torch.device:
        """Where the model computes."""
        found: torch.device = self.model.get_input_embeddings().weight.device
        return found

    @property
    def decoder(self) -> Decoder | None:
        """Our own arithmetic over the model's weights; None for a model that takes the general path."""
        layer = self._adapted_layer()
        name = layer.active_adapters[0] if layer else None
        if self._decoder is None or self._decoder[0] is not self.model or self._decoder[1] != name:
            try:
                if why := adapters.only_by_forward(self.model):
                    raise UnknownShape(why)
                self._decoder = self.model, name, Decoder(self.model)
            except UnknownShape as unknown:
                progress.say(f"model: {self.name} takes the general path, which is slower: {unknown}")
                self._decoder = self.model, name, None
        return self._decoder[2]

    def packed(self, kind: type[Products] = PackedProducts) -> Products | None:
        """Return the weights as decoding wants them, made on first use; None where that is not possible."""
        decoder = self.decoder
        return None if decoder is None else self._forms.of(decoder, kind)

    @property
    def adapter_name(self) -> str | None:
        """Name of the adapter that is trained; None for a model without one, and while it is off."""
        return next(iter(adapters.active(self.model)), None)

    def _adapted_layer(self) -> Any:
        return next((module for module in self.model.modules() if isinstance(module, BaseTunerLayer)), None)

    @classmethod
    def load(cls, folder: Path, *, name: str = "", dtype: str = "float32", device: str = devices.CPU) -> Policy:
        """Return the model of a folder in Hugging Face layout; safetensors only, no code from the folder is run.

        device: where it computes (`models.devices`). Raises InputError for one that cannot be loaded, or that does not
        speak by its logits, and for a device that is not there.
        """
        decoding.refuse(decoding.decoding_in(folder), folder)
        kind, place = DTYPES[dtype], devices.named(device)
        with told(folder):
            tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
            model, found = AutoModelForCausalLM.from_pretrained(
                folder, local_files_only=True, use_safetensors=True, dtype=kind, output_loading_info=True
            )
        if missing := found["missing_keys"]:  # transformers would go on with random ones
            raise InputError(
                f"{folder}: {len(missing)} of the weights that a language model needs are not there ({min(missing)} "
                "...). An encoder or a reward model cannot be sampled from: name the model that it stands on."
            )
        if not tokenizer.chat_template:
            raise InputError(
                f"{folder}: the tokenizer has no chat template. Use a chat model, or add one to its folder."
            )
        # dropout would make recomputed log-probs differ from the sampler's (trap T20)
        model.eval()
        model.requires_grad_(False)
        policy = cls(model.to(place), tokenizer, name=name or folder.name, dtype=kind)
        policy.asking = asking.template_in(folder)
        return policy

    def add_lora(self, *, rank: int, alpha: float, seed: int) -> None:
        """Put a fresh LoRA adapter on every linear layer but the output (B = 0: the first ratio is 1, the first KL 0).

        Source: LoRA, arXiv 2106.09685; all layers rather than attention alone: "LoRA Without Regret", 2025.
        """
        self.adapt(TuningConfig(kind="lora", rank=rank, alpha=alpha), seed=seed)

    def adapt(self, config: TuningConfig, *, seed: int = 0) -> None:
        """Make ready to be trained: a fresh adapter, or the model's own weights with a copy of what they are.

        Weights are trained in float32, whatever the model was loaded as: small updates vanish in bfloat16.
        Raises InputError where the model has no place for the adapter, and when something is trained already.
        """
        self._must_be_bare()
        if config.trains_weights:
            chosen = adapters.chosen_weights(self.model, config)
            if self.dtype.itemsize < torch.float32.itemsize:
                progress.say(f"model: {self.name} is trained in float32, since its own weights are")
                self.model, self.dtype = self.model.float(), torch.float32
            for name, parameter in self.model.named_parameters():
                parameter.requires_grad_(name in chosen)
            self.untouched = Untouched(self.parameters())
        else:
            self.model = adapters.add(self.model, config, seed=seed)
            if config.kind == "prefix":
                adapters.begin_prefix(self.model, self.encode(Prompt.of("Hello")))
        self._tuned(config)

    def load_tuned(self, folder: Path) -> None:
        """Put what `save` wrote on the untouched model, ready to be trained further."""
        self._must_be_bare()
        config = tuned_folder.described_in(folder)
        if config is None:
            self.model = tuned_folder.load_peft(self.model, folder)
            self._tuned(adapters.config_of(self.model))
        else:
            self.adapt(config)
            self.load_state(tuned_folder.read(folder, config, set(self.parameters())))
        self.asking_tuned, self.decoding = asking.template_in(folder), decoding.decoding_in(folder)

    def _must_be_bare(self) -> None:
        if self.tuning is not None:
            raise InputError(f"model: {self.name} has its {self.tuning.kind} already. Load it anew for another.")

    def _tuned(self, config: TuningConfig) -> None:
        self.tuning = config
        self.model.eval()
        self.model.to(self.device)  # what was put on it is drawn on the processor: the same numbers everywhere
        adapters.hold_counts(self.model)
        self.budget = RankBudget(self.model) if rank_budget.is_left(self.model) else None
        self._decoder, self._forms = None, Forms()  # they may know nothing of it

    def after_step(self, step: int) -> None:
        """Do what an adapter does after the optimiser's step number `step`, from 0: AdaLoRA shares its ranks out."""
        if self.budget is not None:
            self.budget.after_step(step)

    @contextlib.contextmanager
    def noisy(self, seed: int) -> Iterator[None]:
        """Inside, dropout and scheduled sampling are on, drawn from the seed: for imitating given texts alone, since
        log-probs are then not the sampler's (trap T20). Our own decoder has neither, so a model that has dropout takes
        the general path here."""
        with devices.drawn_from(seed, self.device):
            self.model.train()
            self._dropping = adapters.has_dropout(self.model)
            try:
                yield
            finally:
                self.model.eval()
                self._dropping = False

    def encode(self, prompt: Prompt, *, adapter: bool = True) -> list[int]:
        """Return the token ids of the templated prompt, ready for the answer; the template adds every special token.

        Raw text, where nothing is asked, begins with one token: the tokenizer's first, else its end. A model that wants
        to be asked in a way of its own is; adapter: whether what was trained on it is to answer.
        """
        prompt = asking.asked(prompt, (self.asking_tuned if adapter else "") or self.asking)
        if not prompt.messages:
            first = self.tokenizer.bos_token_id
            return [int(self.tokenizer.eos_token_id if first is None else first)]
        messages = [{"role": m.role, "content": m.content} for m in prompt.messages]
        encoded = self.tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=True)
        ids: list[int] = encoded["input_ids"]
        return ids

    def decode(self, tokens: Sequence[int]) -> str:
        """Return the text of completion tokens, special tokens left out."""
        return str(self.tokenizer.decode(list(tokens), skip_special_tokens=True))

    def parameters(self) -> dict[str, nn.Parameter]:
        """Return the trained parameters by name, in a fixed order."""
        return {name: p for name, p in sorted(self.model.named_parameters()) if p.requires_grad}

    @contextlib.contextmanager
    def adapter_off(self) -> Iterator[None]:
        """Inside, the model is the untouched reference."""
        with adapters.off(self.model), self.weights_back():
            yield

    def weights_back(self) -> contextlib.AbstractContextManager[None]:
        """Inside, trained weights are what they were before; an adapter stays as it is."""
        return self.untouched.in_place() if self.untouched else contextlib.nullcontext()

    def pack(self, prompts: Sequence[Prompt], completions: Sequence[Sequence[Completion]]) -> Packed:
        """Return packed rows of sampled completions (their own token ids: never re-tokenised, trap T35)."""
        tokens = [[_tokens(completion) for completion in group] for group in completions]
        return pack([self.encode(prompt) for prompt in prompts], tokens)

    def statistics(self, rows: Packed, *, temperature: float, reference: bool) -> TokenStatistics:
        """Return statistics of each completion token; gradients flow to the adapter when it is being trained."""
        untouched = None
        if reference:
            with torch.no_grad():
                untouched = self.states(rows, adapter=False)
        return self.token_statistics(self.states(rows), rows.token_M, temperature, untouched)

    def token_statistics(
        self, states_NH: Tensor, tokens_N: Tensor, temperature: float, reference_NH: Tensor | None = None,
        *, reference_weight: Tensor | None = None,
    ) -> TokenStatistics:  # fmt: skip
        """Return statistics of tokens by the states that predict them, beside those of another model's states.

        reference_weight: the output matrix of that other model; None: as it was before training.
        """
        cap = getattr(self.model.config, "final_logit_softcapping", None)
        its = reference_weight
        if its is None and self.untouched:
            its = self.output_matrix(untouched=True)
        return token_statistics(
            states_NH, self.output_matrix(), tokens_N.to(states_NH.device),
            reference=reference_NH, temperature=temperature, cap=cap, reference_weight=its,
        )  # fmt: skip

    def logits(self, states_NH: Tensor, *, untouched: bool = False) -> Tensor:
        """Return logits (N, V) of final states, float32; untouched: by the output matrix as it was before training."""
        logits_NV = (states_NH @ self.output_matrix(untouched=untouched).T.to(states_NH.dtype)).float()
        cap = getattr(self.model.config, "final_logit_softcapping", None)
        return logits_NV if cap is None else cap * torch.tanh(logits_NV / cap)

    def output_matrix(self, *, untouched: bool = False) -> Tensor:
        """Return (V, H): what states are turned into logits with; untouched: as it was before training."""
        weight: Tensor = self.model.get_output_embeddings().weight
        return self.untouched.of(weight) if untouched and self.untouched else weight

    def outputs(self, inputs: PolicyInputs, *, reference: bool = False) -> Outputs:
        """Return the same, as rows of completions (B, T), zero beyond each one's end."""
        found = self.statistics(inputs.rows, temperature=inputs.temperature, reference=reference)

        def rows(values_N: Tensor | None) -> Tensor | None:
            if values_N is None:
                return None
            values_BT = inputs.rows.unflatten(values_N)
            return nn.functional.pad(values_BT, (0, inputs.width - values_BT.shape[1]))

        return Outputs(
            logprobs_BT=rows(found.logprobs),
            entropy_BT=rows(found.entropy),
            reference_logprobs_BT=rows(found.reference_logprobs),
            kl_BT=rows(found.kl),
        )

    @torch.no_grad()
    def divergence(self, rows: Packed, *, temperature: float, adapter: bool = True) -> tuple[list[float], list[float]]:
        """Return, for each completion, KL(policy || untouched) at the sampling temperature and the untouched model's
        negative log-likelihood at temperature 1, in nats, summed over tokens. Without the adapter the KL is 0."""
        untouched = self.states(rows, adapter=False)
        with self.weights_back():
            plain = self.token_statistics(untouched, rows.token_M, 1.0)
        nll = [-float(part.sum()) for part in torch.split(plain.logprobs.cpu(), rows.lengths_B)]
        if not adapter:
            return [0.0] * len(nll), nll
        found = self.token_statistics(self.states(rows), rows.token_M, temperature, untouched)
        assert found.kl is not None
        return [float(part.sum()) for part in torch.split(found.kl.cpu(), rows.lengths_B)], nll

    def states(self, rows: Packed, *, adapter: bool = True, shift_NH: Tensor | None = None) -> Tensor:
        """Return (M, H): the final state that predicts each completion token.

        shift_NH: what is added to the embeddings of the N tokens laid flat.
        """
        if self._dropping or bidirectional.is_encoder(self.model) or self.decoder is None:
            with contextlib.nullcontext() if adapter else self.adapter_off():
                return general.hidden_states(self.model, rows.on(self.device), self.dtype, shift_NH)
        decoder, name = self.decoder, self.adapter_name
        rows = (rows.once if shift_NH is None else rows).on(self.device)
        attend = PackedAttention(decoder.shape, rows.layout, decoder.dtype)
        read = decoder.adapter(name) if adapter and name else None
        # never by packed weights: policy and reference are rounded alike, so that the first KL is 0
        with contextlib.nullcontext() if adapter else self.weights_back():
            return decoder.states(
                rows.tokens_N, rows.layout.positions_N, attend, read,
                recompute=self.recompute, shift_NH=shift_NH, only_M=rows.source_M,
            )  # fmt: skip

    def state(self) -> dict[str, Tensor]:
        """Return the trained tensors by name, for a checkpoint, with what AdaLoRA goes on from."""
        trained = {name: p.detach().clone() for name, p in self.parameters().items()}
        return trained | (self.budget.state() if self.budget else {})

    def fingerprint(self) -> str:
        """Return the id of the trained weights: a hash of their names and bytes."""
        digest = hashlib.sha256(self.name.encode())
        for name, parameter in self.parameters().items():
            digest.update(name.encode())
            digest.update(parameter.detach().cpu().float().contiguous().numpy().tobytes())
        return f"k_{digest.hexdigest()[:20]}"

    def load_state(self, tensors: dict[str, Tensor]) -> None:
        """Put back what `state` returned. Raises InputError, and changes nothing, when any name or shape differs."""
        mine, given = self.parameters(), tensors
        tensors = {name: tensor for name, tensor in given.items() if not name.startswith(rank_budget.PREFIX)}
        if mine.keys() != tensors.keys():
            raise InputError(f"adapter: {len(tensors)} tensors saved but {len(mine)} expected; is it another model's?")
        for name, parameter in mine.items():  # copy_ would spread a smaller tensor over a larger one
            if parameter.shape != tensors[name].shape:
                saved, here = tuple(tensors[name].shape), tuple(parameter.shape)
                raise InputError(f"adapter: {name} was saved as {saved} but is {here} here; was its rank changed?")
        with torch.no_grad():
            for name, parameter in mine.items():
                parameter.copy_(tensors[name])
        if self.budget:
            self.budget.load_state(given)

    def save(self, folder: Path) -> None:
        """Write what is trained (an adapter in peft's layout, weights in Hugging Face's), the tokenizer beside it."""
        tuned_folder.save(self.model, self.tuning, self.state(), folder)
        self.tokenizer.save_pretrained(str(folder))

    def load_adapter_file(self, file: Path) -> None:
        """Read `adapter_model.safetensors` as `save` wrote it into the present adapter."""
        saved = load_file(file)
        self.load_state({f"{name.replace('.weight', '')}.default.weight": tensor for name, tensor in saved.items()})


@contextlib.contextmanager
def told(folder: Path) -> Iterator[None]:
    """Inside, what transformers finds wrong with a folder is told as an InputError that names it."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:  # transformers and tokenizers raise anything at all
        said = f"{type(error).__name__}: {error}".splitlines()[0]
        raise InputError(
            f"{folder}: transformers cannot load this model ({said}). Fetch or copy it again, or save it anew "
            "with save_pretrained."
        ) from error


def _tokens(completion: Completion) -> list[int]:
    if completion.token_ids is None:
        raise InputError(f"completion {completion.id} has no token ids: it was not sampled here, or words were masked.")
    return list(completion.token_ids)


def _end_ids(model: Any, tokenizer: Any) -> frozenset[int]:
    """Return the ids that end a completion: the tokenizer's and the generation config's."""
    ends = {tokenizer.eos_token_id}
    configured = getattr(getattr(model, "generation_config", None), "eos_token_id", None)
    ends.update(configured if isinstance(configured, list) else [configured])
    return frozenset(end for end in ends if end is not None)
