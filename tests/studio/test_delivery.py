"""Webhooks: told what happened, signed, again when it failed, and never an address inside this network."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from burnish.errors import BusyError, InputError, UnreachableError
from burnish.store import Store, open_store
from burnish.store.webhooks import Delivery
from burnish.studio import StudioSettings, delivery, examples

INSIDE = [
    "127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1",
    "255.255.255.255", "::1", "::", "fe80::1", "fc00::1", "ff02::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1",
    "64:ff9b::7f00:1", "64:ff9b:1::7f00:1", "2002:7f00:1::", "fe80::1%eth0", "fec0::1", "::7f00:1", "::ffff:0:7f00:1",
]  # fmt: skip


@pytest.mark.parametrize("address", INSIDE)
def test_an_address_inside_is_not_public(address: str) -> None:
    assert not delivery.is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8"])
def test_an_address_outside_is(address: str) -> None:
    assert delivery.is_public(address)


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/",
        "file:///etc/passwd",
        "gopher://example.org/",
        "https://user:secret@example.org/",
        "https://",
        "https://[::1",
        "https://127.0.0.1/",
        "https://2130706433/",
        "https://0x7f.1/",
        "https://[::ffff:127.0.0.1]/",
        "https://localhost:8900/",
        "https://example.org/\r\nX: 1",
        "https://example.org/café",
    ],
)
def test_a_url_that_leads_inside_or_elsewhere_is_refused(url: str) -> None:
    with pytest.raises(InputError, match="url: "):
        delivery.target_of(url)


def test_one_address_inside_among_several_is_enough_to_refuse() -> None:
    with pytest.raises(InputError, match="inside this network"):
        delivery.target_of("https://example.org/", resolve=lambda host, port: ["8.8.8.8", "10.0.0.1"])
    target = delivery.target_of("https://example.org/a?b=1", resolve=lambda host, port: ["8.8.8.8"])
    assert (target.address, target.path, target.port) == ("8.8.8.8", "/a?b=1", 443)


class Receiver(BaseHTTPRequestHandler):
    """Takes what it is told, and answers with the next status."""

    told: list[tuple[dict[str, str], bytes]]
    statuses: list[int]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.told.append((dict(self.headers), body))
        self.send_response(self.statuses.pop(0) if self.statuses else 200)
        self.send_header("Location", "http://169.254.169.254/")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def receiver() -> Iterator[tuple[str, type[Receiver]]]:
    handler = type("Handler", (Receiver,), {"told": [], "statuses": []})
    server = HTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/hook", handler
    server.shutdown()
    thread.join()
    server.server_close()


def answer_one(store: Store, client: TestClient) -> None:
    task = client.post("/api/work/plain-words/next").json()
    sent = {"key": "0123456789", "answers": {"better": {"chosen": 0}}}
    assert client.post(f"/api/assignments/{task['assignment']}/answer", json=sent).status_code == 200


def test_an_answer_is_told_signed_and_without_what_was_said(
    store: Store, client_as: Any, receiver: tuple[str, type[Receiver]]
) -> None:
    url, handler = receiver
    examples.install(store, now_ms=1)
    hook = store.webhooks.add(url, ["answer"], study="plain-words", by="olga", now_ms=1)
    answer_one(store, client_as("ana"))
    (due,) = store.webhooks.due(2**50)
    assert delivery.deliver(store, due, ("127.0.0.1",), 7_000)
    ((headers, body),) = handler.told
    assert headers["X-Burnish-Signature"] == delivery.signature(hook.secret, 7_000, body)
    told = json.loads(body)
    assert (told["event"], told["study"], told["person"]) == ("answer", "plain-words", "ana")
    assert "chosen" not in body.decode()
    assert store.feedback(told["feedback_ids"][0]) is not None
    assert store.webhooks.due(2**50) == []


def test_a_delivery_that_fails_is_tried_again_later_and_given_up_in_the_end(
    store: Store, receiver: tuple[str, type[Receiver]]
) -> None:
    url, handler = receiver
    examples.install(store, now_ms=1)
    store.webhooks.add(url, ["state"], study="", by="olga", now_ms=1)
    store.studies.set_state("plain-words", "paused", now_ms=1_000)
    handler.statuses = [500, 302, 404, 500, 500]
    now = 1_000
    for pause in (*delivery.PAUSES_MS, None):
        (due,) = store.webhooks.due(now)
        assert not delivery.deliver(store, due, ("127.0.0.1",), now)
        if pause is not None:
            assert store.webhooks.due(now + pause - 1) == []
            now += pause
    assert store.webhooks.due(2**50) == []
    assert store.webhooks.listing()[0].last == "status 500"
    assert len(handler.told) == 5  # redirects were not followed


def test_a_name_that_leads_inside_by_the_time_of_telling_is_told_nothing(store: Store) -> None:
    examples.install(store, now_ms=1)
    store.webhooks.add("https://localhost/", ["state"], study="", by="olga", now_ms=1)
    store.studies.set_state("plain-words", "paused", now_ms=1_000)
    (due,) = store.webhooks.due(1_000)
    assert isinstance(due, Delivery)
    assert not delivery.deliver(store, due, (), 1_000)
    assert "inside this network" in store.webhooks.listing()[0].last


@pytest.fixture
def deliverer(store: Store, app: FastAPI, monkeypatch: pytest.MonkeyPatch) -> Iterator[delivery.Deliverer]:
    """Tells webhooks on this machine, which hear of every study; looks often."""
    monkeypatch.setattr(delivery, "POLL_SECONDS", 0.01)
    app.state.studio = replace(app.state.studio, settings=StudioSettings(webhook_hosts=("127.0.0.1",)))
    examples.install(store, now_ms=1)
    made = delivery.Deliverer(app.state.studio)
    yield made
    made.stop()


def told_of_a_pause(store: Store, handler: type[Receiver]) -> bool:
    store.studies.set_state("plain-words", "paused", now_ms=1)
    for _ in range(1000):
        if handler.told:
            return True
        time.sleep(0.01)
    return False


def test_a_webhook_that_cannot_be_told_keeps_no_other_waiting(
    store: Store, deliverer: delivery.Deliverer, receiver: tuple[str, type[Receiver]]
) -> None:
    url, handler = receiver
    store.webhooks.add(f"{url}/café", ["state"], study="", by="olga", now_ms=1)
    store.webhooks.add(url, ["state"], study="", by="olga", now_ms=1)
    deliverer.start()
    assert told_of_a_pause(store, handler)
    deliverer.stop()
    assert [each.waiting for each in store.webhooks.listing()] == [1, 0]
    assert "no address" in store.webhooks.listing()[0].last


def test_a_store_that_was_busy_for_a_while_is_asked_again(
    store: Store,
    deliverer: delivery.Deliverer,
    receiver: tuple[str, type[Receiver]],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    url, handler = receiver
    store.webhooks.add(url, ["state"], study="", by="olga", now_ms=1)
    take, troubles = store.webhooks.take, [BusyError("another process"), UnreachableError("the server")]

    def busy(*given: Any, **more: Any) -> list[Delivery]:
        if troubles:
            raise troubles.pop()
        return take(*given, **more)

    monkeypatch.setattr(store.webhooks, "take", busy)
    deliverer.start()
    assert told_of_a_pause(store, handler)
    assert "telling webhooks failed" in caplog.text


def test_a_receiver_that_answers_a_byte_at_a_time_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "DEADLINE_SECONDS", 0.2)

    def trickle(listening: socket.socket) -> None:
        connection, _ = listening.accept()
        with connection, contextlib.suppress(OSError):
            for byte in b"HTTP/1.1 200 OK\r\n" + b"X: 1\r\n" * 50 + b"Content-Length: 0\r\n\r\n":
                connection.sendall(bytes([byte]))
                time.sleep(0.02)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=trickle, args=(listening,))
        thread.start()
        target = delivery.Target("http", "127.0.0.1", listening.getsockname()[1], "/", "127.0.0.1")
        with pytest.raises((OSError, http.client.HTTPException)):
            delivery.send(target, Delivery(1, "w", "", "", "state", "{}", 0), 1)
        thread.join()


def test_what_one_server_tells_another_does_not(store: Store) -> None:
    examples.install(store, now_ms=1)
    hooks = [store.webhooks.add(f"https://{n}.org/", ["state"], study="", by="olga", now_ms=n).id for n in range(2)]
    for now in (1, 2, 3):
        store.studies.set_state("plain-words", "paused", now_ms=now)
    taken = store.webhooks.take(10, 100, each=2, but=[hooks[1]])
    assert [each.webhook for each in taken] == [hooks[0]] * 2
    with open_store(store.url) as other:
        assert [each.webhook for each in other.webhooks.take(10, 100, each=2)].count(hooks[0]) == 1
        assert len(other.webhooks.take(10, 100, each=2)) == 1
        assert other.webhooks.take(10, 100, each=2) == []
        assert len(other.webhooks.take(100, 200, each=9)) == 6  # as after a crash


def test_what_was_told_long_ago_is_forgotten_but_for_each_webhooks_last(
    store: Store, receiver: tuple[str, type[Receiver]], app: FastAPI
) -> None:
    url, _ = receiver
    examples.install(store, now_ms=1)
    told, silent = (store.webhooks.add(url, ["state"], study="", by="olga", now_ms=n).id for n in range(2))
    for now in (1, 2, 3):
        store.studies.set_state("plain-words", "paused", now_ms=now)
    for due in store.webhooks.due(10):
        if due.webhook == told:
            delivery.deliver(store, due, ("127.0.0.1",), 10)
    assert store.webhooks.forget(10) == 0  # not before that time
    assert store.webhooks.forget(11, most=1) == 1
    with TestClient(app):  # a studio that is started looks, too
        pass
    assert store.webhooks.forget(11) == 0
    assert [hook.last for hook in store.webhooks.listing()] == ["status 200", ""]
    assert [hook.waiting for hook in store.webhooks.listing()] == [0, 3]
    store.webhooks.stop(silent, now_ms=20)
    assert store.webhooks.forget(21) == 2  # what it was not told is not kept for ever, either
    store.studies.set_state("plain-words", "open", now_ms=30)
    assert [due.seq for due in store.webhooks.due(30)] == [7]  # no number twice


def test_a_webhook_is_the_owners_and_shows_its_secret_once(store: Store, client_as: Any) -> None:
    owner = client_as("olga", role="owner")
    refused = owner.post("/api/webhooks", json={"url": "https://127.0.0.1/", "events": ["answer"]})
    assert refused.status_code == 422
    assert refused.json()["error"]["field"] == "url"
    hook = store.webhooks.add("https://example.org/", ["answer"], study="", by="olga", now_ms=1)
    (listed,) = owner.get("/api/webhooks").json()
    assert (listed["id"], listed["secret"]) == (hook.id, "")
    assert client_as("ana").get("/api/webhooks").status_code == 403
    assert owner.delete(f"/api/webhooks/{hook.id}").json() == {"done": True}
    assert owner.delete(f"/api/webhooks/{hook.id}").status_code == 404
