"""What a studio is started with."""

from __future__ import annotations

from dataclasses import dataclass, field

from burnish.feedback.masking import Finder
from burnish.models.answering import Weights


@dataclass(frozen=True, slots=True)
class StudioSettings:
    """How the app behaves; everything about studies and people stands in the store instead."""

    language: str = "en"
    """Language of whoever has not chosen one: en or zh."""
    hosts: tuple[str, ...] = ("127.0.0.1", "localhost", "[::1]")
    """Names under which the app answers; any other Host header is refused."""
    secure_cookies: bool = False
    """Whether cookies travel by HTTPS only; set it behind a proxy that speaks HTTPS."""
    session_hours: float = 12.0
    """A session that was not used for so long ends."""
    body_limit: int = 2 * 2**20
    """Longest request body in bytes, imports apart."""
    import_limit: int = 256 * 2**20
    """Longest uploaded file in bytes."""
    body_seconds: float = 60.0
    """Longest time a request's body may take to come; imports may take ten times that."""
    requests_per_second: float = 50.0
    """How fast one account, or one address that is not signed in, may ask; ten seconds' worth may come at once."""
    sign_in_failures: int = 10
    """Failed sign-ins of one account, or from one address, after which no more are tried for a while."""
    sign_in_minutes: float = 15.0
    """That while, and how far back failures count."""
    invite_hours: float = 72.0
    """How long a link that invites somebody works."""
    webhook_hosts: tuple[str, ...] = ()
    """Hosts inside this network that webhooks may tell, also by plain HTTP; all others must be public ones."""
    judge_cache: str = ""
    """File in which judges' answers are kept, so that those about erased words go too; empty means the usual one."""
    runs: str = "runs"
    """Folder that holds the run folders to be looked at."""
    models: tuple[str, ...] = ()
    """Models that the playground and live samples may use: names or folders."""
    weights: Weights = "as-is"
    """What the playground's models decode with; live samples are drawn with the models' own weights."""
    device: str = "cpu"
    """Where models compute: cpu, cuda, or cuda:1 for the second GPU."""
    mask_key: bytes = field(default=b"", repr=False)
    """Key of the placeholders that take the place of personal data in what people write; empty: nothing is masked."""
    mask_engines: tuple[Finder, ...] = ()
    """Finders beside our rules, such as an engine of named entities."""
