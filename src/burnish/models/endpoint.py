"""A `Sampler` over an OpenAI-compatible HTTP endpoint: any server that answers `POST /chat/completions`.

Bounded concurrency; retries with full jitter for what may pass (time-outs, 408, 429, 5xx, cut connections, bodies that
are no JSON), heeding Retry-After; a cap on what may be spent (`burnish.models.spending`); a circuit that opens when
nothing answers any more. What a server does not know (a schema, log-probs, a seed) it is not asked again: we go by what
it refuses, never by the name of its model. Redirects are not followed, so the key goes nowhere else.
"""

from __future__ import annotations

import email.utils
import json
import math
import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx

from burnish.errors import InputError, UnreachableError
from burnish.models.answering import Attempt, Choice, Failure, Schema, told_apart, whole
from burnish.models.endpoint_address import Address, address_of, key_for
from burnish.models.spending import Purse
from burnish.records import Completion, FinishReason, Prompt, Sampling, seed_of

PASSING = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
"""Statuses that may pass when asked again; 529 is what some vendors send when overloaded."""
MAY_BE_DROPPED = ("response_format", "top_logprobs", "logprobs", "seed", "stop")
"""Fields of a request that a server may not know and that only add: `temperature` is not one of them."""
MAY_HAVE_COST = ("time-out", "cut off", "rubbish")
"""Failures after which nobody knows whether the server charged for an answer: booked in full."""
TOP_LOGPROBS = 20
"""Most alternatives that the API offers for a token."""
MAX_REPLY_BYTES = 4 << 20


@dataclass(frozen=True, slots=True)
class Patience:
    """How long and how often an endpoint is asked."""

    concurrency: int = 8
    """Questions under way at once."""
    attempts: int = 5
    """Times that one question is sent at most."""
    timeout_seconds: float = 120.0
    """For one attempt from its beginning to the last byte: a server that trickles cannot hold us longer."""
    backoff_seconds: float = 0.5
    """Before attempt k + 1 we wait a uniform random time up to this times 2^(k-1): full jitter."""
    longest_wait_seconds: float = 60.0
    """Also the most that a server's Retry-After is heeded."""
    failures_in_a_row: int = 8
    """So many questions given up one after the other open the circuit: the rest of the batch fails at once."""


class Endpoint:
    """Asks one model at one address. `attempt` gives failures in their place; `sample` raises on the first."""

    def __init__(
        self,
        address: Address | str,
        *,
        patience: Patience | None = None,
        purse: Purse | None = None,
        key: str | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """address: checked, or `openai:URL#MODEL`. key: otherwise the environment's for this host."""
        self.address = address_of(address) if isinstance(address, str) else address
        self.name = self.address.name
        self.tells_logprobs = False
        """Set by `probe`: nothing but asking tells whether a server gives log-probs."""
        self.by_first_token = True
        self.patience = patience or Patience()
        self.purse = purse or Purse()
        self._sleep = sleep
        self._dropped: set[str] = set()
        self._in_a_row = 0
        self._lock = threading.Lock()
        self._secret = key or key_for(self.address.host)
        self._client = httpx.Client(
            headers={"authorization": f"Bearer {self._secret}"} if self._secret else {},
            timeout=self.patience.timeout_seconds,
            follow_redirects=False,
            trust_env=not self.address.is_local,  # a proxy is for the world outside
            limits=httpx.Limits(max_connections=self.patience.concurrency),
        )

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    # ------------------------------------------------------------------------------------------------------- asking

    def sample(
        self, prompts: Sequence[Prompt], sampling: Sampling, *, n: int = 1, seed: int = 0, run: str = "", round: int = 0
    ) -> list[list[Completion]]:
        """Return n completions for each prompt. Raises `UnreachableError` when any could not be had."""
        groups = self.attempt(prompts, sampling, n=n, seed=seed)
        for failure in (each for group in groups for each in group if isinstance(each, Failure)):
            raise UnreachableError(f"{self.name}: {failure}.")
        return [[each for each in group if isinstance(each, Completion)] for group in groups]

    def attempt(
        self, prompts: Sequence[Prompt], sampling: Sampling, *, n: int = 1, seed: int = 0, schema: Schema = None
    ) -> list[list[Attempt]]:
        """Return n completions or failures for each prompt, in order, however the answers came in."""

        def one(place: tuple[int, int]) -> Attempt:
            prompt, index = prompts[place[0]], place[1]
            body = _body(self.address.model, prompt, sampling, seed_of(seed, prompt.id, index) % 2**31, schema)
            reply = self._ask(body, prompt, sampling.max_new_tokens)
            return reply if isinstance(reply, Failure) else _completion(reply, prompt, sampling, self.name, index)

        flat = iter(self._all(one, [(i, k) for i in range(len(prompts)) for k in range(n)]))
        return [[next(flat) for _ in range(n)] for _ in prompts]

    def choose(self, prompts: Sequence[Prompt], options: Sequence[str]) -> list[Choice]:
        """Return for each prompt the log-prob of each option, by its first token; an option the server does not list
        gets the lowest log-prob listed, which bounds it from above. A failure where no option is listed, and where one
        token could begin two options (`answering.can_choose`): then nothing is asked."""
        if not told_apart(options):
            alike = Failure("options alike", f"a first token may begin two of {', '.join(options)[:80]}")
            return [alike] * len(prompts)

        def one(prompt: Prompt) -> Choice:
            sampling = Sampling(max_new_tokens=1)
            body = _body(self.address.model, prompt, sampling, 0, None)
            reply = self._ask({**body, "logprobs": True, "top_logprobs": TOP_LOGPROBS}, prompt, 1)
            return reply if isinstance(reply, Failure) else _options(reply, options)

        return self._all(one, list(prompts))

    def probe(self) -> bool:
        """Ask one small question and return whether the server gives log-probs of answers; keeps it for later.

        Raises `UnreachableError` where the question itself could not be asked.
        """
        found = self.choose([Prompt.of("Answer with A or B and nothing else: A")], ("A", "B"))[0]
        if isinstance(found, Failure) and found.reason == "budget":
            raise InputError(f"{self.name}: the spending cap does not allow a single question. Raise it.")
        if isinstance(found, Failure) and found.reason != "no log-probs":
            raise UnreachableError(f"{self.name}: {found}. Check the address, the model's name and the key.")
        self.tells_logprobs = not isinstance(found, Failure)
        return self.tells_logprobs

    def _all(self, act: Callable[[Any], Any], items: Sequence[Any]) -> list[Any]:
        self._in_a_row = 0
        if not items:
            return []
        with ThreadPoolExecutor(min(self.patience.concurrency, len(items))) as threads:
            return list(threads.map(act, items))

    # ------------------------------------------------------------------------------------------------ one question

    def _ask(self, body: Mapping[str, Any], prompt: Prompt, max_new_tokens: int) -> dict[str, Any] | Failure:
        if self._in_a_row >= self.patience.failures_in_a_row:
            return Failure("circuit open", f"{self._in_a_row} questions in a row were given up")
        found = self._insist(body, prompt, max_new_tokens)
        with self._lock:
            if isinstance(found, dict):
                self._in_a_row = 0
            else:
                self._in_a_row += found.reason not in ("refused", "budget")
        return found

    def _insist(self, body: Mapping[str, Any], prompt: Prompt, max_new_tokens: int) -> dict[str, Any] | Failure:
        """Send until it is answered, refused, or the attempts or the purse are used up."""
        failure = Failure("unreachable")
        for attempt in range(self.patience.attempts):
            held = self.purse.reserve(prompt.messages, max_new_tokens)
            if held is None:
                return Failure("budget", "the next answer could pass the spending cap")
            found = self._send(self._known(body))
            if isinstance(found, dict):
                usage = found.get("usage") or {}
                self.purse.book(held, _count(usage.get("prompt_tokens")), _count(usage.get("completion_tokens")))
                return found
            failure, wait = found
            if failure.reason in MAY_HAVE_COST:
                self.purse.book(held, None, None)
            else:
                self.purse.give_back(held)
            if wait is None:
                return failure
            if attempt + 1 < self.patience.attempts:
                self._sleep(min(self.patience.longest_wait_seconds, max(wait, self._backoff(attempt))))
        return failure

    def _backoff(self, attempt: int) -> float:
        return random.uniform(0, self.patience.backoff_seconds * 2**attempt)

    def _known(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Return the body without the fields that this server has refused."""
        known = {name: value for name, value in body.items() if name not in self._dropped}
        if "max_tokens" in self._dropped:
            known["max_completion_tokens"] = body["max_tokens"]
        return known

    def _send(self, body: Mapping[str, Any]) -> dict[str, Any] | tuple[Failure, float | None]:
        """Return the reply, or a failure with the seconds to wait before asking again (None: do not)."""
        try:
            status, headers, content = self._post(body)
        except (httpx.TimeoutException, TimeoutError) as error:
            return Failure("time-out", str(error) or "no answer in time"), 0.0
        except httpx.ConnectError as error:
            return Failure("unreachable", str(error)), 0.0
        except httpx.HTTPError as error:
            return Failure("cut off", f"{type(error).__name__}: {error}"), 0.0
        if status == 200:
            reply = _json(content)
            return reply if reply is not None else (Failure("rubbish", "the reply is no JSON object"), 0.0)
        said = self._told(content)
        if status in PASSING:
            return Failure("rate limit" if status == 429 else "server error", f"{status} {said}"), _retry_after(headers)
        if status in (400, 404, 422) and self._drop(body, said):
            return Failure("refused", said), 0.0
        return Failure("refused", f"{status} {said}"), None

    def _told(self, content: bytes) -> str:
        """Return what a server says of an error, without our key: some servers repeat it."""
        said = _error_text(content)
        return said.replace(self._secret, "***") if self._secret else said

    def _drop(self, body: Mapping[str, Any], said: str) -> bool:
        """Leave out from now on a field that the server complains about; say whether there is one."""
        named = [name for name in MAY_BE_DROPPED if name in body and name in said]
        if "max_tokens" in body and "max_completion_tokens" in said:
            named.append("max_tokens")
        if not named and "response_format" in body:
            named = ["response_format"]  # some servers refuse a schema without naming it
        self._dropped.update(named)
        return bool(named)

    def _post(self, body: Mapping[str, Any]) -> tuple[int, httpx.Headers, bytes]:
        deadline = time.monotonic() + self.patience.timeout_seconds
        content = bytearray()
        with self._client.stream("POST", f"{self.address.url}/chat/completions", json=dict(body)) as reply:
            for chunk in reply.iter_bytes():
                content += chunk
                if time.monotonic() > deadline:
                    raise TimeoutError("the answer trickles in too slowly")
                if len(content) > MAX_REPLY_BYTES:
                    raise httpx.DecodingError(f"the reply is longer than {MAX_REPLY_BYTES:,} bytes")
            return reply.status_code, reply.headers, bytes(content)


# ------------------------------------------------------------------------------------------------- requests and replies


def _body(model: str, prompt: Prompt, sampling: Sampling, seed: int, schema: Schema) -> dict[str, Any]:
    """Return a chat request; what is at its default is not sent."""
    body: dict[str, Any] = {
        "model": model,
        "messages": [{"role": each.role, "content": each.content} for each in prompt.messages],
        "temperature": sampling.temperature,
        "max_tokens": sampling.max_new_tokens,
        "seed": seed,
    }
    given = {"top_p": (sampling.top_p, 1.0), "top_k": (sampling.top_k, 0), "min_p": (sampling.min_p, 0.0)}
    body.update((name, value) for name, (value, default) in given.items() if value != default)
    if sampling.stop:
        body["stop"] = list(sampling.stop)
    if sampling.logit_bias:
        body["logit_bias"] = {str(token): bias for token, bias in sampling.logit_bias}
    if schema is not None:
        described = {"name": "answer", "schema": dict(schema), "strict": True}
        body["response_format"] = {"type": "json_schema", "json_schema": described}
    return body


def _completion(reply: Mapping[str, Any], prompt: Prompt, sampling: Sampling, name: str, index: int) -> Attempt:
    try:
        choice = reply["choices"][0]
        text, why = choice["message"]["content"], choice.get("finish_reason")
    except (KeyError, IndexError, TypeError):
        return Failure("rubbish", "the reply has no choices[0].message.content")
    if why == "content_filter" or not isinstance(text, str):
        return Failure("filtered", str(why))
    return Completion(
        prompt.id,
        whole(text),
        logprobs=_drawn_logprobs(choice),
        model=name,
        sampling=sampling,
        finish_reason=FinishReason.LENGTH if why == "length" else FinishReason.STOP,
        index=index,
    )


def _drawn_logprobs(choice: Mapping[str, Any]) -> tuple[float, ...] | None:
    content = (choice.get("logprobs") or {}).get("content")
    return tuple(float(token["logprob"]) for token in content) if content else None


def _options(reply: Mapping[str, Any], options: Sequence[str]) -> Choice:
    """Return the log-prob of each option by its first token; variants (` A`, `A`; `Yes`, `yes`) add up."""
    try:
        listed = reply["choices"][0]["logprobs"]["content"][0]["top_logprobs"]
        pairs = [(str(each["token"]).strip(), float(each["logprob"])) for each in listed]
    except (KeyError, IndexError, TypeError, ValueError):
        return Failure("no log-probs", "the endpoint does not give alternatives")
    mass = {option: sum(math.exp(p) for token, p in pairs if _begins(option, token)) for option in options}
    if not any(mass.values()):
        return Failure("no log-probs", "no option is among the likeliest tokens")
    floor = min(p for _, p in pairs)
    return {option: math.log(share) if share > 0 else floor for option, share in mass.items()}


def _begins(option: str, token: str) -> bool:
    """Return whether a token begins an option, in capitals or not; a letter has to be itself: "a" is an article."""
    if len(option) > 1:
        option, token = option.casefold(), token.casefold()
    return bool(token) and option.startswith(token)


def _json(content: bytes) -> dict[str, Any] | None:
    try:
        reply = json.loads(content)
    except (ValueError, RecursionError):
        return None
    return reply if isinstance(reply, dict) else None


def _error_text(content: bytes) -> str:
    reply = _json(content) or {}
    error = reply.get("error", reply)
    message = error.get("message", error) if isinstance(error, dict) else error
    said = " ".join(str(message or content[:200].decode("utf-8", "replace")).split())[:300]
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in said)


def _retry_after(headers: httpx.Headers) -> float:
    """Return how long the server asks us to wait: seconds, or until a date (RFC 9110, 10.2.3); 0 when it does not."""
    said = headers.get("retry-after", "")
    try:
        return max(0.0, float(said))
    except ValueError:
        pass
    try:
        when = email.utils.parsedate_to_datetime(said)
    except (TypeError, ValueError):
        return 0.0
    return max(0.0, (when - datetime.now(UTC)).total_seconds())


def _count(number: object) -> int | None:
    return number if isinstance(number, int) and number >= 0 else None
