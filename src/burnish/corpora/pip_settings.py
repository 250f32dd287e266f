"""Where the user's pip looks for packages: its configuration files and environment variables, read as pip does."""

from __future__ import annotations

import configparser
import netrc
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from burnish.errors import InputError

PYPI = "https://pypi.org/simple"
_SECTIONS = ("global", "download", "install")  # of a configuration file, the later ones win


@dataclass(frozen=True)
class PipSettings:
    """What of pip's settings decides where and how a package file is fetched."""

    indexes: tuple[str, ...] = (PYPI,)
    """Base URLs (PEP 503), in the order in which they are asked; empty with pip's `no-index`."""
    find_links: tuple[str, ...] = ()
    """Folders or pages with links to package files, asked before the indexes."""
    certificates: str = ""
    """File of certificate authorities; empty means the system's or `SSL_CERT_FILE`."""
    client_certificate: str = ""
    proxy: str = ""
    """Empty means the environment's `HTTPS_PROXY` and the like."""
    trusted_hosts: frozenset[str] = frozenset()
    """Hosts whose certificate is not checked."""
    timeout_seconds: float = 30.0
    """Longest silence of a connection."""

    def credentials(self, url: str) -> tuple[str, str] | None:
        """Return name and password for a URL: its own, those of an index on the same host, or those of `.netrc`."""
        host = urlsplit(url).netloc.rpartition("@")[2]
        for candidate in (url, *self.indexes, *self.find_links):
            parts = urlsplit(candidate)
            if parts.username and parts.netloc.rpartition("@")[2] == host:
                return unquote(parts.username), unquote(parts.password or "")
        try:
            found = netrc.netrc(os.environ.get("NETRC")).authenticators(host.partition(":")[0])
        except (OSError, netrc.NetrcParseError):
            return None
        return (found[0], found[2]) if found and found[0] else None


def read() -> PipSettings:
    """Return pip's settings for this interpreter, user and environment."""
    merged: dict[str, str] = {}
    for path in _configuration_files():
        merged.update(_read_file(path))
    for name, value in os.environ.items():
        if name.startswith("PIP_") and value:
            merged[name.removeprefix("PIP_").lower().replace("_", "-")] = value
    indexes = [merged.get("index-url", PYPI), *merged.get("extra-index-url", "").split()]
    return PipSettings(
        indexes=() if _is_true(merged.get("no-index", "")) else tuple(indexes),
        find_links=tuple(merged.get("find-links", "").split()),
        certificates=merged.get("cert", ""),
        client_certificate=merged.get("client-cert", ""),
        proxy=merged.get("proxy", ""),
        trusted_hosts=frozenset(merged.get("trusted-host", "").split()),
        timeout_seconds=_seconds(merged.get("timeout") or merged.get("default-timeout")),
    )


def _configuration_files() -> list[Path]:
    """Return pip's configuration files, least important first: machine, user, environment, `PIP_CONFIG_FILE`.

    As in pip, the user's own is left out when `PIP_CONFIG_FILE` names a file that exists.
    """
    own = os.environ.get("PIP_CONFIG_FILE")
    if own == os.devnull:
        return []
    machine = [
        Path(base, "pip", "pip.conf") for base in os.environ.get("XDG_CONFIG_DIRS", "/etc/xdg").split(":") if base
    ]
    home = Path.home()
    user = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config", "pip", "pip.conf")
    if sys.platform == "darwin" and (home / "Library/Application Support/pip").is_dir():
        user = home / "Library/Application Support/pip/pip.conf"
    users = [] if own and Path(own).exists() else [home / ".pip" / "pip.conf", user]
    return [*machine, Path("/etc/pip.conf"), *users, Path(sys.prefix, "pip.conf"), *([Path(own)] if own else [])]


def _read_file(path: Path) -> dict[str, str]:
    parser = configparser.RawConfigParser()
    try:
        parser.read_string(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return {}
    except (configparser.Error, UnicodeDecodeError) as error:
        raise InputError(f"{path}: pip's configuration cannot be read ({error}). Mend it: pip needs it too.") from None
    found: dict[str, str] = {}
    for section in _SECTIONS:
        if parser.has_section(section):
            found.update({name.replace("_", "-"): value for name, value in parser.items(section)})
    return found


def _is_true(text: str) -> bool:
    return text.strip().lower() in ("1", "true", "yes", "on", "y", "t")


def _seconds(text: str | None) -> float:
    try:
        return max(float(text or 0), 1.0) if text else PipSettings.timeout_seconds
    except ValueError:
        return PipSettings.timeout_seconds
