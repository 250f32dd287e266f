"""Every sentence the pages say, in each language: one TOML file an area, the languages side by side.

    [sign_in]
    title = { en = "Sign in", zh = "登录" }

A template writes `{{ t("sign_in.title") }}`; placeholders are `{name}`, and `{n:item|items}` is the word that goes
with the number. A test holds the languages complete.
"""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Mapping
from importlib import resources

LANGUAGES: Mapping[str, str] = {"en": "English", "zh": "中文"}


@functools.cache
def sentences() -> dict[str, dict[str, str]]:
    """Return {"area.name": {language: sentence}} of all files."""
    found: dict[str, dict[str, str]] = {}
    for file in sorted(resources.files(__name__).iterdir(), key=lambda each: each.name):
        if file.name.endswith(".toml"):
            for area, entries in tomllib.loads(file.read_text(encoding="utf-8")).items():
                for name, sentence in entries.items():
                    key = f"{area}.{name}"
                    if key in found:
                        raise ValueError(f"wording: {key} stands in two places, the second is {file.name}.")
                    found[key] = sentence
    return found


def say(key: str, language: str, **values: object) -> str:
    """Return a sentence in a language, its placeholders filled; a key that nobody wrote is a defect (KeyError)."""
    sentence = sentences()[key][language]
    return sentence.format_map({name: _Value(value) for name, value in values.items()}) if values else sentence


class _Value:
    """A placeholder's value; its format may be "one|many", the words that go with one and with any other number."""

    def __init__(self, value: object) -> None:
        self._value = value

    def __format__(self, spec: str) -> str:
        one, bar, many = spec.partition("|")
        if not bar:
            return format(self._value, spec)
        return one if str(self._value) == "1" else many
