"""A language model that is trained: Hugging Face weights, a peft adapter, packed log-probs, the untouched reference.

The reference is the same model with the adapter off, so there is one copy of the weights (trap T21: true for a new
adapter; a later round continues the same adapter and still measures against the untouched model).
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from peft.tuners.tuners_utils import BaseTunerLayer
from peft.utils.error import NoMatchingPeftModuleError
from safetensors.torch import load_file
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.utils import logging

from burnish import progress
from burnish.errors import InputError
from burnish.maths.batch import Outputs
from burnish.models import general
from burnish.models.decoder.attention import PackedAttention
from burnish.models.decoder.forward import Decoder
from burnish.models.decoder.packed import PackedProducts
from burnish.models.decoder.shape import UnknownShape
from burnish.models.head import TokenStatistics, token_statistics
from burnish.models.packing import Packed, pack
from burnish.models.small import registry as registry  # so that the Auto classes know our own small models
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
        self._decoder: tuple[Any, str | None, Decoder | None] | None = None
        self._packed: PackedProducts | None = None

    @property
    def decoder(self) -> Decoder | None:
        """Our own arithmetic over the model's weights; None for a model that takes the general path."""
        layer = self._adapted_layer()
        name = layer.active_adapters[0] if layer else None
        if self._decoder is None or self._decoder[0] is not self.model or self._decoder[1] != name:
            try:
                self._decoder = self.model, name, Decoder(self.model)
            except UnknownShape as unknown:
                progress.say(f"model: {self.name} takes the general path, which is slower: {unknown}")
                self._decoder = self.model, name, None
        return self._decoder[2]

    def packed(self) -> PackedProducts | None:
        """Return the weights as decoding wants them, made on first use; None where that is not possible."""
        decoder = self.decoder
        if decoder is None or not PackedProducts.possible(decoder):
            return None
        if self._packed is None or self._packed.decoder is not decoder:
            self._packed = PackedProducts(decoder)
        return self._packed

    @property
    def adapter_name(self) -> str | None:
        """Name of the adapter that is trained; None for a bare model, and while the adapter is off."""
        layer = self._adapted_layer()
        return layer.active_adapters[0] if layer and not layer.disable_adapters else None

    def _adapted_layer(self) -> Any:
        return next((module for module in self.model.modules() if isinstance(module, BaseTunerLayer)), None)

    @classmethod
    def load(cls, folder: Path, *, name: str = "", dtype: str = "float32") -> Policy:
        """Return the model of a folder in Hugging Face layout; safetensors only, no code from the folder is run."""
        kind = DTYPES[dtype]
        with told(folder):
            tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
            model = AutoModelForCausalLM.from_pretrained(
                folder, local_files_only=True, use_safetensors=True, dtype=kind
            )
        if not tokenizer.chat_template:
            raise InputError(
                f"{folder}: the tokenizer has no chat template. Use a chat model, or add one to its folder."
            )
        # dropout would make recomputed log-probs differ from the sampler's (trap T20)
        model.eval()
        model.requires_grad_(False)
        return cls(model, tokenizer, name=name or folder.name, dtype=kind)

    def add_lora(self, *, rank: int, alpha: float, seed: int) -> None:
        """Put a fresh LoRA adapter on every linear layer but the output (B = 0: the first ratio is 1, the first KL 0).

        Source: LoRA, arXiv 2106.09685; all layers rather than attention alone: "LoRA Without Regret", 2025.
        """
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            adapter = LoraConfig(
                r=rank, lora_alpha=alpha, lora_dropout=0.0, target_modules="all-linear", task_type="CAUSAL_LM"
            )
            with warnings.catch_warnings():  # peft asks transformers for a name that it is about to drop
                warnings.simplefilter("ignore", FutureWarning)
                try:
                    self.model = get_peft_model(self.model, adapter, autocast_adapter_dtype=True)
                except NoMatchingPeftModuleError:
                    kind = self.model.config.model_type
                    raise InputError(
                        f"lora: {kind!r} has no linear layers beside its output. Train its weights themselves."
                    ) from None
        self.model.eval()

    def encode(self, prompt: Prompt) -> list[int]:
        """Return the token ids of the templated prompt, ready for the answer; the template adds every special token."""
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
        if isinstance(self.model, PeftModel):
            with self.model.disable_adapter():
                yield
        else:
            yield

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
        self, states_NH: Tensor, tokens_N: Tensor, temperature: float, reference_NH: Tensor | None = None
    ) -> TokenStatistics:
        """Return statistics of tokens by the states that predict them, beside those of another model's states."""
        cap = getattr(self.model.config, "final_logit_softcapping", None)
        weight = self.model.get_output_embeddings().weight
        return token_statistics(states_NH, weight, tokens_N, reference=reference_NH, temperature=temperature, cap=cap)

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
        plain = self.token_statistics(untouched, rows.token_M, 1.0)
        nll = [-float(part.sum()) for part in torch.split(plain.logprobs, rows.lengths_B)]
        if not adapter:
            return [0.0] * len(nll), nll
        found = self.token_statistics(self.states(rows), rows.token_M, temperature, untouched)
        assert found.kl is not None
        return [float(part.sum()) for part in torch.split(found.kl, rows.lengths_B)], nll

    def states(self, rows: Packed, *, adapter: bool = True) -> Tensor:
        """Return (M, H): the final state that predicts each completion token."""
        if self.decoder is None:
            with contextlib.nullcontext() if adapter else self.adapter_off():
                return general.hidden_states(self.model, rows, self.dtype)
        decoder, name = self.decoder, self.adapter_name
        attend = PackedAttention(decoder.shape, rows.layout, decoder.dtype)
        read = decoder.adapter(name) if adapter and name else None
        # never by packed weights: policy and reference are rounded alike, so that the first KL is 0
        return decoder.states(rows.tokens_N, rows.layout.positions_N, attend, read)[rows.source_M]

    def state(self) -> dict[str, Tensor]:
        """Return the trained tensors by name, for a checkpoint."""
        return {name: p.detach().clone() for name, p in self.parameters().items()}

    def fingerprint(self) -> str:
        """Return the id of the trained weights: a hash of their names and bytes."""
        digest = hashlib.sha256(self.name.encode())
        for name, parameter in self.parameters().items():
            digest.update(name.encode())
            digest.update(parameter.detach().float().contiguous().numpy().tobytes())
        return f"k_{digest.hexdigest()[:20]}"

    def load_state(self, tensors: dict[str, Tensor]) -> None:
        """Put back what `state` returned. Raises InputError, and changes nothing, when any name or shape differs."""
        mine = self.parameters()
        if mine.keys() != tensors.keys():
            raise InputError(f"adapter: {len(tensors)} tensors saved but {len(mine)} expected; is it another model's?")
        for name, parameter in mine.items():  # copy_ would spread a smaller tensor over a larger one
            if parameter.shape != tensors[name].shape:
                saved, here = tuple(tensors[name].shape), tuple(parameter.shape)
                raise InputError(f"adapter: {name} was saved as {saved} but is {here} here; was its rank changed?")
        with torch.no_grad():
            for name, parameter in mine.items():
                parameter.copy_(tensors[name])

    def save(self, folder: Path) -> None:
        """Write the adapter in peft's layout, with the tokenizer beside it."""
        self.model.save_pretrained(str(folder), safe_serialization=True)
        path = folder / "adapter_config.json"
        described = json.loads(path.read_text("utf-8"))
        if isinstance(described.get("target_modules"), list):  # a set in peft: its order changes with every process
            described["target_modules"].sort()
        path.write_text(json.dumps(described, indent=2, sort_keys=True), "utf-8")
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
