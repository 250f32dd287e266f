"""Dashboards: answers to what a study lead asks, and which model learned from which votes. For reviewers and owners.

Figures come from `Background`: a page shows what was computed last and when, and is never kept waiting for more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from fastapi import APIRouter, HTTPException, Request, Response

from burnish.evaluation import formats
from burnish.studio import dashboard, figures, lineage, run_folders
from burnish.studio.assign import study_of
from burnish.studio.background import Background, Latest
from burnish.studio.context import Studio, now_ms, studio_of
from burnish.studio.findings import MOST_JUDGED, Findings, entries_of, findings
from burnish.studio.gold import gold_entries
from burnish.studio.lineage import Learned
from burnish.studio.outlook import outlook
from burnish.studio.run_folders import Run
from burnish.studio.session import Reviewer

router = APIRouter()

ALL = "all"
"""In addresses: everything in the store, whatever study it belongs to. No study can be called so (it has a path of its
own, `/results/studies/NAME`)."""
MOST_RUNS = 5
"""Runs, the newest, whose reward is set beside people's ratings."""
_DAY_MS = 24 * 3_600_000
DRAWING: Mapping[str, Any] = {"draw": figures, "fmt": formats, "board": dashboard}
"""What templates draw and write numbers with."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A study in the list."""

    name: str
    title: str
    answers: int
    people: int
    last: str


@router.get("/results")
def listing(request: Request, who: Reviewer) -> Response:
    """Everything that was answered, by study."""
    studio = studio_of(request)
    return studio.pages.render(request, "results/list.html.jinja", tab="feedback", studies=_listed(studio), **DRAWING)


@router.get("/results/all")
def everything(request: Request, who: Reviewer) -> Response:
    """The dashboard of all that is in the store."""
    return _dashboard(request, None)


@router.get("/results/studies/{name}")
def study(request: Request, who: Reviewer, name: str) -> Response:
    """The dashboard of one study."""
    return _dashboard(request, name)


@router.get("/results/models")
def models(request: Request, who: Reviewer) -> Response:
    """Which model learned from which votes, and what changed."""
    studio = studio_of(request)
    found = learned(studio, run_folders.runs(studio.settings.runs))
    values: dict[str, Any] = {"learned": found, "folder": studio.settings.runs, "command": learn_command(studio)}
    return studio.pages.render(request, "results/models.html.jinja", tab="models", **values, **DRAWING)


def latest(studio: Studio, name: str | None) -> Latest | None:
    """Return what was last found out about a study (None: about everything), and have it brought up to date."""
    compute = partial(_compute, studio, name)
    return background_of(studio).latest(f"findings {name or ''}", revision_of(studio), compute)


def revision_of(studio: Studio) -> str:
    """Return a text that is another one whenever figures are: with what is stored, and with the day, for forecasts."""
    return f"{studio.store.revision()} {now_ms() // _DAY_MS}"


def background_of(studio: Studio) -> Background:
    """Return the one worker of this process."""
    found: Background = studio.services.setdefault("background", Background())
    return found


def titles(studio: Studio) -> dict[str, str]:
    """Return the titles of all studies by name: those of this studio, and those that answers speak of."""
    own = {row.name: study_of(studio, row).title for row in studio.store.studies.listing()}
    return {**{name: name for name in counts(studio)}, **own}


def counts(studio: Studio) -> Mapping[str, tuple[int, int, str]]:
    """Return answers, people and last time by study, as counted last: now at first, in the background from then on."""
    store = studio.store
    found = background_of(studio).latest("counts", store.revision(), store.by_study)
    told: Mapping[str, tuple[int, int, str]] = found.value if found and found.value else store.by_study()
    return told


def learned(studio: Studio, runs: Sequence[Run]) -> list[Learned]:
    """Return every checkpoint with the votes behind it."""
    return lineage.lineage(studio.store, runs, studio.services.setdefault("votes", {}))


def learn_command(studio: Studio) -> str:
    """Return the command that learns from this store."""
    return f"burnish run reviews --feedback {studio.store.url}"


def _compute(studio: Studio, name: str | None) -> Findings:
    newest = run_folders.runs(studio.settings.runs)[:MOST_RUNS]
    entries, of_prompts = entries_of(studio.store, name)
    gold = [] if name is None else gold_entries(studio, name)
    told = findings(entries, {run.name: run.scored() for run in newest}, gold=gold, of_prompts=of_prompts)
    return told if name is None else replace(told, outlook=outlook(studio, name, entries))


def _dashboard(request: Request, name: str | None) -> Response:
    studio = studio_of(request)
    known = titles(studio)
    if name is not None and name not in known:
        raise HTTPException(404)
    revision = revision_of(studio)
    found = latest(studio, name)
    runs = run_folders.runs(studio.settings.runs)
    behind = learned(studio, runs)
    values: dict[str, Any] = {
        "name": name,
        "title": known.get(name or "", ""),
        "found": found,
        "f": found.value if found else None,
        "outdated": found is not None and found.revision != revision,
        "judged_from": MOST_JUDGED,
        "progress": _progress(studio, name),
        "total": counts(studio).get(name or "", (0, 0, "")),
        "learned": [each for each in behind if name is None or each.by_study.get(name)],
        "carded": next((run for run in runs if run.reward_cards), None),
        "command": learn_command(studio),
    }
    is_part = request.headers.get("hx-request") == "true"
    template = "results/figures.html.jinja" if is_part else "results/dashboard.html.jinja"
    return studio.pages.render(request, template, tab="feedback", **values, **DRAWING)


def _progress(studio: Studio, name: str | None) -> Mapping[str, int] | None:
    if name is None or studio.store.studies.get(name) is None:
        return None
    return studio.store.studies.progress(name)


def _listed(studio: Studio) -> list[Listed]:
    counted = counts(studio)
    return [Listed(name, title, *counted.get(name, (0, 0, ""))) for name, title in titles(studio).items()]
