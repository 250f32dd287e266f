"""Where an OpenAI-compatible endpoint is, whether it may be asked, and which key it gets.

A model is named `openai:URL#MODEL`, such as `openai:http://localhost:8000/v1#qwen3`. There is no default address and no
default model. Keys come from the environment only and go to their own host only: `OPENAI_API_KEY` to api.openai.com,
`BURNISH_KEY_<HOST>` (upper case, everything else but letters and digits as `_`) to that host.
"""

from __future__ import annotations

import ipaddress
import os
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from burnish.errors import InputError, UnreachableError

PREFIX = "openai:"


@dataclass(frozen=True, slots=True)
class Address:
    """A checked place to ask."""

    url: str
    """Base address without a slash at its end; `/chat/completions` follows."""
    model: str
    host: str
    is_local: bool
    """Whether it stays on this machine or in its private network: plain http is allowed, and no proxy is asked."""
    is_here: bool = False
    """Whether it stays on this machine (loopback): what goes to any other place is masked."""

    @property
    def name(self) -> str:
        return f"{PREFIX}{self.url}#{self.model}"


def address_of(name: str) -> Address:
    """Return the address of `openai:URL#MODEL`.

    Raises InputError for another form, for a user or password in it, for plain http to a host outside the local network
    (texts and key would be readable on the way), and for link-local addresses, where clouds keep their credentials;
    `UnreachableError` when the host is not known.
    """
    url, host, model = _written(name)
    addresses = _addresses(host)
    if bad := [each for each in addresses if each.is_link_local or each.is_unspecified or each.is_multicast]:
        raise InputError(f"endpoint: {host} is {bad[0]}, which is no server of models. Name another host.")
    is_local = all(each.is_private or each.is_loopback for each in addresses)
    if urlsplit(url).scheme == "http" and not is_local:
        raise InputError(f"endpoint: {host} would be asked in clear text. Use https.")
    return Address(url, model, host, is_local, is_here=all(each.is_loopback for each in addresses))


def name_of(name: str) -> str:
    """Return the name that an endpoint goes by, and its answers are kept under; its host is not looked up.

    Raises InputError for what is no `openai:URL#MODEL`.
    """
    url, _, model = _written(name)
    return f"{PREFIX}{url}#{model}"


def is_written_here(name: str) -> bool:
    """Return whether an endpoint's address says by itself that it is on this machine: a loopback address, or localhost.

    Its host is not looked up, so another name that leads to this machine is taken for one outside.
    """
    host = _written(name)[1]
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _written(name: str) -> tuple[str, str, str]:
    """The base address, host and model that a name states."""
    if not name.startswith(PREFIX) or "#" not in name:
        raise InputError(f"{name!r}: no endpoint. Write openai:URL#MODEL, as in openai:http://localhost:8000/v1#qwen3.")
    url, _, model = name.removeprefix(PREFIX).partition("#")
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise InputError(f"{name!r}: {url!r} is no http(s) address. Write openai:http://HOST:PORT/v1#MODEL.")
    if parts.username or parts.password:
        raise InputError("endpoint: a user or password stands in the address. Put the key into the environment.")
    if parts.query or not model.strip():
        raise InputError(f"{name!r}: expected URL#MODEL with nothing else. Write openai:http://HOST:PORT/v1#MODEL.")
    return url.rstrip("/"), parts.hostname, model


def key_for(host: str, environment: Mapping[str, str] | None = None) -> str | None:
    """Return the key of a host out of the environment, None when there is none."""
    known = os.environ if environment is None else environment
    own = "BURNISH_KEY_" + re.sub(r"[^A-Z0-9]", "_", host.upper())
    return known.get(own) or (known.get("OPENAI_API_KEY") if host == "api.openai.com" else None)


def _addresses(host: str) -> list[ipaddress.IPv4Address | ipaddress.IPv6Address]:
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise UnreachableError(f"endpoint: no such host {host!r} ({error}). Check the name and the network.") from None
    plain = [ipaddress.ip_address(str(each[4][0]).partition("%")[0]) for each in found]
    # ::ffff:169.254.169.254 is that IPv4 address
    return [getattr(each, "ipv4_mapped", None) or each for each in plain]
