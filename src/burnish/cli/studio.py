"""`burnish studio`: the web app where people give feedback and see what it did."""

from __future__ import annotations

import argparse
import errno
import os
import socket
from typing import TYPE_CHECKING, get_args

from burnish.cli import feedback_mask
from burnish.errors import InputError

if TYPE_CHECKING:
    from burnish.store import Store
    from burnish.studio import StudioSettings

DESCRIPTION = """\
Starts the studio: a web app over one store, for a team or for one person alone. The first start
prints a link that makes you its owner; there is no default password. Nothing leaves this machine
but what --model openai:... is asked (masked on other machines) and what webhooks are told."""

EPILOG = """\
examples
  burnish studio
  burnish studio --db sqlite:///reviews.db --port 9000
  burnish studio --owner-link                                  when every owner's password is lost
  burnish studio --behind-proxy --name studio.example.org      behind a proxy here that speaks HTTPS"""

_EVERYWHERE = ("0.0.0.0", "::")
_GRACE_SECONDS = 5  # for answers under way when the studio is stopped


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    from burnish.models.answering import Weights
    from burnish.studio.settings import StudioSettings

    parser.description, parser.epilog = DESCRIPTION, EPILOG
    parser.add_argument("--db", default="sqlite:///burnish.db", metavar="URL", help="the store (default: %(default)s)")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen at (default: %(default)s)")
    parser.add_argument("--port", type=int, default=8900, help="port to listen at (default: %(default)s)")
    parser.add_argument(
        "--name", action="append", default=[], metavar="HOST", help="a further name under which people reach it"
    )
    parser.add_argument(
        "--behind-proxy",
        action="store_true",
        help="a proxy on this machine passes requests on and speaks HTTPS: cookies travel by HTTPS only",
    )
    parser.add_argument("--owner-link", action="store_true", help="print a new link that makes an owner")
    parser.add_argument(
        "--runs", default=StudioSettings().runs, metavar="DIR", help="folder of the run folders (default: %(default)s)"
    )
    parser.add_argument(
        "--webhook-host",
        action="append",
        default=[],
        metavar="HOST",
        help="a host inside this network that webhooks may tell; others must be public",
    )
    parser.add_argument(
        "--model",
        dest="models",
        action="append",
        default=[],
        metavar="M",
        help="a model to talk with and to draw samples from, beside the checkpoints made here; may be repeated",
    )
    parser.add_argument(
        "--weights",
        choices=get_args(Weights),
        default=StudioSettings().weights,
        help="what models decode with in conversations: int8 is about 1.5 times as fast for one answer at a time, "
        "slower for more than eight, and its log-probs are not the trainer's, so samples of a study are drawn as-is "
        "(default: %(default)s)",
    )
    parser.add_argument(
        "--device",
        default=StudioSettings().device,
        metavar="D",
        help="where models compute: cpu, cuda, or cuda:1 for the second GPU; nothing has been measured on a GPU yet "
        "(default: %(default)s)",
    )
    parser.add_argument(
        "--mask", action="store_true", help="take personal data out of what people answer before it is stored"
    )
    feedback_mask.add_key_arguments(parser, vault=False)


def run(args: argparse.Namespace) -> int:
    """Serve until stopped, by Ctrl-C as a rule; 0."""
    import uvicorn

    from burnish.models import devices
    from burnish.store import open_store
    from burnish.studio import StudioSettings, create_app

    devices.check(args.device)
    masker = feedback_mask.masker_if_asked(args)
    with listening(args.host, args.port) as listener, open_store(args.db) as store:
        open_example(store)
        port = listener.getsockname()[1]
        settings = StudioSettings(
            hosts=_names(args.host, args.name),
            secure_cookies=args.behind_proxy,
            runs=args.runs,
            webhook_hosts=tuple(args.webhook_host),
            models=tuple(args.models),
            weights=args.weights,
            device=args.device,
            mask_key=masker.key if masker else b"",
            mask_engines=tuple(masker.engines) if masker else (),
        )
        config = uvicorn.Config(
            create_app(store, settings),
            log_level="warning",
            access_log=False,  # addresses hold the keys of links
            server_header=False,
            ws="none",
            proxy_headers=args.behind_proxy,
            forwarded_allow_ips="127.0.0.1,::1",
            timeout_graceful_shutdown=_GRACE_SECONDS,
        )
        print(greeting(store, settings, _address(args, port), owner_link=args.owner_link), flush=True)
        try:
            uvicorn.Server(config).run(sockets=[listener])
        except KeyboardInterrupt:
            print("stopped; everything is in the store.", flush=True)
    return 0


def open_example(store: Store) -> None:
    """Put the example study into a store that nobody owns yet, so that there is something to answer at once."""
    from burnish.studio import examples
    from burnish.studio.context import now_ms

    if not store.accounts.has_owner() and not store.studies.listing():
        spoken = next(filter(None, map(os.environ.get, ("LC_ALL", "LC_MESSAGES", "LANG"))), "")
        examples.install(store, now_ms=now_ms(), language=spoken[:2])


def greeting(store: Store, settings: StudioSettings, address: str, *, owner_link: bool = False) -> str:
    """Return what is printed at the start: the address, and while nobody owns the studio, or on request, the link."""
    from burnish.studio.context import now_ms

    lines = [f"burnish studio: {address}  (store {store.url}; stop with Ctrl-C)"]
    if owner_link or not store.accounts.has_owner():
        lasts_ms = int(settings.invite_hours * 3_600_000)
        key = store.accounts.owner_invite(now_ms=now_ms(), lasts_ms=lasts_ms)
        lines.append(f"Open this once to become its owner:\n  {address}/invite/{key}")
    return "\n".join(lines)


def listening(host: str, port: int) -> socket.socket:
    """Return a socket that listens there. Raises `InputError` for an address that is taken, not ours or not allowed."""
    if not 0 <= port <= 65535:
        raise InputError(f"--port: {port} is no port. Use 1 to 65535, or 0 for any that is free.")
    try:
        family, kind, _, _, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind)
    except OSError as error:
        raise InputError(f"--host: {host!r} is no address of a machine ({error}). Check the name.") from None
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(place)
        listener.listen(2048)
    except OSError as error:
        listener.close()
        raise InputError(_why(error, host, port)) from None
    return listener


def _why(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"--port: {port} is taken, perhaps by a studio that runs already. Stop it, or choose another port."
    if error.errno == errno.EACCES:
        return f"--port: {port} may not be used by this user. Choose one above 1023."
    if error.errno == errno.EADDRNOTAVAIL:
        return (
            f"--host: {host!r} is not an address of this machine. Use 127.0.0.1, or 0.0.0.0 for all of its addresses."
        )
    return f"--host, --port: cannot listen at {host}:{port} ({error.strerror})."


def _names(host: str, more: list[str]) -> tuple[str, ...]:
    """Return the names that the studio answers to, as a Host header has them."""
    given = [] if host in _EVERYWHERE else [host]
    named = (f"[{name}]" if ":" in name else name.lower() for name in (*given, *more))
    return tuple(dict.fromkeys(("127.0.0.1", "localhost", "[::1]", *named)))


def _address(args: argparse.Namespace, port: int) -> str:
    """Return the address at which whoever started it reaches it."""
    if args.behind_proxy and args.name:
        return f"https://{args.name[0]}"
    host = (args.name or ["127.0.0.1"])[0] if args.host in _EVERYWHERE else args.host
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"
