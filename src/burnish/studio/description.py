"""The API described: an OpenAPI document for programs, and the same as a list of operations for a page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

ABOUT = """\
Everything that the pages do with studies, work, results and feedback, as JSON. Send a token of yours (made on "My
page") as `Authorization: Bearer ...`; it may do what its role may do. What is refused is told as
`{"error": {"field": ..., "message": ...}}`. Long lists travel as one JSON object a line (`application/x-ndjson`)."""
TAGS = (
    ("work", "answering items: the next one, drafts, answers, skips, undo"),
    ("studies", "making, changing, filling, opening and exporting studies"),
    ("results", "how far people agree, what is disputed, decisions, and the models that learned"),
    ("people", "accounts and invitations"),
    ("playground", "talking with models; answers come as they are made, one JSON object a line"),
    ("feedback", "feedback in and out, in the shapes of feedback files"),
    ("webhooks", "being told of what happens"),
)


@dataclass(frozen=True, slots=True)
class Operation:
    """One thing that can be asked of the API."""

    method: str
    path: str
    summary: str
    parameters: tuple[tuple[str, str, str], ...]
    """(name, where it stands, what it is)."""
    body: Any
    """An example of what is sent; None for nothing."""


def description(app: FastAPI) -> dict[str, Any]:
    """Return the OpenAPI document of the routes below `/api`; made once."""
    if app.openapi_schema is None:
        made = get_openapi(
            title="burnish studio",
            version=app.version,
            description=ABOUT,
            routes=app.routes,
            tags=[{"name": name, "description": about} for name, about in TAGS],
        )
        made["paths"] = {path: told for path, told in made["paths"].items() if path.startswith("/api/")}
        schemas = made["components"]["schemas"]
        made["components"]["schemas"] = {name: schemas[name] for name in sorted(_named(made["paths"], schemas))}
        made["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        made["security"] = [{"token": []}]
        app.openapi_schema = made
    return app.openapi_schema


def _named(part: Any, schemas: Mapping[str, Any]) -> set[str]:
    """Return the schemas that a part of the document names, and those that they name."""
    found: set[str] = set()
    waiting = [part]
    while waiting:
        each = waiting.pop()
        if isinstance(each, Mapping):
            name = str(each.get("$ref", "")).rpartition("/")[2]
            if name and name not in found:
                found.add(name)
                waiting.append(schemas[name])
            waiting.extend(each.values())
        elif isinstance(each, list):
            waiting.extend(each)
    return found


def operations(document: Mapping[str, Any]) -> list[tuple[str, str, list[Operation]]]:
    """Return (tag, what it is about, its operations) for each tag, in the order of the document."""
    groups: dict[str, list[Operation]] = {name: [] for name, _ in TAGS}
    for path, methods in document["paths"].items():
        for method, told in methods.items():
            for tag in told.get("tags", ()):
                groups.setdefault(tag, []).append(_operation(document, method, path, told))
    about = dict(TAGS)
    return [(name, about.get(name, ""), found) for name, found in groups.items() if found]


def _operation(document: Mapping[str, Any], method: str, path: str, told: Mapping[str, Any]) -> Operation:
    parameters = tuple((each["name"], each["in"], _kind(each.get("schema", {}))) for each in told.get("parameters", ()))
    content = told.get("requestBody", {}).get("content", {})
    body = None
    if "application/json" in content:
        body = _example(document, content["application/json"]["schema"])
    elif content:
        body = {"prompt": "…", "completions": ["…", "…"]}
    return Operation(method.upper(), path, told.get("description", told.get("summary", "")), parameters, body)


def _kind(schema: Mapping[str, Any]) -> str:
    if "anyOf" in schema:
        return " | ".join(_kind(each) for each in schema["anyOf"])
    return " | ".join(map(str, schema["enum"])) if "enum" in schema else str(schema.get("type", "any"))


def _example(document: Mapping[str, Any], schema: Mapping[str, Any]) -> Any:
    """Return JSON of the schema's shape: names of types where values go."""
    if "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    if schema.get("type") == "object" and "properties" in schema:
        return {name: _example(document, each) for name, each in schema["properties"].items()}
    if schema.get("type") == "array":
        return [_example(document, schema.get("items", {}))]
    return "…" if schema.get("type") == "string" and "enum" not in schema else _kind(schema)
