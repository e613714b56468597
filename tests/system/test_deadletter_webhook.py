"""Webhooks of writebehind-deadletter, taken by a server over TLS and judged by the library of Standard Webhooks."""

import json
import time

import pytest
from standardwebhooks import Webhook

from harness.programs import run
from harness.receiver import Receiver, Silent
from test_deadletter_mail import HOSTILE, Tags, hostile_alert

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OLD = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="


@pytest.fixture
def receiver(tmp_path):
    receiver = Receiver(tmp_path)
    yield receiver
    receiver.stop()


def call(receiver, alert, code=0, **more):
    env = {"KAFKA_BOOTSTRAP_SERVERS": "localhost:1", "ALERT_WEBHOOK_URL": receiver.url("/T0/hidden"),
           "ALERT_WEBHOOK_CA_FILE": receiver.certificate, "ALERT_WEBHOOK_SECRET": SECRET, "ALERT_NAME": "prod"} | more
    env = {key: value for key, value in env.items() if value is not None}
    done = run("deadletter", "test-alert", "-", env=env, check=False, input=json.dumps(alert))
    said = done.stdout + done.stderr
    assert done.returncode == code, said
    assert "hidden" not in said and SECRET not in said
    return said


def strings(value):
    """Every string of a JSON value."""
    if isinstance(value, str):
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from strings(inner)


def test_generic_is_signed_and_has_all_facts(receiver):
    assert "webhook: accepted: status 204" in call(receiver, hostile_alert(), ALERT_WEBHOOK_SECRET_PREVIOUS=OLD)
    _, headers, body, _ = receiver.calls[0]
    for secret in SECRET, OLD:
        assert Webhook(secret).verify(body, headers)
    assert headers["webhook-id"] == "letters-1764000000000-0.1" and headers["content-type"] == "application/json"
    got = json.loads(body)
    assert got["type"] == "alert.first" and got["timestamp"] == "2026-01-02T03:04:06.000Z"
    data = got["data"]
    assert data["installation"] == "prod" and data["title"] == "Dead letters: missing-id (3)"
    assert "writebehind-deadletter show 3/17" in data["commands"]
    reasons = {r["reason"]: r for r in data["alert"]["reasons"]}
    assert reasons["missing-id"]["examples"][0]["letter"] == "3/17" and reasons["not-ours"]["total"] == 1
    call(receiver, hostile_alert())
    assert receiver.calls[1][2] == body and receiver.calls[1][1]["webhook-id"] == headers["webhook-id"]


def test_slack_and_teams_get_text_without_markup(receiver):
    call(receiver, hostile_alert(), ALERT_WEBHOOK_FORMAT="slack", ALERT_WEBHOOK_SECRET=None)
    slack = json.loads(receiver.calls[0][2])
    assert slack["text"] == "[prod] Dead letters: missing-id (3)" and "webhook-signature" not in receiver.calls[0][1]
    assert len(slack["blocks"]) <= 50
    for block in slack["blocks"]:
        assert block["text"]["type"] == "plain_text" and len(block["text"]["text"]) <= 3000
    call(receiver, hostile_alert(), ALERT_WEBHOOK_FORMAT="teams")
    body = receiver.calls[1][2]
    assert Webhook(SECRET).verify(body, receiver.calls[1][1]) and len(body) < 28_000
    card = json.loads(body)["attachments"][0]
    assert card["contentType"] == "application/vnd.microsoft.card.adaptive"
    assert card["content"]["type"] == "AdaptiveCard"
    assert {block["type"] for block in card["content"]["body"]} == {"RichTextBlock"}
    for text in [*strings(slack), *strings(card)]:
        assert not any(c in text for c in "\r\n\x1b\u202e")
    for text in strings(slack):
        assert not Tags(text).names
    assert any("alert('x')" in text for text in strings(slack)) and "alert('x')" in HOSTILE


def test_what_is_not_taken_is_tried_again(receiver):
    answers = iter([(503, {"Retry-After": "7"}), 302, 410, 200])
    receiver.answer = lambda path, n: next(answers)
    for status in 503, 302, 410:
        assert f"webhook: try again: status {status}" in call(receiver, hostile_alert(), code=3)
    assert "webhook: accepted: status 200" in call(receiver, hostile_alert())
    assert "webhook: try again: " in call(receiver, hostile_alert(), code=3, ALERT_WEBHOOK_CA_FILE=None)
    silent = Silent()
    began = time.monotonic()
    said = call(receiver, hostile_alert(), code=3, ALERT_WEBHOOK_URL=silent.url("/hidden"), ALERT_WEBHOOK_TIMEOUT_MS="1s")
    silent.stop()
    assert "webhook: try again: " in said and time.monotonic() - began < 5


@pytest.mark.parametrize("change, says", [
    ({"ALERT_WEBHOOK_SECRET": None}, "alert.webhook.secret (or alert.webhook.secret.file) is needed"),
    ({"ALERT_WEBHOOK_SECRET": "whsec_short"}, "alert.webhook.secret: the secret (not shown) is not whsec_"),
    ({"ALERT_WEBHOOK_URL": "http://localhost/hidden"}, "does not begin with https://"),
])
def test_options_that_cannot_work_are_said(receiver, change, says):
    assert says in call(receiver, hostile_alert(), code=2, **change)
    assert not receiver.calls
