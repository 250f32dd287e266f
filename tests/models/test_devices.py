"""Every tensor is made where the model computes, seen without a GPU (`tests.elsewhere`), and says what the CPU says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.elsewhere import CPU, CUDA, elsewhere
from tests.methods.test_contract import CASES, LEAVES, window
from torch import Tensor

from burnish import methods
from burnish.errors import InputError
from burnish.examples import Example, Row
from burnish.loop import savepoint
from burnish.loop.fit import FitSettings, Item, fit, rows_of
from burnish.loop.recipe import Recipe
from burnish.maths.batch import Outputs
from burnish.models import devices
from burnish.models.choosing import EngineChooser
from burnish.models.decoder.weights import mixed
from burnish.models.general import GeneralEngine
from burnish.models.headed import HeadedPolicy
from burnish.models.packing import Packed, pack
from burnish.models.policy import Policy
from burnish.models.reward_model import RewardModel, RewardModelConfig
from burnish.models.sampler import EngineSampler
from burnish.models.tuning import TuningConfig
from burnish.records import Completion, Prompt, Sampling, Score
from burnish.training.optimiser import OptimiserConfig
from burnish.training.steps import StepConfig, Steps

ALIKE = list(range(20, 34))
LAYOUTS = {
    "groups of like size": ([[5, 9, 12], [30, 31]], [[[20, 21, 22], [33]], [[50, 51], [60, 61]]]),
    "groups of unlike size": ([[5, 9, 12], [30, 31]], [[[20, 21, 22], [33]], [[50], [60, 61], [70]]]),
    "prompts that begin alike": ([[*ALIKE, 5, 6], [*ALIKE, 7]], [[[20, 21, 22], [33]], [[50, 51], [60, 61]]]),
    "single completions": ([[5, 9, 12], [30, 31]], [[[20, 21, 22]], [[50, 51]]]),
}
KINDS = {
    "lora": TuningConfig("lora", rank=3, alpha=6.0),
    "adalora": TuningConfig("adalora", rank=4, target_rank=2, alpha=8.0, steps=20),
    "ia3": TuningConfig("ia3"),
    "prefix": TuningConfig("prefix", tokens=3),
    "bottleneck": TuningConfig("bottleneck", width=5),
    "full": TuningConfig("full"),
}
PROMPTS = [Prompt.of("the good lamp, and the bad"), Prompt.of("hi")]
DRAWN = Sampling(temperature=0.8, max_new_tokens=8)


def both(work: Callable[[str], Any]) -> tuple[Any, Any]:
    """What comes of it on the processor and, as far as anybody asks, on a GPU; all that comes back is on the former."""
    here = work("cpu")
    with elsewhere():
        there = work("cuda")
    return here, there


def a_policy(folder: Path, device: str, tuning: TuningConfig | None = None, **how: Any) -> Policy:
    policy = Policy.load(folder, device=device, **how)
    policy.adapt(tuning or KINDS["lora"], seed=1)
    return moved(policy)


def moved(network: Any) -> Any:
    """As if it had been trained."""
    noise = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in network.parameters().values():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=noise).to(parameter.device))
    return network


def learned(policy: Policy, rows: Packed) -> dict[str, Tensor]:
    """Log-probs, KL and every gradient."""
    said = policy.statistics(rows, temperature=0.8, reference=True)
    assert said.kl is not None
    assert said.logprobs.device == policy.device
    torch.autograd.backward(said.logprobs.sum() + said.kl.sum())
    gradients = {name: p.grad.cpu() for name, p in policy.parameters().items() if p.grad is not None}
    return {"logprobs": said.logprobs.detach().cpu(), "kl": said.kl.detach().cpu(), **gradients}


def same(here: dict[str, Tensor], there: dict[str, Tensor], within: float = 1e-4) -> bool:
    return here.keys() == there.keys() and all(
        torch.allclose(here[name], there[name], rtol=1e-3, atol=within) for name in here
    )


# ------------------------------------------------------------------------------------------------- the pretended device


def test_what_is_elsewhere_does_not_mix_with_what_is_here():
    with elsewhere():
        there = torch.ones(3, device="cuda", requires_grad=True)
        assert (there.device, (2 * there)[:2].device, there.cpu().device) == (CUDA, CUDA, CPU)
        for wrong in (
            lambda: there + torch.ones(3),
            lambda: torch.cat([there, torch.ones(1)]),
            lambda: there.index_select(0, torch.tensor([1])),
            lambda: torch.ones(3)[torch.tensor([0]).to(CUDA)],
        ):
            with pytest.raises(RuntimeError, match="tensors on cpu and cuda:0"):
                wrong()
        with pytest.raises(TypeError, match="numpy"):
            there.detach().numpy()
        (there * 2 + torch.tensor(1.0)).sum().backward()  # a number may be anywhere
        assert there.grad.device == CUDA
    assert there.device == CPU


# --------------------------------------------------------------------------------------------------------- the network


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("recompute", [False, True])
def test_log_probs_and_gradients_of_packed_texts(tiny_folder, layout, recompute):
    def work(device: str) -> dict[str, Tensor]:
        policy = a_policy(tiny_folder, device)
        policy.recompute = recompute
        return learned(policy, pack(*LAYOUTS[layout]))

    assert same(*both(work))


@pytest.mark.parametrize("kind", KINDS)
def test_whatever_is_trained(tiny_folder, kind):
    def work(device: str) -> dict[str, Tensor]:
        return learned(a_policy(tiny_folder, device, KINDS[kind]), pack(*LAYOUTS["groups of unlike size"]))

    assert same(*both(work))


def test_the_model_and_all_that_was_put_on_it_are_where_it_was_asked_for(tiny_folder):
    with elsewhere():
        for tuning in KINDS.values():
            policy = a_policy(tiny_folder, "cuda", tuning)
            network = HeadedPolicy(policy, heads={"value": 1, "reward": 2})
            assert {p.device for p in (*policy.model.parameters(), *network.parameters().values())} == {CUDA}
            assert {tensor.device for tensor in policy.model.buffers()} == {CUDA}


def test_dropout_is_drawn_there_and_its_generator_is_put_back(tiny_folder, monkeypatch):
    put_back = []
    with elsewhere():
        monkeypatch.setattr(torch.cuda, "set_rng_state", lambda state, device: put_back.append(device))
        policy = a_policy(tiny_folder, "cuda", replace(KINDS["lora"], dropout=0.5))
        rows = pack(*LAYOUTS["groups of like size"])
        plain = learned(policy, rows)["logprobs"]
        with policy.noisy(1):
            dropped = learned(policy, rows)["logprobs"]
        assert not torch.allclose(plain, dropped)
        assert put_back == [CUDA]


def test_a_state_goes_from_one_device_to_another_and_is_the_same_checkpoint(tiny_folder, tmp_path):
    here = a_policy(tiny_folder, "cpu")
    here.save(tmp_path)
    with elsewhere():
        there = Policy.load(tiny_folder, name=here.name, device="cuda")
        there.load_tuned(tmp_path)
        assert there.fingerprint() == here.fingerprint()
        assert {parameter.device for parameter in there.parameters().values()} == {CUDA}
        moved(there).save(tmp_path / "again")
        name, state = there.fingerprint(), there.state()
    back = Policy.load(tiny_folder, name=here.name)
    back.load_tuned(tmp_path / "again")
    assert back.fingerprint() == name
    here.load_state(state)
    assert here.fingerprint() == name


# -------------------------------------------------------------------------------------------------------- training


def examples(policy: Policy) -> list[Example]:
    """Two groups of two, drawn elsewhere long ago."""
    said = [[(5, 9, 7), (30, 1)], [(8, 1), (60, 61, 62, 1)]]
    rows = [
        [
            Row(prompt, Completion(prompt.id, policy.decode(ids), ids, (-1.0,) * len(ids), index=k), fresh=True,
                score=float(k), rank=k, probability=0.9, teacher=Prompt.of("say it well"))
            for k, ids in enumerate(group)
        ]
        for prompt, group in zip(PROMPTS, said, strict=True)
    ]  # fmt: skip
    return [Example(tuple(group)) for group in rows]


def stepping(folder: Path, device: str, method: str, walk: StepConfig, **changes: Any) -> Steps:
    module = methods.load(method)
    config = module.Config(**changes)
    policy = a_policy(folder, device, replace(KINDS["lora"], dropout=0.1 if module.needs(config).noise else 0.0))
    needs = module.needs(config)
    network = HeadedPolicy(policy, heads=needs.heads, speaks=needs.policy or "reference" in needs.views)
    return Steps(
        network, module, config, OptimiserConfig(learning_rate=0.01, warmup_steps=0), walk,
        steps=4, seed=0, max_new_tokens=8,
    )  # fmt: skip


WALKS = {
    "grpo": StepConfig(rows_per_slice=2, parts=2, ema=0.5),
    "ppo": StepConfig(passes=2),
    "sdpo": StepConfig(adversarial=1.0),
    "dpo": StepConfig(),
    "ilql": StepConfig(),
    "reward": StepConfig(rows_per_slice=2),
    "ranking_reward": StepConfig(),
    "span_reward": StepConfig(),
}


@pytest.mark.parametrize("method", WALKS)
def test_steps_of_an_optimiser_and_going_on_from_a_saved_state(tiny_folder, tmp_path, method):
    def work(device: str) -> dict[str, Tensor]:
        steps = stepping(tiny_folder, device, method, WALKS[method])
        given = examples(steps.network.policy)
        steps.learn(given)
        savepoint.save(tmp_path / device, 1, {"steps": steps.state()}, {})
        tensors, _ = savepoint.load(tmp_path / device)
        steps = stepping(tiny_folder, device, method, WALKS[method])
        steps.load_state(tensors["steps"], WALKS[method].passes * WALKS[method].parts)
        told = steps.learn(given)
        assert told["loss"] == pytest.approx(told["loss"])  # no NaN
        with steps.averaged():
            return {name: p.detach().cpu() for name, p in steps.network.parameters().items()}

    assert same(*both(work), within=2e-3)


@pytest.mark.parametrize(("name", "config"), CASES)
def test_the_loss_of_every_method_is_counted_where_the_outputs_are(name, config):
    def work(device: str) -> dict[str, Tensor]:
        place = devices.named(device)
        batch, says = window(name, config)
        outputs = {key: value.to(place).requires_grad_(key in LEAVES) for key, value in says.items()}
        share_B, _ = methods.load(name).loss(batch.on(place), Outputs(**outputs), config)
        assert share_B.device == place
        torch.autograd.backward(share_B.sum())
        gradients = {key: each.grad.cpu() for key, each in outputs.items() if each.grad is not None}
        return {"shares": share_B.detach().cpu(), **gradients}

    assert same(*both(work), within=1e-12)


def test_a_batch_goes_over_whole_and_stays_where_it_is():
    batch, _ = window("grpo", methods.load("grpo").Config())
    assert batch.on(CPU) is batch
    with elsewhere():
        there = batch.on(CUDA)
        tensors = [value for item in fields(there) if isinstance(value := getattr(there, item.name), Tensor)]
        assert len(tensors) > 10
        assert {tensor.device for tensor in tensors} == {CUDA}


# ------------------------------------------------------------------------------------------------- drawing and rating


def test_the_general_path_draws(tiny_folder):
    def work(device: str) -> list[Any]:
        policy = a_policy(tiny_folder, device, KINDS["prefix"])
        assert isinstance(EngineSampler(policy)._engine([(1,)], 1, DRAWN), GeneralEngine)
        return [c.token_ids for group in EngineSampler(policy).sample(PROMPTS, DRAWN, n=2, seed=1) for c in group]

    here, there = both(work)
    assert here == there


def test_the_engine_draws(tiny_folder):
    sampled = Sampling(temperature=0.8, top_p=0.9, max_new_tokens=8)

    def work(device: str) -> list[Any]:
        sampler = EngineSampler(a_policy(tiny_folder, device), rows=2)
        return [c.token_ids for group in sampler.sample(PROMPTS, sampled, n=2, seed=1) for c in group]

    here, there = both(work)
    assert here == there


def test_adapters_side_by_side_in_one_batch(tiny_folder):
    def work(device: str) -> dict[str, Tensor]:
        policy = a_policy(tiny_folder, device)
        read = policy.decoder.adapter()
        x, y = (torch.ones(3, width, device=policy.device) for width in (48, 96))
        layers = mixed([None, read, read], [1, 0, 2])
        return {str(number): layer[0](y, x).detach().cpu() for number, layer in enumerate(layers)}

    assert same(*both(work))


def test_options_are_chosen_and_divergence_is_told(tiny_folder):
    def work(device: str) -> dict[str, Tensor]:
        policy = a_policy(tiny_folder, device)
        chances = EngineChooser(policy).choose(PROMPTS, ["yes", "no"])
        found = policy.divergence(pack(*LAYOUTS["groups of unlike size"]), temperature=0.8)
        return {"chances": torch.tensor([list(each.values()) for each in chances]), "divergence": torch.tensor(found)}

    assert same(*both(work))


def test_heads_rate_completions(tiny_folder):
    def work(device: str) -> dict[str, Tensor]:
        network = HeadedPolicy(a_policy(tiny_folder, device), heads={"reward": 2}, speaks=False)
        scores = network.score(PROMPTS, [Completion("", "good"), Completion("", "the bad")])
        return {"scores": torch.tensor([score.members for score in scores])}

    assert same(*both(work))


def test_a_reward_model_is_fitted_saved_and_asked(tiny_folder, tmp_path):
    config = RewardModelConfig(template="{text} It is", layers=2, frozen=1, rank=2, heads=3, max_tokens=40)
    texts = ["good", "the bad lamp is in the garden", "a", "the good and the bad"]
    signals = [Score(PROMPTS[0], Completion("", text), float(i)) for i, text in enumerate(texts)]

    def work(device: str) -> dict[str, Tensor]:
        model = RewardModel.fresh(tiny_folder, config, dtype="float32", seed=0, device=device)
        held = model.activations([model.encode(text) for text in texts])
        assert held[0].states_TH.device == CPU
        scores, pairs = rows_of(signals, lambda text, prompt: texts.index(text))
        fit(
            model, [Item(each, len(each)) for each in held], scores, pairs,
            FitSettings(2.0, 2, OptimiserConfig(0.01, 0), 3, {}, 0),
            units_per_logit=1.0, folder=tmp_path / device, check_stop=lambda saved: None, what="", lower="",
        )  # fmt: skip
        folder = tmp_path / f"{device} saved"
        folder.mkdir()
        model.save(folder)
        again = RewardModel.load(folder, dtype="float32", device=device)
        assert again.device == devices.named(device)
        return {"rewards": model.predict(texts), "again": again.predict(texts)}

    assert same(*both(work), within=1e-3)


# -------------------------------------------------------------------------------------------------------- its name


NOT_THERE = [
    ("cuda", "finds no CUDA device, only cpu"),
    ("cuda:7", "Use cpu"),
    ("mps", "float64"),
    ("gpu", "Use cpu, cuda"),
]


@pytest.mark.parametrize(("name", "said"), NOT_THERE)
def test_a_device_that_is_not_there_is_told_before_a_model_is_loaded(tmp_path, name, said, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for ask in (devices.check, devices.named, lambda name: Policy.load(tmp_path, device=name)):
        with pytest.raises(InputError, match=f"device: '{name}'.*{said}"):
            ask(name)


def test_a_number_beyond_those_that_are_there_is_told_with_those(monkeypatch):
    with elsewhere():
        assert devices.named("cuda") == devices.named("cuda:0") == CUDA
        with pytest.raises(InputError, match=r"finds only cpu, cuda:0\. Use one of these"):
            devices.named("cuda:1")


def test_settings_take_names_of_devices_and_no_other():
    assert (Recipe().device, Recipe(device="cuda:1").device) == ("cpu", "cuda:1")
    with pytest.raises(InputError, match="device: 'gpu'"):
        Recipe(device="gpu")
