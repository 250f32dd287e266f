"""Settings: dataclass <-> TOML <-> flags, and every way in which they can be wrong."""

from __future__ import annotations

import enum
import math
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from burnish import config
from burnish.errors import InputError


class Mode(enum.Enum):
    MEAN = "mean"
    WORST = "worst"


@dataclass(frozen=True)
class Learning:
    """How it learns."""

    steps: int = 10
    """How many steps, at least 1."""
    rate: float = 1e-5
    """Learning rate,
    a share of the gradient."""
    stop: float | None = None
    limit: float | None = 2.0
    """Nats."""
    layers: tuple[str, ...] = ("a", "b")
    betas: tuple[float, float] = (0.9, 0.95)
    mode: Mode = Mode.MEAN
    kind: Literal["pairwise", "score"] = "pairwise"
    nested: bool = False

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise InputError(f"steps: {self.steps} is not positive. Use 1 or more.")


@dataclass(frozen=True)
class Recipe:
    learning: Learning = field(default_factory=lambda: Learning(steps=3))
    seed: int = 0
    """Every random choice follows from it."""
    title: str = "no title"


@dataclass(frozen=True)
class Needed:
    path: str
    """Where it is."""


# --------------------------------------------------------------------------------------------------------- building


def test_nothing_given_is_the_defaults():
    assert config.build(Recipe, {}) == Recipe()


def test_values_take_the_type_of_their_field():
    made = config.build(Recipe, {"learning": {"rate": 1, "mode": "worst", "layers": ["x"], "betas": [0, 1]}})
    assert made.learning.rate == 1.0
    assert isinstance(made.learning.rate, float)
    assert made.learning.mode is Mode.WORST
    assert made.learning.layers == ("x",)
    assert made.learning.betas == (0.0, 1.0)


def test_a_section_given_in_part_keeps_the_other_defaults_of_the_section_above():
    assert config.build(Recipe, {"learning": {"rate": 0.5}}).learning.steps == 3


def test_none_is_a_word_and_switches_an_optional_setting_off():
    assert config.build(Recipe, {"learning": {"limit": "none"}}).learning.limit is None


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        ({"learning": {"stps": 1}}, "f.toml: unknown key 'learning.stps'. Did you mean 'learning.steps'?"),
        ({"steps": 1}, "f.toml: unknown key 'steps'. Did you mean 'learning.steps'?"),
        ({"zzz": 1}, "f.toml: unknown key 'zzz'. Known: learning, seed, title."),
        ({"learning": {"steps": 1.5}}, "f.toml: learning.steps = 1.5; expected a whole number."),
        ({"learning": {"steps": True}}, "f.toml: learning.steps = true; expected a whole number."),
        ({"learning": {"steps": 0}}, "f.toml: learning.steps: 0 is not positive. Use 1 or more."),
        ({"learning": {"rate": "fast"}}, 'f.toml: learning.rate = "fast"; expected a finite number.'),
        ({"learning": {"rate": math.inf}}, "f.toml: learning.rate = inf; expected a finite number."),
        ({"learning": {"rate": 10**400}}, "; expected a finite number."),
        ({"learning": {"stop": []}}, 'f.toml: learning.stop = []; expected a finite number or "none".'),
        ({"learning": {"layers": "a"}}, 'f.toml: learning.layers = "a"; expected a list, each text.'),
        ({"learning": {"betas": [1]}}, "expected a list of 2: a finite number, a finite number."),
        ({"learning": {"mode": "wurst"}}, 'expected one of "mean", "worst". Did you mean \'worst\'?'),
        ({"learning": {"kind": "pairs"}}, 'expected one of "pairwise", "score".'),
        ({"learning": {"nested": 1}}, "f.toml: learning.nested = 1; expected true or false."),
        ({"learning": 3}, "f.toml: learning is 3, but it is a section of settings."),
        ({"title": 3}, 'f.toml: title = 3; expected text. Write it in quotes: "3".'),
        ({"title": "\udcff"}, "expected text."),
    ],
)
def test_what_is_wrong_is_named_with_file_key_value_and_expectation(mapping, message):
    with pytest.raises(InputError) as caught:
        config.build(Recipe, mapping, where="f.toml")
    assert message in str(caught.value)
    assert str(caught.value).startswith("f.toml: ")


def test_a_setting_without_default_must_be_given():
    with pytest.raises(InputError, match="x: path is missing; expected text"):
        config.build(Needed, {}, where="x")
    assert config.describe(Needed)[0].default == ""


def test_a_message_that_names_its_section_already_is_not_given_it_twice():
    @dataclass(frozen=True)
    class Sampling:
        heat: float = 1.0

        def __post_init__(self) -> None:
            if self.heat < 0:
                raise InputError(f"sampling.heat: {self.heat} is negative.")

    @dataclass(frozen=True)
    class Outer:
        sampling: Sampling = field(default_factory=Sampling)

    # The annotations are text here, and local names are not found by their text.
    Sampling.__annotations__["heat"] = float
    Outer.__annotations__["sampling"] = Sampling
    with pytest.raises(InputError, match=r"^f: sampling\.heat: -1\.0 is negative\.$"):
        config.build(Outer, {"sampling": {"heat": -1.0}}, where="f")


# ------------------------------------------------------------------------------------------------------------- flags


@pytest.mark.parametrize(
    ("flag", "value"),
    [
        ("a.b=3", 3),
        ("a.b=0.5", 0.5),
        ("a.b=true", True),
        ('a.b=["x", "y"]', ["x", "y"]),
        ("a.b=pairwise", "pairwise"),
        ('a.b="3"', "3"),
        ("a.b=", ""),
        ("a.b=x=y", "x=y"),
        ("a.b=2024-01-01", "2024-01-01"),
        ("a.b=1\nc=2", "1\nc=2"),
        (" a.b = 3 ", 3),
    ],
)
def test_flags_are_read_as_toml_and_bare_words_as_text(flag, value):
    assert config.with_sets({}, [flag]) == {"a": {"b": value}}


def test_flags_leave_the_mapping_alone_and_the_last_one_holds():
    original = {"a": {"b": 1, "c": 2}}
    assert config.with_sets(original, ["a.b=5", "a.b=6"]) == {"a": {"b": 6, "c": 2}}
    assert original == {"a": {"b": 1, "c": 2}}


@pytest.mark.parametrize("flag", ["steps", "=3", "a.=3", ".a=3", ""])
def test_a_flag_of_another_shape_is_refused(flag):
    with pytest.raises(InputError, match=r"expected section\.key=value"):
        config.with_sets({}, [flag])


def test_a_key_cannot_be_taken_for_a_section():
    with pytest.raises(InputError, match="'seed' is a key, not a section"):
        config.with_sets({"seed": 3}, ["seed.x=1"])


def test_a_message_names_the_file_or_the_flag_whichever_is_wrong():
    with pytest.raises(InputError, match=r"^r\.toml: unknown key 'sed'"):
        config.load(Recipe, {"sed": 1}, ["seed=2"], where="r.toml")
    with pytest.raises(InputError, match=r"^--set: unknown key 'sed'"):
        config.load(Recipe, {"seed": 1}, ["sed=2"], where="r.toml")
    assert config.load(Recipe, {"seed": 1}, ["seed=2"]).seed == 2


# ------------------------------------------------------------------------------------------------------------- files


def write(folder: Path, raw: bytes) -> Path:
    path = folder / "c.toml"
    path.write_bytes(raw)
    return path


def test_a_file_is_read_with_or_without_byte_order_mark(tmp_path):
    assert config.parse_toml(write(tmp_path, b"\xef\xbb\xbf[a]\r\nb = 1\r\n")) == {"a": {"b": 1}}


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"[a]\nb = \n", "c.toml: line 2"),
        (b"a = 1\nb = \xff\n", "c.toml: line 2: byte 10 is not UTF-8"),
        (b"a = " + b"[" * 3000, "c.toml: "),
        (b"a = " + b"9" * 5000, "c.toml: "),
        (b"#" * (config.MAX_BYTES + 1), "c.toml: larger than"),
    ],
)
def test_a_file_that_is_not_toml_is_named_with_its_line(tmp_path, raw, message):
    with pytest.raises(InputError) as caught:
        config.parse_toml(write(tmp_path, raw))
    assert message in str(caught.value)


def test_no_file_and_a_folder_are_told_apart(tmp_path):
    with pytest.raises(InputError, match="there is no such file"):
        config.parse_toml(tmp_path / "none.toml")
    with pytest.raises(InputError, match="cannot be read"):
        config.parse_toml(tmp_path)


texts = st.text(st.characters(exclude_categories=["Cs"])).filter(lambda text: text != config.NONE)
numbers = st.floats(allow_nan=False, allow_infinity=False)
recipes = st.builds(
    Recipe,
    learning=st.builds(
        Learning,
        steps=st.integers(1, 10**12),
        rate=numbers,
        stop=st.none() | numbers,
        limit=st.none() | numbers,
        layers=st.lists(texts, max_size=3).map(tuple),
        betas=st.tuples(numbers, numbers),
        mode=st.sampled_from(Mode),
        kind=st.sampled_from(["pairwise", "score"]),
        nested=st.booleans(),
    ),
    seed=st.integers(-(10**12), 10**12),
    title=texts,
)


@settings(max_examples=60, deadline=None)
@given(recipes, texts)
def test_every_configuration_written_as_toml_is_read_back_equal(recipe, note):
    written = config.to_toml(recipe, {"version": "1.0", "note": note})
    assert config.build(Recipe, tomllib.loads(written)) == recipe


def test_the_header_stands_at_the_top_as_comments():
    lines = config.to_toml(Recipe(), {"version": "1\n2", "seed": 7}).splitlines()
    assert lines[:3] == ["# version: 1 2", "# seed: 7", "seed = 0"]


def test_the_word_none_cannot_be_a_value_where_it_means_not_set():
    @dataclass(frozen=True)
    class Named:
        name: str | None = None

    with pytest.raises(InputError, match="choose another word"):
        config.to_toml(Named("none"))


# -------------------------------------------------------------------------------------------------------- for people


def test_the_docstring_under_a_field_is_its_help():
    docs = config.field_docs(Learning)
    assert docs["steps"] == "How many steps, at least 1."
    assert docs["rate"] == "Learning rate, a share of the gradient."
    assert "stop" not in docs


def test_describe_lists_every_key_dotted_with_the_default_that_holds_there():
    keys = {key.name: key for key in config.describe(Recipe)}
    assert list(keys)[:3] == ["seed", "title", "learning.steps"]
    assert keys["learning.steps"].default == "3"
    assert keys["learning.limit"].default == "2.0"
    assert keys["learning.stop"].default == '"none"'
    assert keys["learning.mode"].expects == 'one of "mean", "worst"'


def test_every_key_that_describe_lists_can_be_set_to_its_default():
    sets = [f"{key.name}={key.default}" for key in config.describe(Recipe)]
    assert config.load(Recipe, {}, sets) == Recipe()


def test_the_table_holds_every_key_and_its_help():
    text = config.table(Recipe)
    assert all(key.name in text and key.doc in text for key in config.describe(Recipe))
