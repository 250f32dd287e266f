"""What can be found wrong before a run begins: its model, its judge, the feedback. So a slip leaves no folder behind.

What must be downloaded is downloaded here, so that a run's time is its own.
"""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType

from burnish import corpora, files
from burnish.errors import InputError
from burnish.loop import evidence as evidences
from burnish.loop.recipe import Recipe
from burnish.models import decoding, devices

ADAPTER = "adapter_config.json"
REPORT = "report.json"
NEW = "new:"
"""What begins the name of a model that a run makes itself (`loop.new_model`)."""
SMALL = "burnish_kind"
"""Says in a small model's config.json which kind it is; it stays there whatever is trained of it."""


def check(recipe: Recipe, task: ModuleType, *, feedback: str | None, mix: bool) -> None:
    """Raise InputError for a device, a model, an encoder or feedback that is not there, without downloading or reading
    it."""
    devices.check(recipe.device)
    if mix and feedback is None:
        raise InputError("--mix: joins your feedback with the recipe's, so give yours too: --feedback FILE.")
    if recipe.model == "tiny":
        if not hasattr(task, "make_model"):
            raise InputError(f"model: 'tiny' is made by the recipe smoke; {task.NAME} needs another one.")
    else:
        check_model(recipe.model)
    if recipe.gold.encoder:
        _there("gold.encoder", recipe.gold.encoder)
    if feedback is not None and not evidences.is_stored(feedback) and not Path(feedback).is_file():
        raise evidences.no_such_file(feedback)


def check_model(model: str) -> None:
    """Raise InputError for a model that is not there, without downloading it, and for one that no logits speak for."""
    base = _there("model", model)
    if base is None:
        return
    decoding.refuse(decoding.decoding_in(base), f"model: {model}")
    if (base / ADAPTER).exists():
        base_of(base)


def fetch(recipe: Recipe, task: ModuleType) -> None:
    """Have everything here that the run will ask for by name; raises what `corpora.resolve` raises."""
    wanted = [recipe.model] if recipe.model != "tiny" else []
    for name in (*wanted, *([recipe.gold.encoder] if recipe.gold.encoder else [])):
        corpora.resolve(name)
    for name in getattr(task, "NEEDS", ()):
        corpora.resolve(name)


def base_of(adapter: Path) -> Path:
    """Return the folder of the model that a PEFT adapter was trained on. Raises InputError when it is not here."""
    named = []
    if (made := adapter.parent.parent / "model").is_dir():  # for that run: made by it, or merged
        named.append(str(made))
    if (adapter / ADAPTER).exists():
        named.append(json.loads((adapter / ADAPTER).read_text("utf-8")).get("base_model_name_or_path"))
    if (adapter / "burnish.json").exists():
        named.append(json.loads((adapter / "burnish.json").read_text("utf-8")).get("config", {}).get("model"))
    for name in filter(None, named):
        if Path(name).is_dir() or name in corpora.names():
            return corpora.resolve(name)
    base = " or ".join(map(repr, filter(None, named))) or "a model it does not name"
    raise InputError(
        f"{adapter}: an adapter on {base}, which is not here. Put "
        "its folder into base_model_name_or_path of adapter_config.json."
    )


def model_folder(model: str, merged: Path) -> Path:
    """Return the folder of a model by name; an adapter is merged with its base into the folder `merged` once.

    Where the run has made a model itself, it made it there.
    """
    if model.startswith(NEW) and files.is_whole(merged):
        return merged
    folder = corpora.resolve(model)
    if not (folder / ADAPTER).exists():
        return folder
    if not files.is_whole(merged):
        from burnish.models.merge import merge_adapter

        with files.publish(merged) as temporary:
            merge_adapter(base_of(folder), folder, temporary)
    return merged


def chosen(model: str) -> str:
    """Return the checkpoint that a finished run kept as its best, given its folder; any other name as it is."""
    report = Path(model).expanduser() / REPORT
    if not report.is_file():
        return model
    kept = json.loads(report.read_text("utf-8")).get("checkpoint")
    return str(Path(model) / "checkpoints" / kept) if kept else model


def small_kind(model: str) -> str:
    """Return which of the small kinds the model of a folder is (`models.small`); empty for any other model."""
    described = Path(model).expanduser() / "config.json"
    if model in corpora.names() or not described.is_file():
        return ""
    try:
        return str(json.loads(described.read_text("utf-8")).get(SMALL, ""))
    except (ValueError, AttributeError):
        return ""  # `check_model` says what is wrong with it


def is_encoder(model: str) -> bool:
    """Return whether a model is an encoder, which reads and never speaks: made anew, a folder's, or an adapter's."""
    if model == f"{NEW}encoder":
        return True
    folder = Path(model).expanduser()
    if model not in corpora.names() and (folder / ADAPTER).is_file():
        return is_encoder(str(base_of(folder)))
    return small_kind(model) == "encoder"


def _there(setting: str, name: str) -> Path | None:
    """Return the local folder of a model that is one; None for a known name or a hub id."""
    if name in corpora.names():
        return None
    path = Path(name).expanduser()
    if path.is_dir():
        corpora.check_model_folder(path)
        return path
    if not corpora.hub.is_id(name) or name.startswith((".", "~", "/")):
        try:
            corpora.resolve(name)  # raises, and says what is missing
        except InputError as error:
            raise InputError(f"{setting}: {error}") from None
    return None
