"""From ten answers in a browser to the model that learned from them: benchmarks/round_trip.py, small."""

from __future__ import annotations

import importlib
import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from playwright.sync_api import Page

pytest.importorskip("torch", reason="needs the train extra")

from burnish.cli.main import main
from burnish.models import tiny
from burnish.store import Store
from burnish.studio import examples
from burnish.studio.context import now_ms
from burnish.tasks import smoke

SMALL = {
    "rl.steps": 2, "rl.evaluate_every": 2, "rl.prompts_per_step": 2, "rl.group_size": 4, "rl.validation_prompts": 5,
    "rl.validation_samples": 1, "evaluation.prompts": 5, "evaluation.samples": 1, "sampling.max_new_tokens": 12,
}  # fmt: skip


@pytest.fixture(scope="module")
def round_trip() -> Iterator[ModuleType]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(Path(__file__).parents[3] / "benchmarks"))
        yield importlib.import_module("round_trip")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model") / "tiny"
    folder.mkdir()
    draw = random.Random(5)
    asked = [prompt for prompt in smoke.prompts() if prompt.split == "train"][:60]
    tiny.make(folder, [(prompt.text, smoke.write(draw, "lamp", 0.0)[0]) for prompt in asked], steps=10)
    return folder


def test_ten_answers_are_learned_from_and_called_too_few(
    site: Any,
    store: Store,
    open_page: Callable[..., Page],
    round_trip: ModuleType,
    model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(
        "burnish.evaluation.report.draw", lambda *_: {}
    )  # matplotlib's pictures take longer than the run
    examples.install(store, now_ms=now_ms())
    owner = store.accounts.add("ana", "owner", now_ms=now_ms())
    page = open_page()
    session = {"name": "burnish_session", "value": store.sessions.start(owner.number, now_ms=now_ms())}
    page.context.add_cookies([{**session, "url": site.url}])
    round_trip.begin_study(page)
    round_trip.answer(page, 10)
    url = f"sqlite:///{tmp_path}/studio.db"
    sets = [word for name, value in SMALL.items() for word in ("--set", f"{name}={value}")]
    assert main(["run", "smoke", "--quiet", "--feedback", url, "--model", str(model), *sets]) == 0
    report = json.loads((tmp_path / "runs" / "smoke-0" / "report.json").read_text("utf-8"))
    journey = round_trip.Journey()
    journey.facts = {**round_trip.found(url, report), "on the page": round_trip.shown(page, report)}
    assert round_trip.is_well(journey), journey.facts
    page.goto("/play")  # and the model that learned can be talked with
    assert page.locator("select[name=first]").input_value() == report["checkpoint"]
