"""Verdicts sent to a web address: signed, tried again, in order, whatever the receiver does."""

import hashlib
import hmac
import json
import threading
import time
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from iad.errors import IadError
from iad.serve.entries import Entry
from iad.serve.sinks.webhook import Webhook
from tests.concurrency import until

ENTRY = Entry("ä.png", "/in/ä.png", "", 3, 5, "ab", "b1", "vit", 0.1 + 0.2, 0.25, 0.75, False, "", 0.01)
SECRET = "between us"  # noqa: S105  # of this test


class Receiver(ThreadingHTTPServer):
    """Answers with the codes that it is given, then 204, and keeps what it took."""

    def __init__(self, port=0):
        super().__init__(("127.0.0.1", port), Handler)
        self.codes, self.took, self.asked = [], [], 0
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}/hook?token=hidden"

    def close(self):
        self.shutdown()
        self.server_close()


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        self.server.asked += 1
        body = self.rfile.read(int(self.headers["Content-Length"]))
        code = self.server.codes.pop(0) if self.server.codes else 204
        if code < 300:
            self.server.took.append((dict(self.headers), body))
        self.send_response(code)
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def receiver():
    found = Receiver()
    yield found
    found.close()


@pytest.fixture
def send(deliver, monkeypatch):
    """Start a sender; it is ended with the test."""
    monkeypatch.setattr("iad.serve.sinks.delivery.LONGEST_WAIT_SECONDS", 0.05)
    return lambda url, secret=SECRET: deliver(Webhook(url, secret))


def numbers(receiver):
    return [json.loads(body)["number"] for _, body in receiver.took]


def test_a_verdict_arrives_whole_and_signed(log, receiver, send):
    send(receiver.url)
    entry = log.append(ENTRY)
    until(lambda: receiver.took)
    headers, body = receiver.took[0]
    assert json.loads(body) == entry.record()
    signed = hmac.new(SECRET.encode(), headers["X-Iad-Time"].encode() + b"." + body, hashlib.sha256)
    assert headers["X-Iad-Signature"] == f"sha256={signed.hexdigest()}"
    assert abs(int(headers["X-Iad-Time"]) - time.time()) < 60


def test_without_a_secret_nothing_is_signed(log, receiver, send):
    send(receiver.url, secret="")
    log.append(ENTRY)
    until(lambda: receiver.took)
    assert "X-Iad-Signature" not in receiver.took[0][0]


def test_a_new_address_gets_what_comes_from_now_on(log, receiver, send):
    log.append(ENTRY)
    send(receiver.url)
    log.append(ENTRY)
    until(lambda: receiver.took)
    assert numbers(receiver) == [2]


def test_a_receiver_in_trouble_is_tried_again_and_gets_all_in_order(log, receiver, send):
    receiver.codes = [500, 503, 429, 408]
    sender = send(receiver.url)
    for _ in range(5):
        log.append(ENTRY)
    until(lambda: len(receiver.took) == 5)
    assert numbers(receiver) == [1, 2, 3, 4, 5]
    assert sender.told[0] == "webhook: http://127.0.0.1: answers 500; trying again until it answers"
    until(lambda: sender.told[1:] == ["webhook: http://127.0.0.1: answers again"])


def test_what_a_receiver_does_not_want_is_left_out_after_some_tries_and_told(log, receiver, send):
    receiver.codes = [400] * 5
    sender = send(receiver.url)
    log.append(ENTRY)
    log.append(replace(ENTRY, image_id="b.png"))
    until(lambda: receiver.took)
    assert numbers(receiver) == [2]
    assert "does not take verdict 1 (answers 400); it is left out" in sender.told[-1]
    assert not any("hidden" in line for line in sender.told)


def test_what_came_while_the_receiver_or_the_sender_was_away_is_sent_later(log, send):
    first = Receiver()
    url, port = first.url, first.server_port
    sender = send(url)
    log.append(ENTRY)
    until(lambda: numbers(first) == [1])
    first.close()
    log.append(ENTRY)
    until(lambda: sender.told)
    assert "cannot be reached" in sender.told[0]
    sender.stop(0)
    log.append(ENTRY)
    second = Receiver(port)
    send(url)
    until(lambda: numbers(second) == [2, 3])
    second.close()


@pytest.mark.parametrize("code", [301, 302, 307])
def test_a_receiver_that_points_elsewhere_has_not_taken_it(log, receiver, send, code):
    receiver.codes = [code] * 5
    sender = send(receiver.url)
    log.append(ENTRY)
    log.append(ENTRY)
    until(lambda: receiver.took)
    assert numbers(receiver) == [2]
    assert f"does not take verdict 1 (answers {code})" in sender.told[-1]


def test_an_answer_that_is_no_http_is_tried_again(log, send, receiver, monkeypatch):
    monkeypatch.setattr(Handler, "send_response", lambda one, _: one.wfile.write(b"garbage\r\n\r\n"))
    sender = send(receiver.url)
    log.append(ENTRY)
    until(lambda: sender.told)
    assert "cannot be reached" in sender.told[0]
    monkeypatch.undo()
    until(lambda: len(receiver.took) > 1)
    assert set(numbers(receiver)) == {1}


def test_the_end_waits_for_what_is_left(log, receiver, send):
    sender = send(receiver.url)
    for _ in range(20):
        log.append(ENTRY)
    sender.stop()
    assert numbers(receiver) == [*range(1, 21)]


@pytest.mark.parametrize("url", ["ftp://a/b", "file:///etc/passwd", "http://", "a.example/hook", ""])
def test_an_address_that_is_none_of_the_web_is_refused(log, url):
    with pytest.raises(IadError, match="give an address that begins with http"):
        Webhook(url, "")
