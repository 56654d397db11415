"""Alerts by e-mail, over SMTP with the standard library, in a thread."""

from __future__ import annotations

import asyncio
import smtplib
import ssl
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid
from typing import Literal

import msgspec

from pointsman.core.errors import ConnectFailed, UpstreamCut, UpstreamRefused
from pointsman.observe.alerts.alert import Alert
from pointsman.observe.alerts.channel import demand, iso, moment

Security = Literal["starttls", "ssl", "none"]
_SECONDS = 8.0  # for each step of the conversation, so that the thread ends soon after whoever waits for it


class Post(msgspec.Struct, frozen=True, kw_only=True):
    """How mail is sent.

    Attributes:
        host, port: the server.
        security: `starttls` encrypts after the greeting, `ssl` from the first byte.
        sender, to: addresses.
        user, password: to sign in with; nobody signs in without `user`.
        lacking: the variable that is not set; empty if none is missing.
        ca_file: authorities to trust instead of the system's.
    """

    host: str
    port: int
    security: Security
    sender: str
    to: tuple[str, ...]
    user: str = ""
    password: str = ""
    lacking: str = ""
    ca_file: str = ""

    def __repr__(self) -> str:
        return f"Post({self.host}:{self.port})"


class Email:
    """Sends alerts by mail; `source` is this machine's name."""

    def __init__(self, post: Post, source: str) -> None:
        self._post = post
        self._source = source

    async def deliver(self, alert: Alert) -> None:
        """See `Channel`. Cancelled, the thread goes on to its own limit, a few seconds."""
        demand(self._post.lacking)
        await asyncio.to_thread(self._send, self.message(alert))

    def secrets(self) -> tuple[str, ...]:
        """See `Channel`."""
        return (self._post.password, self._post.user)

    def message(self, alert: Alert) -> EmailMessage:
        """The mail: the summary as its subject, the figures as its text."""
        message = EmailMessage()
        message["Subject"] = " ".join(f"[{alert.severity}] {alert.summary}".split())[:200]
        message["From"] = self._post.sender
        message["To"] = ", ".join(self._post.to)
        message["Date"] = format_datetime(moment(alert.at))
        message["Message-ID"] = make_msgid(domain=self._post.sender.rpartition("@")[2])
        message["Auto-Submitted"] = "auto-generated"  # RFC 3834: nobody's absence note answers it
        lines = [alert.summary, "", f"kind: {alert.kind}", f"state: {alert.state}", f"since: {iso(alert.since)}"]
        lines += [f"until: {iso(alert.until)}"] if alert.until is not None else []
        lines += [f"{name}: {value}" for name, value in alert.details.items()]
        message.set_content("\n".join([*lines, f"source: {self._source}", ""]))
        return message

    def _send(self, message: EmailMessage) -> None:
        try:
            with self._connect() as server:
                if self._post.user:
                    server.login(self._post.user, self._post.password)
                server.send_message(message)
        except smtplib.SMTPAuthenticationError as error:
            raise UpstreamRefused(f"it turned the user down ({error.smtp_code})", status=401) from None
        except smtplib.SMTPRecipientsRefused as error:
            codes = sorted({code for code, _ in error.recipients.values()})
            again = all(code < 500 for code in codes)
            raise UpstreamRefused(f"it takes mail for none of `to` {codes}", status=502, retryable=again) from None
        except smtplib.SMTPResponseException as error:
            text = f"it answered with code {error.smtp_code}"
            raise UpstreamRefused(text, status=502, retryable=error.smtp_code < 500) from None
        except smtplib.SMTPNotSupportedError as error:
            raise UpstreamRefused(str(error), status=502) from None
        except smtplib.SMTPException as error:
            raise UpstreamCut(f"the conversation ended early ({type(error).__name__})") from None
        except OSError as error:  # TLS too
            why = error.strerror or str(error) or type(error).__name__
            raise ConnectFailed(f"no connection to {self._post.host}:{self._post.port}: {why}") from None

    def _connect(self) -> smtplib.SMTP:
        post = self._post
        if post.security == "none":
            return smtplib.SMTP(post.host, post.port, timeout=_SECONDS)
        context = ssl.create_default_context(cafile=post.ca_file or None)
        if post.security == "ssl":
            return smtplib.SMTP_SSL(post.host, post.port, timeout=_SECONDS, context=context)
        server = smtplib.SMTP(post.host, post.port, timeout=_SECONDS)
        try:
            server.starttls(context=context)
        except BaseException:
            server.close()
            raise
        return server
