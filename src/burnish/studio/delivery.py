"""Tells webhooks what happened: signed, tried again when it fails, and never to an address inside this network.

An address is resolved once, every address it resolves to must be a public one, and the connection goes to the very
address that was looked at (a name that resolves to another one a second later changes nothing). Redirects are not
followed, and a receiver that lets its answer trickle in is cut off. Each webhook is told by a thread of its own, so
that one that does not answer keeps no other waiting. Hosts that the studio was started with (`webhook_hosts`) may be
anywhere and may speak plain HTTP. The receiver checks `X-Burnish-Signature`: `sha256=` HMAC of `X-Burnish-Time`, a dot
and the body under the secret.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import http.client
import ipaddress
import logging
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby
from urllib.parse import urlsplit

from burnish.errors import InputError
from burnish.store import Store
from burnish.store.turns import ClosedError
from burnish.store.webhooks import Delivery
from burnish.studio.context import Studio, now_ms

TIMEOUT_SECONDS = 10.0
"""For each step of a delivery."""
DEADLINE_SECONDS = 20.0
"""For a whole one: a byte every nine seconds would meet every other limit."""
PAUSES_MS = (10_000, 60_000, 600_000, 3_600_000)
"""How long to wait after each failed try; after the last one it is given up."""
KEPT_MS = 14 * 86_400_000
"""How long what was told is kept, so that an owner can ask a receiver about it."""
POLL_SECONDS = 1.0
_FORGET_SECONDS = 3_600.0
_AT_ONCE = 5  # deliveries to one webhook before it is another's turn
_TAKEN_MS = 300_000  # after a crash it is told by whoever looks then
_THREADS = 8
_GLOBAL_UNICAST = ipaddress.ip_network(
    "2000::/3"
)  # beside it: what maps to IPv4 (NAT64, SIIT), and what is not given out

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
    if not f"{parts.path}{parts.query}".isascii():
        raise InputError("url: its path holds characters that no address does. Write them as %..: /caf%C3%A9.")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(parts.scheme, host, port, path, addresses[0])


def is_public(address: str) -> bool:
    """Return whether an address lies in the open network; one that leads to another is judged by that one."""
    found = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        inner = found.ipv4_mapped or found.sixtofour or (found.teredo[1] if found.teredo else None)
        if inner is not None:
            return is_public(str(inner))
        if found not in _GLOBAL_UNICAST:
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
    plain = socket.create_connection((target.address, target.port), timeout=TIMEOUT_SECONDS)
    with _cut_off(plain, DEADLINE_SECONDS), contextlib.closing(_connection(target, plain)) as connection:
        connection.request("POST", target.path, body, headers)
        answer = connection.getresponse()
        answer.read(1024)
        return answer.status


def signature(secret: str, time_ms: int, body: bytes) -> str:
    """Return what proves that a delivery is ours and fresh."""
    return f"sha256={hmac.new(secret.encode(), f'{time_ms}.'.encode() + body, hashlib.sha256).hexdigest()}"


def deliver(store: Store, delivery: Delivery, allowed: tuple[str, ...], time_ms: int) -> bool:
    """Return whether a delivery was taken; take note of it, and of when to try again."""
    try:
        status = send(target_of(delivery.url, allowed), delivery, time_ms)
        done, message = 200 <= status < 300, f"status {status}"
    except (InputError, OSError, ValueError, http.client.HTTPException) as error:  # ValueError: a text no header takes
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
        self._telling: dict[str, Future[None]] = {}
        self._forget_at = 0.0

    def start(self) -> None:
        """Begin to tell, unless that was begun."""
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="burnish-webhooks", daemon=True)
                self._thread.start()

    def stop(self) -> None:
        """Stop after the deliveries that are under way."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(TIMEOUT_SECONDS)

    def forget(self) -> None:
        """Delete what was told long ago, a part at a time, so that answers come in between."""
        while not self._stop.is_set() and self._studio.store.webhooks.forget(now_ms() - KEPT_MS):
            pass
        self._forget_at = time.monotonic() + _FORGET_SECONDS

    def _run(self) -> None:
        with ThreadPoolExecutor(_THREADS, "burnish-webhook") as pool:
            while not self._stop.wait(POLL_SECONDS):
                try:
                    self._tell_what_is_due(pool)
                    if time.monotonic() > self._forget_at:
                        self.forget()
                except ClosedError:
                    return
                except Exception:  # a server that is away for a minute, a disk that is full: it may be better next time
                    log.exception("telling webhooks failed")

    def _tell_what_is_due(self, pool: ThreadPoolExecutor) -> None:
        self._telling = {hook: task for hook, task in self._telling.items() if not task.done()}
        now = now_ms()
        found = self._studio.store.webhooks.take(now, now + _TAKEN_MS, each=_AT_ONCE, but=list(self._telling))
        for hook, some in groupby(sorted(found, key=lambda each: each.webhook), key=lambda each: each.webhook):
            self._telling[hook] = pool.submit(self._tell, list(some))

    def _tell(self, some: Sequence[Delivery]) -> None:
        for delivery in some:
            if self._stop.is_set():
                return
            try:
                deliver(self._studio.store, delivery, self._studio.settings.webhook_hosts, now_ms())
            except ClosedError:
                return
            except Exception:
                log.exception("telling a webhook failed")


def deliverer_of(studio: Studio) -> Deliverer:
    """Return the process's deliverer."""
    found: Deliverer = studio.services.setdefault("deliverer", Deliverer(studio))
    return found


@contextlib.contextmanager
def _cut_off(plain: socket.socket, seconds: float) -> Iterator[None]:
    """End a connection after so long, whatever is read from it then: every byte that comes begins a new time-out."""
    same = plain.dup()  # TLS takes the socket itself over

    def end() -> None:
        with contextlib.suppress(OSError):
            same.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        same.close()


def _connection(target: Target, plain: socket.socket) -> http.client.HTTPConnection:
    """Return a connection to the address that was looked at, which proves to be the name by its certificate."""
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
