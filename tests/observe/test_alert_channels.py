"""Alerts on their way: to a real HTTP server and a real SMTP server on this machine, and to some that fail."""

from __future__ import annotations

import asyncio
import base64
import email
import email.policy
import hashlib
import hmac
import json
import logging
import ssl
from collections import Counter
from collections.abc import AsyncIterator
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import trustme

from pointsman.observe.alerts.alert import Alert
from pointsman.observe.alerts.channel import Channel, Web
from pointsman.observe.alerts.courier import Addressee, Courier, Patience
from pointsman.observe.alerts.mail import Email, Post
from pointsman.observe.alerts.pagerduty import PagerDuty
from pointsman.observe.alerts.slack import Slack
from pointsman.observe.alerts.webhook import Webhook
from pointsman.upstream.http1 import Http1Carrier

S = 1_000_000_000
AT = 1_795_000_000 * S
FIRING = Alert(
    kind="provider_down",
    state="firing",
    subject="lab",
    summary="provider lab is down: <no> connection & so on",
    at=AT,
    since=AT,
    details={"provider": "lab", "why": "no connection"},
)
RESOLVED = Alert(
    kind="provider_down",
    state="resolved",
    subject="lab",
    summary="provider lab is back after 4 min 10 s",
    at=AT + 310 * S,
    since=AT,
    until=AT + 250 * S,
)


class Sink:
    """Takes posts over HTTP; answers with `statuses` in turn, then with 202; keeps silent where told to."""

    def __init__(self) -> None:
        self.posts: list[tuple[dict[str, str], bytes]] = []
        self.statuses: list[int] = []
        self.silent = False
        self.url = ""

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                lines = head.decode().split("\r\n")[1:-2]
                headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
                self.posts.append((headers, await reader.readexactly(int(headers["content-length"]))))
                if self.silent:
                    await asyncio.sleep(60)
                status = self.statuses.pop(0) if self.statuses else 202
                writer.write(b"HTTP/1.1 %d X\r\ncontent-length: 2\r\n\r\nok" % status)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    @property
    def json(self) -> list[Any]:
        return [json.loads(body) for _, body in self.posts]


@pytest_asyncio.fixture
async def sink() -> AsyncIterator[Sink]:
    made = Sink()
    server = await asyncio.start_server(made.handle, "127.0.0.1", 0)
    made.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/T0KEN/hook"
    yield made
    server.close()


@pytest_asyncio.fixture
async def web(sink: Sink) -> AsyncIterator[Web]:
    carrier = Http1Carrier()
    yield Web(carrier=carrier, url=sink.url)
    await carrier.aclose()


async def test_a_webhook_gets_json_that_is_signed(sink: Sink, web: Web) -> None:
    await Webhook(web, "gateway-1", secret="s3cret").deliver(RESOLVED)
    headers, body = sink.posts[0]
    assert json.loads(body) == {
        "version": 1,
        "key": "pointsman/provider_down/lab",
        "kind": "provider_down",
        "state": "resolved",
        "severity": "info",
        "subject": "lab",
        "summary": "provider lab is back after 4 min 10 s",
        "at": "2026-11-18T11:11:50.000Z",
        "since": "2026-11-18T11:06:40.000Z",
        "until": "2026-11-18T11:10:50.000Z",
        "duration_seconds": 250.0,
        "times": 1,
        "source": "gateway-1",
        "details": {},
    }
    wanted = hmac.new(b"s3cret", body, hashlib.sha256).hexdigest()
    assert headers["pointsman-signature"] == f"sha256={wanted}"
    assert headers["content-type"] == "application/json"
    await Webhook(web, "gateway-1").deliver(FIRING)
    assert "pointsman-signature" not in sink.posts[1][0]
    assert (sink.json[1]["until"], sink.json[1]["severity"]) == (None, "critical")


async def test_a_chat_gets_text_without_links_of_anybodys(sink: Sink, web: Web) -> None:
    await Slack(web, "gateway-1").deliver(FIRING)
    await Slack(web, "gateway-1").deliver(RESOLVED)
    text = sink.json[0]["text"]
    assert text.startswith(":red_circle: provider lab is down: &lt;no&gt; connection &amp; so on")
    assert "gateway-1" in text
    assert sink.json[1]["text"].startswith(":large_green_circle: provider lab is back after 4 min 10 s")


async def test_pagerduty_gets_one_incident_that_is_resolved(sink: Sink, web: Web) -> None:
    channel = PagerDuty(web, "gateway-1", "R0UTING")
    await channel.deliver(FIRING)
    await channel.deliver(RESOLVED)
    trigger, resolve = sink.json
    assert (trigger["event_action"], resolve["event_action"]) == ("trigger", "resolve")
    assert trigger["dedup_key"] == resolve["dedup_key"] == "pointsman/provider_down/lab"
    assert trigger["routing_key"] == resolve["routing_key"] == "R0UTING"
    assert trigger["payload"]["summary"] == FIRING.summary
    assert trigger["payload"]["severity"] == "critical"
    assert trigger["payload"]["source"] == "gateway-1"
    assert trigger["payload"]["custom_details"]["why"] == "no connection"


async def test_a_test_leaves_no_open_incident(sink: Sink, web: Web) -> None:
    test = Alert(kind="test", state="firing", subject="this gateway", summary="a test", at=AT, since=AT)
    await PagerDuty(web, "gateway-1", "R0UTING").deliver(test)
    assert [event["event_action"] for event in sink.json] == ["trigger", "resolve"]


# The courier


class Told:
    """A courier with channels, what it counted, and a sleep that does not wait."""

    def __init__(self, patience: Patience | None = None, **channels: Channel) -> None:
        self.counted: Counter[tuple[str, str]] = Counter()
        self.slept: list[float] = []
        self.courier = Courier(self._count, patience, self._sleep)
        self.courier.addressees = {name: Addressee(channel=one) for name, one in channels.items()}

    def _count(self, _kind: str, channel: str, result: str) -> None:
        self.counted[channel, result] += 1

    async def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)

    async def run(self, *alerts: Alert) -> None:
        for alert in alerts:
            self.courier.put(alert)
        task = asyncio.create_task(self.courier.run())
        await asyncio.wait_for(self.courier.drained(), 10)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_what_fails_is_tried_again_with_longer_pauses(sink: Sink, web: Web) -> None:
    sink.statuses = [503, 429]
    told = Told(own=Webhook(web, "g"))
    await told.run(FIRING)
    assert told.counted["own", "delivered"] == 1
    assert told.slept == [1.0, 4.0]
    assert len(sink.posts) == 3


async def test_what_is_refused_for_good_is_tried_once(sink: Sink, web: Web) -> None:
    sink.statuses = [404]
    told = Told(own=Webhook(web, "g"))
    await told.run(FIRING)
    assert told.counted == {("log", "delivered"): 1, ("own", "failed"): 1}
    assert told.slept == []


async def test_a_channel_that_is_down_is_logged_once_without_its_secrets_and_comes_back(
    sink: Sink, web: Web, caplog: pytest.LogCaptureFixture
) -> None:
    sink.statuses = [500] * 5
    told = Told(own=Webhook(web, "g", secret="s3cret"))
    with caplog.at_level(logging.INFO, "pointsman.alerts"):
        await told.run(*[FIRING] * 3, RESOLVED)
    assert told.counted["own", "failed"] == 3
    assert told.counted["own", "delivered"] == 1
    assert len(sink.posts) == 3 + 1 + 1 + 1, "while it is down, once for each"
    lines = [record.getMessage() for record in caplog.records]
    assert [line for line in lines if "channel own" in line] == [
        "alerts do not reach the channel own: it answered with status 500; each further one is tried once",
        "alerts reach the channel own again",
    ]
    assert lines.count(FIRING.summary) == 3, "the log has every alert"
    assert "T0KEN" not in caplog.text
    assert "s3cret" not in caplog.text


async def test_a_channel_that_is_silent_is_given_up_and_keeps_no_other_waiting(sink: Sink, web: Web) -> None:
    sink.silent = True
    other = Sink()
    server = await asyncio.start_server(other.handle, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    told = Told(
        Patience(limit=0.2, pauses=()),
        slow=Webhook(web, "g"),
        quick=Webhook(Web(carrier=web.carrier, url=f"http://127.0.0.1:{port}/"), "g"),
    )
    await told.run(FIRING)
    assert told.counted["slow", "failed"] == 1
    assert told.counted["quick", "delivered"] == 1
    server.close()


async def test_nobody_there_is_a_failure_like_others(web: Web, unused_tcp_port_factory: Any) -> None:
    told = Told(own=Webhook(Web(carrier=web.carrier, url=f"http://127.0.0.1:{unused_tcp_port_factory()}/T0KEN"), "g"))
    said = await told.courier.once("own", FIRING)
    assert "refused the connection" in said
    assert "T0KEN" not in said


async def test_a_variable_that_is_not_set_is_named_and_nothing_is_sent_unsigned(sink: Sink, web: Web) -> None:
    for channel in (Webhook(web, "g", lacking="ALERTS_SECRET"), PagerDuty(web, "g", "", lacking="ALERTS_SECRET")):
        said = await Told(own=channel).courier.once("own", FIRING)
        assert said == "the variable ALERTS_SECRET is not set"
    assert sink.posts == []


async def test_of_more_than_256_the_oldest_are_dropped_and_counted(sink: Sink, web: Web) -> None:
    told = Told(own=Webhook(web, "g"))
    alerts = [Alert(kind="test", state="firing", subject=str(n), summary=f"{n}", at=AT, since=AT) for n in range(300)]
    await told.run(*alerts)
    assert told.counted["own", "dropped"] == 44
    assert told.counted["own", "delivered"] == 256
    assert told.counted["log", "delivered"] == 300
    assert [body["subject"] for body in sink.json] == [str(n) for n in range(44, 300)]


async def test_a_channel_gets_the_kinds_that_it_wants(sink: Sink, web: Web) -> None:
    told = Told()
    told.courier.addressees = {
        "duty": Addressee(channel=Webhook(web, "g"), kinds=("route_down",)),
        "all": Addressee(channel=Webhook(web, "g")),
    }
    await told.run(FIRING)
    assert (told.counted["duty", "delivered"], told.counted["all", "delivered"]) == (0, 1)


async def test_a_defect_in_a_channel_costs_its_alert_and_no_other(sink: Sink, web: Web) -> None:
    class Broken:
        async def deliver(self, _alert: Alert) -> None:
            raise ZeroDivisionError

        def secrets(self) -> tuple[str, ...]:
            return ()

    told = Told(broken=Broken(), own=Webhook(web, "g"))
    await told.run(FIRING, RESOLVED)
    assert told.counted["broken", "failed"] == 2
    assert told.counted["own", "delivered"] == 2


def test_what_holds_secrets_does_not_show_them() -> None:
    web = Web(carrier=Http1Carrier(), url="https://app.example/T0KEN")
    post = Post(host="h", port=1, security="ssl", sender="a@app.example", to=(), user="u", password="pa55")
    assert "T0KEN" not in repr(web)
    assert "pa55" not in repr(post)


# Mail


class MailSink:
    """A small SMTP server: takes mail, signs users in, starts TLS where it has a context."""

    def __init__(self, context: ssl.SSLContext | None = None, password: str = "") -> None:
        self.mails: list[EmailMessage] = []
        self.signed_in: list[str] = []
        self.encrypted: list[bool] = []
        self.refuses = ""
        self.port = 0
        self._context = context
        self._password = password

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        def say(*lines: str) -> None:
            writer.write("".join(f"{line}\r\n" for line in lines).encode())

        try:
            say("220 here")
            while line := (await reader.readline()).decode().rstrip():
                verb, _, rest = line.partition(" ")
                match verb.upper():
                    case "EHLO":
                        say("250-here", *(["250-STARTTLS"] if self._context else []), "250 AUTH PLAIN")
                    case "STARTTLS":
                        say("220 go on")
                        await writer.drain()
                        await writer.start_tls(self._context)
                    case "AUTH":
                        _, user, password = base64.b64decode(rest.split()[1]).decode().split("\0")
                        self.signed_in.append(user)
                        say("235 welcome" if password == self._password else "535 no")
                    case "RCPT" if self.refuses:
                        say(self.refuses)
                    case "DATA":
                        say("354 go on")
                        data = (await reader.readuntil(b"\r\n.\r\n"))[:-5]
                        self.mails.append(email.message_from_bytes(data, policy=email.policy.default))
                        self.encrypted.append(writer.get_extra_info("ssl_object") is not None)
                        say("250 taken")
                    case "QUIT":
                        say("221 bye")
                        break
                    case _:
                        say("250 ok")
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            pass
        finally:
            writer.close()

    async def serve(self, context: ssl.SSLContext | None = None) -> asyncio.Server:
        server = await asyncio.start_server(self.handle, "127.0.0.1", 0, ssl=context)
        self.port = server.sockets[0].getsockname()[1]
        return server


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def context(authority: trustme.CA) -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(made)
    return made


@pytest.fixture
def trusted(authority: trustme.CA, tmp_path: Path) -> str:
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(path)
    return str(path)


def mailer(sink: MailSink, security: Any, **more: Any) -> Email:
    values = {"host": "127.0.0.1", "sender": "gateway@app.example", "to": ("ops@app.example", "duty@app.example")}
    return Email(Post(**(values | more), port=sink.port, security=security), "gateway-1")


@pytest.mark.parametrize("security", ["starttls", "ssl"])
async def test_mail_is_encrypted_and_signed_in(context: ssl.SSLContext, trusted: str, security: str) -> None:
    sink = MailSink(context if security == "starttls" else None, password="pa55")
    server = await sink.serve(context if security == "ssl" else None)
    await mailer(sink, security, user="gateway", password="pa55", ca_file=trusted).deliver(FIRING)
    server.close()
    assert (sink.signed_in, sink.encrypted) == (["gateway"], [True])
    [mail] = sink.mails
    assert mail["subject"] == "[critical] provider lab is down: <no> connection & so on"
    assert mail["to"] == "ops@app.example, duty@app.example"
    assert mail["auto-submitted"] == "auto-generated"
    text = mail.get_content()
    assert "provider lab is down" in text
    assert "why: no connection" in text
    assert "source: gateway-1" in text


async def test_a_line_break_in_a_summary_makes_no_header(context: ssl.SSLContext) -> None:
    sink = MailSink()
    server = await sink.serve()
    evil = Alert(kind="test", state="firing", subject="x", summary="a\r\nBcc: x@app.example", at=AT, since=AT)
    await mailer(sink, "none").deliver(evil)
    server.close()
    assert sink.mails[0]["bcc"] is None
    assert sink.mails[0]["subject"] == "[info] a Bcc: x@app.example"


async def test_a_server_that_is_not_trusted_gets_no_password(context: ssl.SSLContext) -> None:
    sink = MailSink(context, password="pa55")
    server = await sink.serve()
    said = await Told(mail=mailer(sink, "starttls", user="gateway", password="pa55")).courier.once("mail", FIRING)
    server.close()
    assert "certificate" in said.lower()
    assert sink.signed_in == []


async def test_a_server_without_tls_gets_nothing(trusted: str) -> None:
    sink = MailSink(password="pa55")
    server = await sink.serve()
    said = await Told(mail=mailer(sink, "starttls", user="g", password="pa55")).courier.once("mail", FIRING)
    server.close()
    assert "STARTTLS" in said
    assert (sink.mails, sink.signed_in) == ([], [])


@pytest.mark.parametrize(("refuses", "tries"), [("550 no such user", 1), ("451 later", 3)], ids=["for good", "for now"])
async def test_mail_that_is_refused(refuses: str, tries: int) -> None:
    sink = MailSink()
    sink.refuses = refuses
    server = await sink.serve()
    told = Told(mail=mailer(sink, "none"))
    await told.run(FIRING)
    server.close()
    assert told.counted["mail", "failed"] == 1
    assert len(told.slept) == tries - 1


async def test_a_wrong_password_is_a_failure_that_does_not_show_it(caplog: pytest.LogCaptureFixture) -> None:
    sink = MailSink(password="right")
    server = await sink.serve()
    told = Told(mail=mailer(sink, "none", user="gateway", password="wr0ng"))
    await told.run(FIRING)
    server.close()
    assert told.counted["mail", "failed"] == 1
    assert "it turned the user down (535)" in caplog.text
    assert "wr0ng" not in caplog.text


async def test_mail_with_a_variable_missing_is_not_tried(unused_tcp_port_factory: Any) -> None:
    sink = MailSink()
    sink.port = unused_tcp_port_factory()
    said = await Told(mail=mailer(sink, "none", lacking="SMTP_PASSWORD")).courier.once("mail", FIRING)
    assert said == "the variable SMTP_PASSWORD is not set"
