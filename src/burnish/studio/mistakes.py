"""What keeps a study from being one: at which place, and which mistake, so that a page can say it in any language.

The words of each mistake stand in `wording/mistakes.toml` as `mistake.<rule>`.
"""

from __future__ import annotations

from collections.abc import Iterable

from burnish.errors import InputError, closest
from burnish.studio.wording import say


class StudyError(InputError):
    """A study that cannot be. Commands and the API tell it by `str`, in English; pages in the reader's language."""

    def __init__(self, where: str, rule: str, **values: object) -> None:
        """where: the place in the study, as a path. values: what the sentence's placeholders stand for."""
        super().__init__(f"{where}: {say(f'mistake.{rule}', 'en', **values)}")
        self.where = where
        self.rule = rule
        self.values = values

    def inside(self, path: str) -> StudyError:
        """Return the same mistake with its place told from further out."""
        return StudyError(f"{path}.{self.where}", self.rule, **self.values)


def unknown(where: str, name: str, known: Iterable[str]) -> StudyError:
    """Return the mistake of a name that is none of the known ones; it tells the closest, or all of them."""
    names = sorted(set(known))
    near = closest(name, names)
    if near:
        return StudyError(where, "unknown_near", name=repr(name), near=repr(near))
    return StudyError(where, "unknown", name=repr(name), known=", ".join(names))
