"""What an answer must hold, as data: asked for in words, as a JSON schema, and checked when it comes."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from burnish.errors import InputError, nearest
from burnish.models.answering import whole

Answers = dict[str, Any]

_NUMBER = re.compile(r"\s*(-?\d+(?:\.\d+)?)\s*(?:/\s*(\d+(?:\.\d+)?))?\s*(?:points?|stars?|分)?\.?\s*")
"""`4`, `4.5`, `4/5`, `4 / 5 stars.`"""


@dataclass(frozen=True, slots=True)
class Field:
    """One thing that is asked."""

    name: str
    kind: Literal["text", "choice", "number", "quotes"] = "text"
    about: str = ""
    """What to write there, in words for the judge."""
    choices: tuple[str, ...] = ()
    low: float = 0.0
    high: float = 1.0

    def schema(self) -> dict[str, Any]:
        """Return the JSON schema of this field's value."""
        if self.kind == "choice":
            return {"type": "string", "enum": list(self.choices)}
        if self.kind == "number":
            return {"type": "number", "minimum": self.low, "maximum": self.high}
        if self.kind == "quotes":
            return {"type": "array", "items": {"type": "string"}}
        return {"type": "string"}

    def read(self, value: object) -> Any:
        """Return the value as it is meant. Raises InputError naming field, value and expectation."""
        if self.kind == "choice":
            return self._choice(str(value))
        if self.kind == "number":
            return self._number(value)
        if self.kind == "quotes":
            given = value if isinstance(value, list) else [value]
            return [whole(str(each)) for each in given if each is not None and str(each).strip()]
        return whole(str(value))

    def _choice(self, value: str) -> str:
        words = re.sub(r"^[\s\"'*_([{]+|[\s\"'*_.,;:!)\]}]+$", "", value)
        for prefix in ("", r"(?:answer|response|option|text|assistant|choice)\s+"):
            for choice in self.choices:
                if re.fullmatch(prefix + re.escape(choice), words, re.IGNORECASE):
                    return choice
        raise InputError(f"{self.name}: {value[:60]!r} is not one of {', '.join(self.choices)}.")

    def _number(self, value: object) -> float:
        said = _NUMBER.fullmatch(str(value))
        if isinstance(value, bool) or not said:
            raise InputError(f"{self.name}: {str(value)[:60]!r} is no number from {self.low:g} to {self.high:g}.")
        if said[2] and float(said[2]) != self.high:
            raise InputError(f"{self.name}: {str(value)[:60]!r} is not of the scale {self.low:g} to {self.high:g}.")
        number = float(said[1])
        if not (math.isfinite(number) and self.low <= number <= self.high):
            raise InputError(f"{self.name}: {number:g} is outside the scale from {self.low:g} to {self.high:g}.")
        return number


@dataclass(frozen=True, slots=True)
class Shape:
    """The fields of an answer, in the order in which they are asked: reasons first, the verdict last."""

    fields: tuple[Field, ...]

    @property
    def verdict(self) -> Field:
        """The field everything is about."""
        return self.fields[-1]

    def schema(self) -> dict[str, Any]:
        """Return the JSON schema of an answer."""
        return {
            "type": "object",
            "properties": {field.name: field.schema() for field in self.fields},
            "required": [field.name for field in self.fields],
            "additionalProperties": False,
        }

    def asks(self) -> str:
        """Return the words that ask for this shape."""
        lines = [f'  "{field.name}": {_in_words(field)}' for field in self.fields]
        return "Answer with one JSON object and nothing else:\n{\n" + ",\n".join(lines) + "\n}"

    def read(self, given: Mapping[str, Any]) -> Answers:
        """Return the fields' values. Raises InputError for the first that is missing or wrong."""
        by_name = {str(name).strip().lower(): value for name, value in given.items()}
        answers: Answers = {}
        for field in self.fields:
            if by_name.get(field.name) is not None:
                answers[field.name] = field.read(by_name[field.name])
            elif field is self.verdict:
                raise InputError(f"{field.name}: missing.{nearest(field.name, by_name)}")
        return answers


def _in_words(field: Field) -> str:
    if field.kind == "choice":
        return "one of " + ", ".join(f'"{choice}"' for choice in field.choices)
    if field.kind == "number":
        return f"a number from {field.low:g} to {field.high:g}"
    if field.kind == "quotes":
        return f"[{field.about or 'short quotes, word for word'}]"
    return f'"{field.about}"'
