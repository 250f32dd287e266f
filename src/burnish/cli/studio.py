"""`burnish studio`: the web app where people give feedback and see what it did."""

from __future__ import annotations

import argparse

DESCRIPTION = """\
Starts the studio: a web app over one store, for a team or for one person alone. The first start
prints a link that makes you its owner; there is no default password. Nothing leaves this machine."""

EPILOG = """\
examples
  burnish studio
  burnish studio --db sqlite:///reviews.db --port 9000
  burnish studio --host 0.0.0.0 --name studio.example.org      reachable from elsewhere, under that name"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    from burnish.studio.settings import StudioSettings

    parser.description, parser.epilog = DESCRIPTION, EPILOG
    parser.add_argument("--db", default="sqlite:///burnish.db", metavar="URL", help="the store (default: %(default)s)")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen at (default: %(default)s)")
    parser.add_argument("--port", type=int, default=8900, help="port to listen at (default: %(default)s)")
    parser.add_argument(
        "--name", action="append", default=[], metavar="HOST", help="a further name under which people reach it"
    )
    parser.add_argument(
        "--runs", default=StudioSettings().runs, metavar="DIR", help="folder of the run folders (default: %(default)s)"
    )


def run(args: argparse.Namespace) -> int:
    """Serve until stopped; 0."""
    import uvicorn

    from burnish.store import open_store
    from burnish.studio import StudioSettings, create_app

    settings = StudioSettings(hosts=(*StudioSettings().hosts, args.host, *args.name), runs=args.runs)
    with open_store(args.db) as store:
        uvicorn.run(create_app(store, settings), host=args.host, port=args.port, log_level="warning", access_log=False)
    return 0
