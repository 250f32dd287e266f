"""Tells webhooks what happened: signed, tried again when it fails, and never to an address inside this network.

An address is resolved once, every address it resolves to must be a public one, and the connection goes to the very
address that was looked at (a name that resolves to another one a second later changes nothing). Redirects are not
followed. Hosts that the studio was started with (`webhook_hosts`) may be anywhere and may speak plain HTTP.
The receiver checks `X-Burnish-Signature`: `sha256=` HMAC of `X-Burnish-Time`, a dot and the body under the secret.
"""

from __future__ import annotations

import hashlib
import hmac
import http.client
import ipaddress
import logging
import socket
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from burnish.errors import InputError
from burnish.store import Store
from burnish.store.webhooks import Delivery
from burnish.studio.context import Studio, now_ms

TIMEOUT_SECONDS = 10.0
PAUSES_MS = (10_000, 60_000, 600_000, 3_600_000)
"""How long to wait after each failed try; after the last one it is given up."""
POLL_SECONDS = 1.0
_NAT64 = ipaddress.ip_network("64:ff9b::/96")  # leads to any IPv4 address, also to those inside

log = logging.getLogger(__name__)

Resolve = Callable[[str, int], list[str]]


@dataclass(frozen=True, slots=True)
class Target:
    """Where a delivery goes: the name it is for, and the address that was looked at."""

    scheme: str
    host: str
    port: int
    path: str
    address: str


def resolved(host: str, port: int) -> list[str]:
    """Return every address that a name stands for."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(each[4][0]) for each in found))


def target_of(url: str, allowed: tuple[str, ...] = (), resolve: Resolve = resolved) -> Target:
    """Return where a URL leads. Raises InputError for one that may not be told anything."""
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").lower(), parts.port
    except ValueError:
        raise InputError("url: cannot be read. Write https://example.org/path.") from None
    is_allowed = host in allowed
    if parts.scheme not in (("https", "http") if is_allowed else ("https",)):
        raise InputError(f"url: {parts.scheme or 'no scheme'!r} is not https.")
    if not host or parts.username or parts.password or not url.isprintable() or " " in url:
        raise InputError("url: names no host, or a user. Write https://example.org/path.")
    port = port or (443 if parts.scheme == "https" else 80)
    try:
        addresses = resolve(host, port)
    except (OSError, UnicodeError):
        raise InputError(f"url: {host!r} is not known to the name service.") from None
    if not addresses or not (is_allowed or all(map(is_public, addresses))):
        raise InputError(
            f"url: {host!r} leads to an address inside this network or machine, which is not told anything. The owner "
            "of this machine may allow it: `burnish studio --webhook-host NAME`."
        )
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(parts.scheme, host, port, path, addresses[0])


def is_public(address: str) -> bool:
    """Return whether an address lies in the open network; one that leads to another is judged by that one."""
    found = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        inner = found.ipv4_mapped or found.sixtofour or (found.teredo[1] if found.teredo else None)
        if inner is not None:
            return is_public(str(inner))
        if found in _NAT64:
            return False
    return found.is_global and not found.is_multicast


def send(target: Target, delivery: Delivery, time_ms: int) -> int:
    """Return the status with which a delivery was answered. Raises OSError or HTTPException when it was not."""
    body = delivery.body.encode()
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "burnish-studio",
        "X-Burnish-Event": delivery.event,
        "X-Burnish-Delivery": str(delivery.seq),
        "X-Burnish-Time": str(time_ms),
        "X-Burnish-Signature": signature(delivery.secret, time_ms, body),
    }
    connection = _connection(target)
    try:
        connection.request("POST", target.path, body, headers)
        answer = connection.getresponse()
        answer.read(1024)
        return answer.status
    finally:
        connection.close()


def signature(secret: str, time_ms: int, body: bytes) -> str:
    """Return what proves that a delivery is ours and fresh."""
    return f"sha256={hmac.new(secret.encode(), f'{time_ms}.'.encode() + body, hashlib.sha256).hexdigest()}"


def deliver(store: Store, delivery: Delivery, allowed: tuple[str, ...], time_ms: int) -> bool:
    """Return whether a delivery was taken; take note of it, and of when to try again."""
    try:
        status = send(target_of(delivery.url, allowed), delivery, time_ms)
        done, message = 200 <= status < 300, f"status {status}"
    except (InputError, OSError, http.client.HTTPException) as error:
        done, message = False, str(error) or type(error).__name__
    again = None if done or delivery.tries >= len(PAUSES_MS) else time_ms + PAUSES_MS[delivery.tries]
    store.webhooks.told(delivery.seq, message, now_ms=time_ms, again_ms=again)
    return done


class Deliverer:
    """The thread that tells; it is started when there is a webhook."""

    def __init__(self, studio: Studio) -> None:
        self._studio = studio
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to tell, unless that was begun."""
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="burnish-webhooks", daemon=True)
                self._thread.start()

    def stop(self) -> None:
        """Stop after the delivery that is under way."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(TIMEOUT_SECONDS)

    def _run(self) -> None:
        store, allowed = self._studio.store, self._studio.settings.webhook_hosts
        while not self._stop.wait(POLL_SECONDS):
            try:
                for delivery in store.webhooks.due(now_ms()):
                    deliver(store, delivery, allowed, now_ms())
            except InputError:
                return  # the store was closed
            except Exception:
                log.exception("telling webhooks failed")


def deliverer_of(studio: Studio) -> Deliverer:
    """Return the process's deliverer."""
    found: Deliverer = studio.services.setdefault("deliverer", Deliverer(studio))
    return found


def _connection(target: Target) -> http.client.HTTPConnection:
    """Return a connection to the address that was looked at, which proves to be the name by its certificate."""
    plain = socket.create_connection((target.address, target.port), timeout=TIMEOUT_SECONDS)
    if target.scheme == "https":
        try:
            plain = ssl.create_default_context().wrap_socket(plain, server_hostname=target.host)
        except BaseException:
            plain.close()
            raise
    speak = http.client.HTTPSConnection if target.scheme == "https" else http.client.HTTPConnection
    connection = speak(target.host, target.port, timeout=TIMEOUT_SECONDS)
    connection.sock = plain
    return connection
