"""The designer: a study as a form or as TOML, checked and previewed while it is written."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Form, HTTPException, Request, Response
from fastapi.responses import RedirectResponse

from burnish.errors import InputError
from burnish.records import Completion, Prompt
from burnish.studio import designer, publishing, screens
from burnish.studio.assign import study_of
from burnish.studio.context import Studio, studio_of
from burnish.studio.designer import BLANK, Problem, Sheet
from burnish.studio.session import Owner
from burnish.studio.study import Study
from burnish.studio.study_file import MAX_CHARACTERS, from_toml, to_toml

router = APIRouter(prefix="/studies", include_in_schema=False)


async def _filled_in(request: Request) -> dict[str, str]:
    """Return a form's fields; a file in it is no field."""
    form = await request.form(max_fields=designer.MOST_FIELDS)
    return {name: value for name, value in form.items() if isinstance(value, str)}


Filled = Annotated[dict[str, str], Depends(_filled_in)]
Toml = Annotated[str, Form(max_length=MAX_CHARACTERS)]


@router.get("/new")
def new(request: Request, who: Owner) -> Response:
    """An empty form."""
    return _form(request, designer.sheet_of(BLANK, is_new=True))


@router.post("/new")
def create(request: Request, who: Owner, form: Filled) -> Response:
    """Make the study, or do what another button says."""
    return _submitted(request, who, form, None)


@router.get("/new/toml")
def new_toml(request: Request, who: Owner) -> Response:
    """A study as TOML, to be written over."""
    return _toml(request, to_toml(BLANK))


@router.post("/new/toml")
def create_toml(request: Request, who: Owner, toml: Toml) -> Response:
    """Make the study that a TOML text describes."""
    return _submitted_toml(request, who, toml, None)


@router.post("/preview")
def preview_form(request: Request, who: Owner, form: Filled) -> Response:
    """What people would see of the form as it is filled in now, and what its wording may do wrong."""
    studio = studio_of(request)
    try:
        study = from_toml(form["toml"]) if "toml" in form else designer.study_of(designer.acted(form))
    except InputError as error:
        problem = designer.problem_of(error, in_form="toml" not in form)
        return studio.pages.render(request, "studies/check.html.jinja", problem=problem, remarks=[], screen=None)
    return studio.pages.render(
        request,
        "studies/check.html.jinja",
        problem=None,
        remarks=publishing.remarks(studio, study),
        screen=_screen(studio, study),
    )


@router.get("/{name}/edit")
def edit(request: Request, who: Owner, name: str) -> Response:
    """A study in the form."""
    return _form(request, designer.sheet_of(_need(request, name)), name)


@router.post("/{name}/edit")
def change(request: Request, who: Owner, name: str, form: Filled) -> Response:
    """Make a new version, or do what another button says."""
    return _submitted(request, who, form, _need(request, name))


@router.get("/{name}/toml")
def edit_toml(request: Request, who: Owner, name: str) -> Response:
    """A study as TOML."""
    return _toml(request, to_toml(_need(request, name)), name)


@router.post("/{name}/toml")
def change_toml(request: Request, who: Owner, name: str, toml: Toml) -> Response:
    """Make a new version of what a TOML text describes."""
    return _submitted_toml(request, who, toml, _need(request, name))


@router.get("/{name}/preview")
def preview(request: Request, who: Owner, name: str) -> Response:
    """What people see, of the first item."""
    studio = studio_of(request)
    study = _need(request, name)
    return studio.pages.render(request, "studies/preview.html.jinja", study=study, screen=_screen(studio, study))


# ---------------------------------------------------------------------------------------------------------- inner parts


def _submitted(request: Request, who: Owner, form: dict[str, str], before: Study | None) -> Response:
    sheet = designer.acted(form)
    name = before.name if before else ""
    if form.get("action", "save") != "save":
        return _form(request, sheet, name, focus=designer.changed_by(form["action"], sheet))
    try:
        study = designer.study_of(sheet, before)
        version = publishing.save(studio_of(request), who, study, name=name)
    except InputError as error:
        return _form(request, sheet, name, status=422, problem=designer.problem_of(error))
    return RedirectResponse(f"/studies/{study.name}?saved={version}", 303)


def _submitted_toml(request: Request, who: Owner, toml: str, before: Study | None) -> Response:
    name = before.name if before else ""
    text = toml.replace("\r\n", "\n")
    try:
        study = from_toml(text)
        version = publishing.save(studio_of(request), who, study, name=name)
    except InputError as error:
        return _toml(request, text, name, status=422, problem=designer.problem_of(error, in_form=False))
    return RedirectResponse(f"/studies/{study.name}?saved={version}", 303)


def _form(
    request: Request,
    sheet: Sheet,
    name: str = "",
    *,
    status: int = 200,
    problem: Problem | None = None,
    focus: str = "",
) -> Response:
    wrong = problem.at if problem else ""
    return studio_of(request).pages.render(
        request,
        "studies/form.html.jinja",
        status=status,
        sheet=sheet,
        name=name,
        problem=problem,
        wrong=wrong,
        focus=wrong or focus,
        kinds=_KINDS,
    )


def _toml(
    request: Request, toml: str, name: str = "", *, status: int = 200, problem: Problem | None = None
) -> Response:
    return studio_of(request).pages.render(
        request, "studies/toml.html.jinja", status=status, toml=toml, name=name, problem=problem
    )


_KINDS = (
    "comparison", "rating", "thumb", "ranking", "best_worst", "rubric", "span", "correction", "comment", "suggestion",
)  # fmt: skip


def _need(request: Request, name: str) -> Study:
    studio = studio_of(request)
    try:
        return study_of(studio, publishing.need(studio, name))
    except publishing.MissingStudyError:
        raise HTTPException(404) from None


def _screen(studio: Studio, study: Study) -> screens.Screen | None:
    """Return the first item as people see it, else the first example; None where there is neither."""
    shown = _first_item(studio, study) or _first_example(study)
    return None if shown is None else screens.preview(study, *shown)


def _first_item(studio: Studio, study: Study) -> tuple[Prompt, tuple[Completion, ...]] | None:
    row = studio.store.studies.get(study.name)
    items = studio.store.studies.items(study.name, limit=1) if row is not None else []
    if not items:
        return None
    prompt, completions = studio.store.texts(items[0].prompt_id, items[0].completion_ids)
    texts = tuple(each for each in completions if each is not None)
    fits = study.needs_several <= len(texts) <= study.takes_at_most
    return (prompt, texts) if prompt is not None and fits else None


def _first_example(study: Study) -> tuple[Prompt, tuple[Completion, ...]] | None:
    for example in study.examples:
        prompt = Prompt.of(example.prompt) if example.prompt else Prompt(())
        if study.needs_several <= len(example.completions) <= study.takes_at_most:
            return prompt, tuple(Completion(prompt.id, text) for text in example.completions)
    return None
