"""Where in the code a formula is computed: the statements that a function's result is made of, each with its place.

Places are found from the function's syntax tree, never written down: a line that moves takes its link with it.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("burnish.maths.", "burnish.methods.")
"""Rooms whose functions are formulas, and are linked to where a statement calls them."""


@dataclass(frozen=True)
class Line:
    """One statement, on one line however it is written."""

    first: int
    last: int
    code: str
    where: str
    """The conditions it stands under, empty for none."""
    tree: ast.stmt


@dataclass(frozen=True)
class Part:
    """What one function of a method computes."""

    function: str
    lines: tuple[Line, ...]


def parts(module: ModuleType, names: Sequence[str]) -> list[Part]:
    """Return these functions of a module as far as they make its numbers, and its own functions that they call."""
    known = {each.name: each for each in _tree(module).body if isinstance(each, ast.FunctionDef)}
    waiting, found = [name for name in names if name in known], {}
    while waiting:
        name = waiting.pop(0)
        lines = tuple(_lines_of(known[name]))
        found[name] = Part(name, lines)
        called = [call for line in lines for call in _called(line.tree)]
        waiting += [each for each in dict.fromkeys(called) if each in known and each not in (*found, *waiting)]
    return [part for part in found.values() if part.lines]


def formulas(module: ModuleType, found: Sequence[Part]) -> list[FunctionType]:
    """Return the functions of other modules that these statements call, where they are formulas, in their order."""
    called: dict[FunctionType, None] = {}
    for part in found:
        for line in part.lines:
            for name in _called(line.tree):
                what = _of(module, name)
                if inspect.isfunction(what) and what.__module__.startswith(PACKAGES):
                    called.setdefault(what)
    return [each for each in called if each.__module__ != module.__name__]


def place(what: ModuleType | FunctionType) -> str:
    """Return the path of a module, or the path and line of a function, from the repository's root."""
    path = Path(inspect.getsourcefile(what) or "").resolve().relative_to(ROOT).as_posix()
    return path if inspect.ismodule(what) else f"{path}#L{inspect.getsourcelines(what)[1]}"


def _tree(module: ModuleType) -> ast.Module:
    return ast.parse(inspect.getsource(module))


def _of(module: ModuleType, dotted: str) -> Any:
    what: Any = module
    for name in dotted.split("."):
        what = getattr(what, name, None)
    return what


def _called(tree: ast.AST) -> list[str]:
    """Return the names of what is called, dotted, in the order it is written."""
    return [ast.unparse(each.func) for each in ast.walk(tree) if isinstance(each, ast.Call)]


def _lines_of(function: ast.FunctionDef) -> Iterator[Line]:
    """Yield the statements that the result is made of: those it names, those these name, and so on back."""
    every = list(_statements(function.body, ()))
    named = {
        name for line in every if isinstance(line.tree, ast.Return) for name in _read(_result(line.tree, function.name))
    }
    while True:
        more = {name for line in every for value in _values(line.tree, named) for name in _read(value)}
        if more <= named:
            break
        named |= more
    for line in every:
        if isinstance(line.tree, ast.Return):
            result = _result(line.tree, function.name)
            if result is not None and not isinstance(result, ast.Name):
                yield Line(line.first, line.last, f"return {ast.unparse(result)}", line.where, ast.Expr(result))
        elif _written(line.tree) & named and not _is_renaming(line.tree):
            yield line


def _result(returned: ast.Return, function: str) -> ast.expr | None:
    """Return what a function gives back; of a loss its share alone, its metrics are told elsewhere."""
    value = returned.value
    return value.elts[0] if function == "loss" and isinstance(value, ast.Tuple) else value


def _statements(body: Sequence[ast.stmt], conditions: tuple[str, ...]) -> Iterator[Line]:
    for each in body:
        if isinstance(each, ast.If):
            test = ast.unparse(each.test)
            yield from _statements(each.body, (*conditions, test))
            yield from _statements(each.orelse, (*conditions, f"not ({test})"))
        elif isinstance(each, ast.For):
            loop = f"for {ast.unparse(each.target)} in {ast.unparse(each.iter)}"
            yield from _statements(each.body, (*conditions, loop))
        elif isinstance(each, ast.Assign | ast.AnnAssign | ast.AugAssign | ast.Return):
            yield Line(each.lineno, each.end_lineno or each.lineno, ast.unparse(each), " and ".join(conditions), each)


def _written(tree: ast.stmt) -> set[str]:
    targets = tree.targets if isinstance(tree, ast.Assign) else [getattr(tree, "target", ast.Pass())]
    return {each.id for target in targets for each in ast.walk(target) if isinstance(each, ast.Name)}


def _values(tree: ast.stmt, named: set[str]) -> list[ast.expr]:
    """Return what a statement gives to these names; of `a, b = x, y` only the part that is theirs."""
    value, targets = getattr(tree, "value", None), tree.targets if isinstance(tree, ast.Assign) else []
    if value is None or not _written(tree) & named:
        return []
    match targets, value:
        case [ast.Tuple(elts=left)], ast.Tuple(elts=right) if len(left) == len(right):
            return [each for target, each in zip(left, right, strict=True) if _read(target) & named]
    return [value]


def _read(tree: ast.AST | None) -> set[str]:
    return set() if tree is None else {each.id for each in ast.walk(tree) if isinstance(each, ast.Name)}


def _is_renaming(tree: ast.stmt) -> bool:
    """Return whether a statement only gives a shorter name to what was there."""
    value = getattr(tree, "value", None)
    values = value.elts if isinstance(value, ast.Tuple) else [value]
    return all(isinstance(each, ast.Name | ast.Attribute) for each in values)
