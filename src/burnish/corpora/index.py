"""One file of one package release, from where the user's pip would look for it, checked by a hash pinned in our code.

We ask the index ourselves (the simple API, PEP 503 and 691) rather than through `pip download`: so an interrupted
download goes on where it stopped, progress is shown, no resolver runs, and pip need not be installed.
See docs/decisions/002-fetching-from-the-package-index.md.
"""

from __future__ import annotations

import json
import re
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import IO, TYPE_CHECKING
from urllib.parse import unquote, urljoin, urlsplit, urlunsplit

from burnish import files, progress
from burnish.corpora import pip_settings
from burnish.corpora.pip_settings import PipSettings
from burnish.errors import DamagedFileError, UnreachableError

if TYPE_CHECKING:  # httpx takes 0.1 s to import: only those who download pay for it
    import httpx

ATTEMPTS = 4
"""The first one and three more."""
WAITS_SECONDS = (0.5, 2.0, 5.0)
"""Before each further attempt at the same address."""
_PROGRESS_BYTES = 2**20  # an attempt that brought this much does not count as failed: slow lines get there too
_CONNECT_SECONDS = 15.0  # pip's time limit may be minutes, meant for slow answers: no host takes that long to greet
_PAGE_LIMIT = 64 * 2**20  # bytes; pypi.org's largest project page is about 20 MB
_ACCEPT = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.01"


@dataclass(frozen=True)
class Release:
    """One file of one package release, and what it must be."""

    project: str
    version: str
    filename: str
    size: int
    """Bytes."""
    sha256: str


class _Refused(Exception):
    """An address that does not help; the text says why."""


def fetch(release: Release, cache: Path) -> Path:
    """Return the release's file in `cache/downloads`, downloaded when it is not there.

    Looks into pip's find-links first, then into its indexes; each is tried up to four times, and what an interrupted
    download left (`*.part`) is gone on with by HTTP Range. Another process that fetches the same file is waited for.
    Raises `UnreachableError` naming every place tried and what to do, and `InputError` when the disk is too small.
    """
    path = cache / "downloads" / release.filename
    if _is_the_file(path, release):
        return path
    with files.run_lock(path.parent, name=f".{release.filename}.lock", wait=True):
        if not _is_the_file(path, release):
            part = path.with_name(path.name + ".part")
            files.need_space(path.parent, release.size - _length(part), path.name)
            try:
                _fetch_from_anywhere(release, path, part)
            except OSError as error:
                if files.is_disk_full(error):
                    raise files.disk_full_error(path, release.size, _length(part)) from error
                raise
    return path


def _is_the_file(path: Path, release: Release) -> bool:
    return _length(path) == release.size and files.sha256_of(path) == release.sha256


def _length(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _fetch_from_anywhere(release: Release, path: Path, part: Path) -> None:
    settings = pip_settings.read()
    tried = []
    for place in _places(release, settings):
        try:
            _fetch_from(place, release, part, settings)
        except _Refused as reason:
            tried.append(f"  {without_password(place)}: {reason}")
        else:
            part.replace(path)
            return
    raise UnreachableError(
        f"{release.filename} ({release.project} {release.version}, {release.size / 1e6:,.1f} MB) could not be fetched. "
        "Tried:\n" + ("\n".join(tried) or "  nothing: pip's settings forbid every index (no-index)") + "\n"
        "What was received so far is kept; the same command goes on from there. "
        "Otherwise name another index with PIP_INDEX_URL=https://..., "
        f"or put the file by hand at\n  {path}\n  (SHA-256 {release.sha256})."
    )


def _places(release: Release, settings: PipSettings) -> Iterator[str]:
    yield from settings.find_links
    project = re.sub(r"[-_.]+", "-", release.project).lower()  # PEP 503's normalised name
    for base in settings.indexes:
        yield f"{base.rstrip('/')}/{project}/"


def without_password(url: str) -> str:
    """Return a URL that may be shown: what stands before `@` in it is left out."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def _fetch_from(place: str, release: Release, part: Path, settings: PipSettings) -> None:
    """Fill the part file from a folder or a page of links; `_Refused` when that place cannot."""
    folder = _local(place)
    if folder is None:
        with _client(place, settings) as client:
            page, kind, base = _page(client, place)
            link = _link(page, kind, base, release)
    else:
        link = _link_in(folder, release)
    copy = _local(link)
    if copy is None:
        with _client(link, settings) as client:
            _download(client, link, release, part)
    elif folder is None:
        raise _Refused(f"its link {link} leads to a file of this machine")
    elif not _is_the_file(copy, release):
        raise _Refused("its file is missing or another one (size or SHA-256 differ)")
    else:
        shutil.copyfile(copy, part)


def _link_in(folder: Path, release: Release) -> str:
    """Return the file's address from a local folder, or from the page of links in it (or the page itself)."""
    if (folder / release.filename).is_file():
        return str(folder / release.filename)
    page = folder if folder.is_file() else folder / "index.html"
    if not page.is_file():
        raise _Refused(f"no {release.filename} there")
    return _link(page.read_bytes(), "text/html", page.absolute().as_uri(), release)


def _local(place: str) -> Path | None:
    parts = urlsplit(place)
    if parts.scheme == "file":
        return Path(unquote(parts.path))
    return None if parts.scheme in ("http", "https") else Path(place).expanduser()


# ------------------------------------------------------------------------------------------------------ pages of links


def _page(client: httpx.Client, url: str) -> tuple[bytes, str, str]:
    """Return a page's content, its type and its final address."""
    import httpx

    failures = 0
    while True:
        try:
            with client.stream("GET", url, headers={"Accept": _ACCEPT}) as answer:
                _need_success(answer)
                content = bytearray()
                for chunk in answer.iter_bytes():
                    content += chunk
                    if len(content) > _PAGE_LIMIT:
                        raise _Refused(f"its page is longer than {_PAGE_LIMIT // 2**20} MiB")
                return bytes(content), answer.headers.get("content-type", ""), str(answer.url)
        except (httpx.UnsupportedProtocol, httpx.InvalidURL, UnicodeError) as error:
            raise _Refused(_words(error)) from None
        except (httpx.TransportError, _Passing) as error:
            failures += 1
            _wait_or_give_up(url, failures, error)
        except httpx.HTTPError as error:
            raise _Refused(_words(error)) from None


class _Passing(Exception):
    """An answer that may be another one in a moment: too many requests, a server error."""


def _need_success(answer: httpx.Response) -> None:
    if answer.status_code == 429 or answer.status_code >= 500:
        raise _Passing(f"HTTP {answer.status_code}")
    if answer.status_code in (401, 403):
        raise _Refused(f"HTTP {answer.status_code}: the index asks for a name and a password")
    if answer.status_code >= 300:
        raise _Refused(f"HTTP {answer.status_code}")


def _link(page: bytes, kind: str, base: str, release: Release) -> str:
    """Return the address of the release's file on a project page, in JSON (PEP 691) or HTML (PEP 503)."""
    links = _links_of_json(page) if "json" in kind else _links_of_html(page)
    for url, filename, sha256 in links:
        if filename == release.filename:
            if sha256 and sha256 != release.sha256:
                raise _Refused(f"its {filename} is another file (SHA-256 {sha256}, not {release.sha256})")
            return urljoin(base, url)
    raise _Refused(f"has no {release.filename}")


def _links_of_json(page: bytes) -> Iterator[tuple[str, str, str]]:
    try:
        for each in json.loads(page)["files"]:
            yield each["url"], each["filename"], each.get("hashes", {}).get("sha256", "")
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise _Refused("its answer is no page of a package index") from None


def _links_of_html(page: bytes) -> Iterator[tuple[str, str, str]]:
    parser = _Anchors()
    parser.feed(page.decode("utf-8", "replace"))
    for href in parser.found:
        parts = urlsplit(href)
        sha256 = parts.fragment.removeprefix("sha256=") if parts.fragment.startswith("sha256=") else ""
        yield urlunsplit(parts._replace(fragment="")), unquote(parts.path.rpartition("/")[2]), sha256


class _Anchors(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a":
            self.found.extend(value for name, value in attrs if name == "href" and value)


# --------------------------------------------------------------------------------------------------------- downloading


def _download(client: httpx.Client, url: str, release: Release, part: Path) -> None:
    """Fill the part file from an address, going on where it ends; a few further attempts, each from where we are."""
    import httpx

    failures = 0
    while True:
        began_at = _length(part)
        try:
            _download_once(client, url, release, part)
            _check(part, release)
            return
        except (httpx.TransportError, _Passing, DamagedFileError) as error:
            if isinstance(error, DamagedFileError) and not began_at:
                raise _Refused(str(error)) from None  # from the first byte on: asking again brings the same
            failures = 1 if _length(part) - began_at >= _PROGRESS_BYTES else failures + 1
            _wait_or_give_up(url, failures, error)
        except httpx.HTTPError as error:
            raise _Refused(_words(error)) from None


def _download_once(client: httpx.Client, url: str, release: Release, part: Path) -> None:
    have = _length(part)
    if have >= release.size:
        return  # a kill came between its last byte and the check
    headers = {"Accept-Encoding": "identity"}  # else a server may pack a .tar.gz once more, and ranges mean other bytes
    if have:
        headers["Range"] = f"bytes={have}-"
    with client.stream("GET", url, headers=headers) as answer:
        if answer.status_code == 416:
            part.unlink(missing_ok=True)
            raise _Passing("HTTP 416: it cannot go on from there, so it begins again")
        _need_success(answer)
        starts = answer.headers.get("content-range", "").removeprefix("bytes ").partition("-")[0].strip()
        goes_on = answer.status_code == 206 and starts == str(have)
        with part.open("ab" if goes_on else "wb") as out:
            _write_all(answer, out, have if goes_on else 0, release)


def _write_all(answer: httpx.Response, out: IO[bytes], have: int, release: Release) -> None:
    shown = have // 1000
    with progress.bar(release.size // 1000, f"fetching {release.filename}", "kB", start=shown) as bar:
        for (
            chunk
        ) in answer.iter_raw():  # in the pieces in which it arrives: a fixed size would lose the last of a cut one
            have += len(chunk)
            if have > release.size:
                raise DamagedFileError(f"it sends more than the {release.size:,} bytes of the file")
            out.write(chunk)
            bar.advance(have // 1000 - shown)
            shown = have // 1000
    if have < release.size:
        raise _Passing(f"the answer ended after {have:,} of {release.size:,} bytes")


def _check(part: Path, release: Release) -> None:
    """Raise `DamagedFileError`, and throw the part away, unless it is exactly the file."""
    found = files.sha256_of(part)
    if found != release.sha256:
        part.unlink()
        raise DamagedFileError(f"what arrived is another file (SHA-256 {found}, not {release.sha256})")


def _wait_or_give_up(url: str, failures: int, error: Exception) -> None:
    if failures >= ATTEMPTS:
        raise _Refused(f"{_words(error)} ({ATTEMPTS} attempts)") from None
    seconds = WAITS_SECONDS[failures - 1]
    progress.say(f"{urlsplit(url).hostname}: {_words(error)}; trying again in {seconds:g} s")
    time.sleep(seconds)


def _words(error: Exception) -> str:
    return str(error) or type(error).__name__


def _client(place: str, settings: PipSettings) -> httpx.Client:
    import ssl

    import httpx

    verify: ssl.SSLContext | bool = True
    if urlsplit(place).hostname in settings.trusted_hosts or urlsplit(place).netloc in settings.trusted_hosts:
        verify = False  # the user's own choice in pip; the file is checked by its hash in any case
    elif settings.certificates or settings.client_certificate:
        try:
            verify = ssl.create_default_context(cafile=settings.certificates or None)
            if settings.client_certificate:
                verify.load_cert_chain(settings.client_certificate)
        except OSError as error:  # ssl.SSLError is one
            raise _Refused(f"pip's certificate file {settings.certificates} cannot be read: {error}") from None
    return httpx.Client(
        verify=verify,
        auth=settings.credentials(place),
        proxy=settings.proxy or None,
        follow_redirects=True,
        timeout=httpx.Timeout(settings.timeout_seconds, connect=min(settings.timeout_seconds, _CONNECT_SECONDS)),
        headers={"User-Agent": "burnish"},
    )
