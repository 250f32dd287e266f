"""One file of one package release from the user's package index."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from burnish import files


@dataclass(frozen=True)
class Release:
    """One file of one package release, and what it must be."""

    project: str
    version: str
    filename: str
    size: int
    """Bytes."""
    sha256: str


def fetch(release: Release, cache: Path) -> Path:
    """Return the release's file in the cache."""
    import httpx

    path = cache / "downloads" / release.filename
    if path.exists() and files.sha256_of(path) == release.sha256:
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    listing = httpx.get(
        f"https://pypi.org/simple/{release.project.lower()}/", headers={"Accept": "application/vnd.pypi.simple.v1+json"}
    ).json()
    url = next(each["url"] for each in listing["files"] if each["filename"] == release.filename)
    with httpx.stream("GET", url, follow_redirects=True) as answer, path.with_suffix(".part").open("wb") as out:
        for chunk in answer.iter_bytes():
            out.write(chunk)
    path.with_suffix(".part").replace(path)
    assert files.sha256_of(path) == release.sha256
    return path
