"""Mails of writebehind-deadletter, taken by a real mail server and read by Python's e-mail package."""

import email
import email.policy
import html.parser
import json
import time

import pytest

from harness.mail_server import PASSWORD, USER, MailServer
from harness.ports import free_port
from harness.programs import run
from harness.receiver import Silent

HOSTILE = ("\r\n.\r\nBcc: eve@example.org\r\n\r\n<script>alert('x')</script><img src=x onerror=\"x\"> \x1b[2J \u202eznar "
           "${x} `id` café 💥 =?utf-8?Q?x?=")


def hostile_alert(serial=1):
    example = {"letter": "3/17", "diedAt": "2026-01-02T03:04:05.678Z", "identity": HOSTILE, "container": HOSTILE,
               "id": HOSTILE, "message": HOSTILE}
    return {"id": f"letters-1764000000000-0.{serial}", "incident": "letters-1764000000000-0", "serial": serial,
            "kind": "first", "at": "2026-01-02T03:04:06Z", "since": "2026-01-02T03:04:05Z", "newLetters": 3,
            "totalLetters": 4, "reasons": [{"reason": "missing-id", "new": 3, "total": 3, "examples": [example]},
                                           {"reason": "not-ours", "new": 0, "total": 1, "examples": []}]}


@pytest.fixture
def mail_server(tmp_path):
    servers = []

    def make(**how):
        servers.append(MailServer(tmp_path, **how))
        return servers[-1]
    yield make
    for server in servers:
        server.stop()


def settings(server, **more):
    env = {"KAFKA_BOOTSTRAP_SERVERS": "localhost:1", "ALERT_MAIL_FROM": "wb@example.org",
           "ALERT_MAIL_TO": "ops@example.org, on-call@example.com", "ALERT_NAME": "prod – café",
           "SMTP_URL": server.url, "SMTP_CA_FILE": server.certificate, "SMTP_USER": USER, "SMTP_PASSWORD": PASSWORD}
    return {key: value for key, value in (env | more).items() if value is not None}


def send(env, alert=None, code=0):
    """What the program says of the mail."""
    done = run("deadletter", "test-alert", *(["-"] if alert else []), env=env, check=False,
               input=json.dumps(alert) if alert else None)
    assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
    assert PASSWORD not in done.stdout + done.stderr
    return done.stdout + done.stderr


class Tags(html.parser.HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.names, self.attributes, self.data = set(), set(), ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.names.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data):
        self.data += data


def test_a_mail_says_the_facts_and_nothing_hostile_gets_through(mail_server):
    server = mail_server()
    assert "mail: accepted" in send(settings(server), hostile_alert())
    sender, recipients, content, tls = server.mails[0]
    assert (sender, recipients, tls) == ("wb@example.org", ["ops@example.org", "on-call@example.com"], True)
    mail = email.message_from_bytes(content, policy=email.policy.default)
    assert mail["Subject"] == "[prod – café] Dead letters: missing-id (3)"
    assert mail["Message-ID"] == "<letters-1764000000000-0.1@example.org>"
    assert mail["In-Reply-To"] == mail["References"] == "<letters-1764000000000-0.0@example.org>"
    assert mail["Date"].datetime.isoformat() == "2026-01-02T03:04:06+00:00"
    assert [a.addr_spec for a in mail["To"].addresses] == recipients
    assert mail["Auto-Submitted"] == "auto-generated" and "Bcc" not in mail
    assert mail.get_content_type() == "multipart/alternative"
    parts = list(mail.iter_parts())
    assert [part.get_content_type() for part in parts] == ["text/plain", "text/html"]
    for part in [mail, *parts]:
        assert not part.defects and all(not header.defects for header in part.values())
    text, page = (part.get_content() for part in parts)
    for content in text, page:
        assert not any(c in content for c in "\x1b\x00\u202e") and "caf\u00e9 \U0001f4a5" in content
    assert "missing-id: 3 new, 3 in all" in text and "3/17, 2026-01-02 03:04:05 UTC" in text
    assert "writebehind-deadletter show 3/17" in text and "export --reason missing-id" in text
    assert not any(line.startswith(("Bcc", ".")) for line in text.splitlines())
    tags = Tags(page)
    assert tags.names <= {"html", "body", "h3", "p", "table", "tr", "th", "td", "b", "pre", "br", "code"}
    assert tags.attributes <= {"style", "align", "colspan"}
    assert "<script>alert('x')</script>" in tags.data and "writebehind-deadletter show 3/17" in tags.data


def test_the_same_alert_is_the_same_mail(mail_server):
    server = mail_server()
    for _ in range(2):
        send(settings(server), hostile_alert())
    assert server.mails[0] == server.mails[1]
    send(settings(server), hostile_alert(serial=0))
    first = email.message_from_bytes(server.mails[2][2], policy=email.policy.default)
    again = email.message_from_bytes(server.mails[0][2], policy=email.policy.default)
    assert first["Message-ID"] == again["In-Reply-To"] and "In-Reply-To" not in first


def test_a_test_alert_over_tls_from_the_first_byte(mail_server, tmp_path):
    server = mail_server(tls="smtps")
    secret = tmp_path / "password"
    secret.write_text(PASSWORD + "\n")
    send(settings(server, SMTP_PASSWORD=None, SMTP_PASSWORD_FILE=secret))
    assert server.mails[0][3]
    mail = email.message_from_bytes(server.mails[0][2], policy=email.policy.default)
    assert mail["Subject"] == "[prod – café] Test of alerts"


def test_a_wrong_password_is_refused_for_good(mail_server):
    server = mail_server()
    assert "mail: refused for good: 535" in send(settings(server, SMTP_PASSWORD="guess"), code=3)
    assert "mail: refused for good: 530" in send(settings(server, SMTP_USER=None, SMTP_PASSWORD=None), code=3)
    assert not server.mails


def test_nothing_goes_to_a_server_that_nobody_vouches_for(mail_server):
    server = mail_server()
    for env in settings(server, SMTP_CA_FILE=None), settings(server, SMTP_URL=server.url.replace("localhost", "127.0.0.1")):
        assert "mail: try again: " in send(env, code=3)
    assert not server.senders and not server.mails


def test_nothing_goes_in_the_clear_unless_that_is_wanted(mail_server):
    server = mail_server(tls="none")
    assert "mail: try again: " in send(settings(server), code=3)
    assert not server.senders
    assert "smtp.password is not sent without TLS" in send(settings(server, SMTP_STARTTLS="never"), code=2)
    send(settings(server, SMTP_STARTTLS="never", SMTP_USER=None, SMTP_PASSWORD=None))
    assert len(server.mails) == 1 and not server.mails[0][3]


def test_a_server_that_puts_off_is_asked_again(mail_server):
    seen = []
    server = mail_server(on_rcpt=lambda address: seen.append(address) or (
        "451 4.7.1 greylisted" if seen.count(address) == 1 else None))
    assert "mail: try again: 451 4.7.1 greylisted" in send(settings(server), code=3)
    assert "mail: accepted: 250 2.0.0 queued" in send(settings(server))
    server.on_data = lambda: "452 4.3.1 disk full"
    assert "mail: try again: 452 4.3.1 disk full" in send(settings(server), code=3)
    server.on_data = lambda: "554 5.7.1 spam \x1b[2J"
    assert "mail: refused for good: 554 5.7.1 spam \\x1b[2J" in send(settings(server), code=3)
    assert len(server.mails) == 1


def test_a_server_that_goes_away_or_says_nothing_has_not_accepted(mail_server):
    server = mail_server(on_data=lambda: "drop")
    assert "mail: try again: " in send(settings(server), code=3)
    server.on_data = lambda: "stall"
    began = time.monotonic()
    assert "mail: try again: " in send(settings(server, SMTP_TIMEOUT_MS="2s"), code=3)
    silent = Silent()
    assert "mail: try again: " in send(settings(server, SMTP_TIMEOUT_MS="1s", SMTP_URL=f"smtp://{silent.host}"), code=3)
    silent.stop()
    assert time.monotonic() - began < 10
    assert "mail: try again: " in send(settings(server, SMTP_URL=f"smtp://localhost:{free_port()}"), code=3)
    assert not server.mails


def test_nobody_waits_for_the_farewell(mail_server):
    server = mail_server()
    server.stall_at_quit = True
    began = time.monotonic()
    assert "mail: accepted" in send(settings(server))
    server.on_data = lambda: "554 no"
    assert "mail: refused for good: 554 no" in send(settings(server), code=3)
    assert time.monotonic() - began < 10


def test_one_address_that_is_gone_does_not_keep_the_alert_from_the_others(mail_server):
    server = mail_server(on_rcpt=lambda address: "550 5.1.1 no such user" if "ops" in address else None)
    said = send(settings(server))
    assert "mail: accepted: 250 2.0.0 queued; but not for 1 of 2: 550 5.1.1 no such user" in said
    assert server.mails[0][1] == ["on-call@example.com"]
    server.on_rcpt = lambda address: "550 5.1.1 no such user"
    assert "mail: refused for good: 550" in send(settings(server), code=3)
    server.on_rcpt = lambda address: "450 4.2.1 later" if "ops" in address else None
    assert "mail: try again: 450 4.2.1 later" in send(settings(server), code=3)


@pytest.mark.parametrize("change, says", [
    ({"ALERT_MAIL_TO": None}, "set alert.mail.to or"),
    ({"ALERT_MAIL_FROM": None}, "alert.mail.from is needed"),
    ({"ALERT_MAIL_TO": "Ops <ops@example.org>"}, "is no address such as"),
    ({"SMTP_URL": None}, "smtp.url is needed"),
    ({"SMTP_URL": "http://localhost"}, "not smtp://HOST:PORT"),
    ({"SMTP_URL": "smtp://user:secret@localhost"}, "only a host and a port"),
    ({"SMTP_PASSWORD": None}, "belong together"),
    ({"SMTP_CA_FILE": "/nowhere"}, "/nowhere cannot be read"),
])
def test_options_that_cannot_work_are_said(mail_server, change, says):
    server = mail_server()
    said = send(settings(server, **change), code=2)
    assert says in said and "secret" not in said.replace("s3cret", "")
    assert not server.senders
