"""A reward model on a causal language model: lower layers frozen and computed once, upper layers and K heads trained.

The text is put into a template that ends where the model is about to say what it thinks ("... opinion of it is very");
the state of the last token goes through K linear heads. Saved merged, as the family's `ForSequenceClassification` with
K labels and fewer layers, so that `transformers` reads it as it is.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from peft import LoraConfig, inject_adapter_in_model
from peft.tuners.tuners_utils import BaseTunerLayer
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers import AutoModel, AutoModelForSequenceClassification, AutoTokenizer

from burnish.errors import InputError
from burnish.maths.batch import Outputs
from burnish.models import devices
from burnish.models.decoder.attention import PackedAttention
from burnish.models.decoder.forward import Decoder
from burnish.models.decoder.shape import UnknownShape
from burnish.models.packing import SHARED, Layout, lay, shared_beginning
from burnish.models.policy import DTYPES

ROWS = 64


@dataclass(frozen=True)
class Activations:
    """A text after the frozen layers."""

    ids: tuple[int, ...]
    states_TH: Tensor
    """On the processor, whose memory holds those of more texts than a device's."""

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True)
class RewardModelConfig:
    """What the reward model is made of."""

    template: str = "Review: {text}\nThe reviewer's opinion of it is very"
    """How a completion is shown to the reward model; {text} and {prompt} are filled in."""
    layers: int = 22
    """How many of the backbone's layers are used; the top ones speak of the next word and help less."""
    frozen: int = 10
    """How many of them stay as they are; their activations are computed once."""
    trains: Literal["lora", "top", "heads"] = "lora"
    """What trains above the frozen layers: LoRA, all their weights (the final norm with either), or the heads alone."""
    rank: int = 16
    """Rank of the LoRA matrices."""
    heads: int = 5
    """K, the members of the ensemble."""
    max_tokens: int = 128
    """Longer texts are cut to this many tokens; the template stays whole."""

    def __post_init__(self) -> None:
        if "{text}" not in self.template:
            raise InputError(f"template: {self.template!r} has no {{text}}. Say where the completion goes.")
        if not 0 <= self.frozen <= self.layers:
            raise InputError(f"frozen: {self.frozen} is not between 0 and layers ({self.layers}).")
        for name in ("heads", "rank", "max_tokens"):
            if getattr(self, name) < 1:
                raise InputError(f"{name}: {getattr(self, name)} is not a whole number from 1 up.")


class RewardModel:
    """The network; `outputs` takes a list of `activations`."""

    def __init__(self, backbone: Any, tokenizer: Any, config: RewardModelConfig, dtype: torch.dtype) -> None:
        self.config = config
        self.tokenizer = tokenizer
        self.dtype = dtype
        self.backbone: Any = backbone.eval().requires_grad_(False)
        count = len(backbone.layers)
        if config.layers > count:
            raise InputError(f"reward_model.layers: {config.layers}, but the model has {count}. Use at most {count}.")
        self.lower = backbone.layers[: config.frozen]
        self.upper: Any = backbone.layers[config.frozen : config.layers]
        self.norm: Any = backbone.norm.float()
        self._decoder: Decoder | None = None
        hidden = int(backbone.config.hidden_size)
        self.score = nn.Linear(hidden, config.heads, bias=False)

    @property
    def device(self) -> torch.device:
        """Where the model computes."""
        found: torch.device = self.backbone.embed_tokens.weight.device
        return found

    def _move(self, device: torch.device) -> RewardModel:
        """Return the model with all of it on a device; before the first use of its `decoder`."""
        self.backbone.to(device)
        self.score.to(device)
        return self

    @property
    def decoder(self) -> Decoder:
        """The backbone's arithmetic; made on first use, when the adapter stands."""
        if self._decoder is None:
            try:
                self._decoder = Decoder(self.backbone)
            except UnknownShape as unknown:
                raise InputError(f"reward_model: the model cannot be the trunk of a reward model: {unknown}") from None
        return self._decoder

    @classmethod
    def fresh(
        cls, folder: Path, config: RewardModelConfig, *, dtype: str, seed: int, device: str = devices.CPU
    ) -> RewardModel:
        """Return an untrained reward model on the language model of a folder; device: where it computes."""
        place = devices.named(device)
        model = cls(_backbone(folder, DTYPES[dtype]), _tokenizer(folder), config, DTYPES[dtype])
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            nn.init.normal_(model.score.weight, std=0.02)
            if config.trains == "lora" and len(model.upper):
                lora = LoraConfig(
                    r=config.rank, lora_alpha=2 * config.rank, target_modules=r".*\.(\w+_proj)", lora_dropout=0.0
                )
                model.upper = inject_adapter_in_model(lora, nn.ModuleDict({"layers": model.upper}))["layers"]
        for name, parameter in model.upper.named_parameters():
            if "lora_" in name or config.trains == "top":
                parameter.data = parameter.data.float()
                parameter.requires_grad_(True)
        model.norm.requires_grad_(config.trains != "heads")
        return model._move(place)

    @classmethod
    def load(cls, folder: Path, *, dtype: str, device: str = devices.CPU) -> RewardModel:
        """Return the reward model that `save` wrote; device: where it computes."""
        place = devices.named(device)
        described = json.loads((folder / "reward_model.json").read_text("utf-8"))
        config = RewardModelConfig(**described)
        whole = AutoModelForSequenceClassification.from_pretrained(
            folder, local_files_only=True, use_safetensors=True, dtype=DTYPES[dtype]
        )
        model = cls(whole.model, _tokenizer(folder), config, DTYPES[dtype])
        model.score.weight.data = whole.score.weight.detach().float()
        model.score.requires_grad_(False)
        return model._move(place)

    def parameters(self) -> dict[str, nn.Parameter]:
        """Return trained parameters by name: `upper.*`, `norm.*`, `score.*`."""
        parts = {"upper": self.upper, "norm": self.norm, "score": self.score}
        return {f"{part}.{n}": p for part, m in parts.items() for n, p in m.named_parameters() if p.requires_grad}

    def state(self) -> dict[str, Tensor]:
        """Return the trained tensors by name."""
        return {name: p.detach().clone() for name, p in self.parameters().items()}

    def load_state(self, tensors: dict[str, Tensor]) -> None:
        """Put back what `state` returned."""
        with torch.no_grad():
            for name, parameter in self.parameters().items():
                parameter.copy_(tensors[name])

    def encode(self, text: str, prompt: str = "") -> list[int]:
        """Return token ids of the filled template; a long text loses its end, never the template.

        A prompt that is shown keeps its end, a third of the room at most: the text must be seen.
        """
        if "{prompt}" in self.config.template:
            asked = self.tokenizer(prompt, add_special_tokens=False)["input_ids"]
            if len(asked) > self.config.max_tokens // 3:
                prompt = self.tokenizer.decode(asked[-(self.config.max_tokens // 3) :])
        filled = [part.replace("{prompt}", prompt) for part in _parts(self.config.template)]
        ids = [self.tokenizer(part, add_special_tokens=False)["input_ids"] for part in (filled[0] + text, filled[1])]
        room = self.config.max_tokens - len(ids[1])
        if room < 1:
            raise InputError(
                f"template: {len(ids[1])} tokens follow the text and max_tokens is {self.config.max_tokens}: "
                "nothing of the text would be seen. Shorten the template or raise max_tokens."
            )
        return [*ids[0][:room], *ids[1]] or [0]

    @torch.inference_mode()
    def activations(self, encoded: Sequence[list[int]], advance: Any = None) -> list[Activations]:
        """Return each text's states after the frozen layers; each batch calls `advance(rows)`."""
        found = [Activations((), torch.empty(0))] * len(encoded)
        for part in by_length(encoded, ROWS):
            ids = torch.tensor([token for i in part for token in encoded[i]], device=self.device)
            lengths = [len(encoded[i]) for i in part]
            states = self._run(range(self.config.frozen), self.decoder.embed(ids), lay([[n] for n in lengths]))
            for i, state in zip(part, torch.split(states, lengths), strict=True):
                found[i] = Activations(tuple(encoded[i]), state.to("cpu", copy=True))
            if advance:
                advance(len(part))
        return found

    def outputs(self, inputs: Sequence[Activations], *, reference: bool = False) -> Outputs:
        """Return rewards (B, K) for the texts whose activations these are.

        What a pair begins with alike, its prompt, is computed once: neither text sees what is the other's alone.
        """
        begun = shared_beginning([each.ids for each in inputs])
        groups = list(_side_by_side(inputs, begun))
        layout = lay([[start, *(len(each) - start for each in texts)] for start, texts in groups], begun)
        # copies, because tensors made under inference mode cannot be saved for backward
        parts = [part.clone() for start, texts in groups for part in _flat(start, texts, begun)]
        if begun:
            parts.insert(0, inputs[0].states_TH[:begun].clone())
        last_B = torch.tensor([len(part) for part in parts]).cumsum(0)[-len(inputs) :] - 1
        last = self._run(range(self.config.frozen, self.config.layers), torch.cat(parts), layout, last_B).float()
        return Outputs(rewards_BK=self.score(self.decoder.norm(last, self.norm.weight)))

    @torch.no_grad()
    def predict(self, texts: Sequence[str], prompts: Sequence[str] | None = None, advance: Any = None) -> Tensor:
        """Return rewards (N, K) of texts, float32."""
        encoded = [self.encode(t, p) for t, p in zip(texts, prompts or [""] * len(texts), strict=True)]
        found = torch.zeros(len(texts), self.config.heads)
        for part in by_length(encoded, ROWS):
            rewards = self.outputs(self.activations([encoded[i] for i in part])).rewards_BK
            assert rewards is not None
            found[part] = rewards.cpu()
            if advance:
                advance(len(part))
        return found

    def _run(self, layers: range, states: Tensor, layout: Layout, only: Tensor | None = None) -> Tensor:
        """Return states (N, H) after these layers of texts that lie flat, or only those of the tokens asked for."""
        decoder, layout = self.decoder, layout.on(self.device)
        attend = PackedAttention(decoder.shape, layout, self.dtype)
        return decoder.run(
            states.to(self.device, self.dtype), layout.positions_N, attend, decoder.adapter(), layers=layers,
            only_M=None if only is None else only.to(self.device),
        )  # fmt: skip

    def save(self, folder: Path) -> None:
        """Write a merged copy of the model in Hugging Face layout, with `reward_model.json` beside it."""
        tensors = {"model.embed_tokens.weight": self.backbone.embed_tokens.weight}
        for number, layer in enumerate([*self.lower, *self.upper]):
            tensors |= {f"model.layers.{number}.{name}": tensor for name, tensor in _merged(layer).items()}
        tensors["model.norm.weight"], tensors["score.weight"] = self.norm.weight, self.score.weight
        saved = {name: tensor.detach().to(self.dtype).contiguous() for name, tensor in tensors.items()}
        save_file(saved, folder / "model.safetensors", metadata={"format": "pt"})
        config = self.backbone.config.to_dict()
        config |= {
            "architectures": [type(self.backbone).__name__.removesuffix("Model") + "ForSequenceClassification"],
            "num_hidden_layers": self.config.layers,
            "id2label": {str(k): f"reward_{k}" for k in range(self.config.heads)},
            "label2id": {f"reward_{k}": k for k in range(self.config.heads)},
            "dtype": str(self.dtype).removeprefix("torch."),
            "pad_token_id": self.tokenizer.pad_token_id,  # where transformers finds the last token of a padded row
        }
        (folder / "config.json").write_text(json.dumps(config, indent=1, default=str), "utf-8")
        (folder / "reward_model.json").write_text(json.dumps(asdict(self.config), indent=1), "utf-8")
        self.tokenizer.save_pretrained(str(folder))


def _side_by_side(inputs: Sequence[Activations], begun: int) -> Iterator[tuple[int, list[Activations]]]:
    """Yield (tokens shared, texts that stand side by side and share them); any other text comes alone, with 0.

    begun: tokens that all texts share anyway; those side by side must share more.
    """
    texts: list[Activations] = []
    shared = 0
    for each in inputs:
        alike = _alike(texts[0].ids, each.ids, shared or len(texts[0])) if texts else 0
        if alike >= begun + SHARED:
            texts.append(each)
            shared = alike
            continue
        if texts:
            yield shared, texts
        texts, shared = [each], 0
    if texts:
        yield shared, texts


def _alike(first: Sequence[int], second: Sequence[int], most: int) -> int:
    """Return with how many equal tokens both begin, at most so many, and a token of each left over."""
    most = min(most, len(first) - 1, len(second) - 1)
    return next((place for place in range(most) if first[place] != second[place]), most)


def _flat(shared: int, texts: Sequence[Activations], begun: int) -> Iterator[Tensor]:
    """Yield the states in the order of the layout: what is shared with the first text's own part, then the others'.

    begun: tokens of all texts alike, which are laid down elsewhere.
    """
    yield texts[0].states_TH[begun:]
    yield from (each.states_TH[shared:] for each in texts[1:])


def by_length(encoded: Sequence[Sequence[Any]], rows: int) -> list[list[int]]:
    """Return indices in batches of texts of like length: little padding."""
    order = sorted(range(len(encoded)), key=lambda i: (len(encoded[i]), i))
    return [order[start : start + rows] for start in range(0, len(order), rows)]


def _merged(layer: Any) -> dict[str, Tensor]:
    """Return a layer's weights under their own names, each with its adapter's product added."""
    tensors = {name: tensor for name, tensor in layer.state_dict().items() if "lora_" not in name}
    for name, module in layer.named_modules():
        if isinstance(module, BaseTunerLayer):
            (adapter,) = module.active_adapters
            base = tensors.pop(f"{name}.base_layer.weight")
            tensors[f"{name}.weight"] = base.float() + module.get_delta_weight(adapter).float()
    return tensors


def _parts(template: str) -> tuple[str, str]:
    before, after = template.split("{text}", 1)
    return before, after


def _backbone(folder: Path, dtype: torch.dtype) -> Any:
    return AutoModel.from_pretrained(folder, local_files_only=True, use_safetensors=True, dtype=dtype)


def _tokenizer(folder: Path) -> Any:
    return AutoTokenizer.from_pretrained(folder, local_files_only=True)
