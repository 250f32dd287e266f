"""The picture of all toys: names stand beside the ends of their lines and on none of them."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from burnish.errors import InputError

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def toys_picture() -> ModuleType:
    spec = importlib.util.spec_from_file_location("toys_picture", ROOT / "benchmarks/toys_picture.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_no_name_stands_on_a_line_or_on_another_name(toys_picture: ModuleType) -> None:
    axes = FigureCanvasAgg(Figure(figsize=(5, 4))).figure.subplots()
    found = json.loads((ROOT / "docs/toys.json").read_text("utf-8"))
    names = ("dpo", "ipo", "simpo", "cpo", "kto", "grpo", "ppo", "nash_md", "dqn")
    paths = {name: toys_picture.equal(found[name]["path"]) for name in names}
    axes.set_xlim(-0.2, 5.3)
    for path in paths.values():
        axes.plot(*path.T)
    toys_picture.label(axes, paths, "black")
    written = [text for text in axes.texts if text.get_text()]
    assert sorted(name for text in written for name in text.get_text().split(", ")) == sorted(names)
    boxes = [text.get_window_extent() for text in written]
    drawn = [toys_picture.on_screen(axes, path) for path in paths.values()]
    assert not any(toys_picture.crosses(box, path) for box in boxes for path in drawn)
    assert not any(one.overlaps(other) for place, one in enumerate(boxes) for other in boxes[:place])


def test_a_line_through_a_box_is_seen_between_its_points_too(toys_picture: ModuleType) -> None:
    axes = FigureCanvasAgg(Figure()).figure.subplots()
    axes.set(xlim=(0, 1), ylim=(0, 1))
    box = axes.text(0.5, 0.5, "name", ha="center", va="center").get_window_extent()
    assert toys_picture.crosses(box, toys_picture.on_screen(axes, np.array([[0.0, 0.0], [1.0, 1.0]])))
    assert not toys_picture.crosses(box, toys_picture.on_screen(axes, np.array([[0.0, 0.0], [1.0, 0.1]])))


def test_where_no_place_is_free_it_is_told(toys_picture: ModuleType) -> None:
    axes = FigureCanvasAgg(Figure()).figure.subplots()
    axes.set(xlim=(0, 1), ylim=(0, 1))
    with pytest.raises(InputError, match="finds no place"):
        toys_picture.label(axes, {"a name wider than the plot " * 9: np.array([[0.5, 0.5]])}, "black")
