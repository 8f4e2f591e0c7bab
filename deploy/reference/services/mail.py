"""EmailService: reports by SMTP; what can't be sent now is kept in the outbox and sent later."""

from __future__ import annotations

from email.message import EmailMessage
from typing import Any

import aiosmtplib

from reference import guards
from reference.model import Mail, Waiting
from reference.outbox import Outbox
from seawall.telemetry import correlation

SENDER = "reconciliation@example.com"


class EmailService:
    """Sends at least once: a mail whose acknowledgement got lost goes again, with the same Message-ID."""

    def __init__(self, host: str, port: int, outbox: Outbox) -> None:
        self._host = host
        self._port = port
        self._outbox = outbox

    async def send(self, mail: Mail) -> Waiting | None:
        """Send a mail; returns its place in the outbox when it has to wait, None when the server has it."""
        return await self._send(mail)

    @guards.mail
    async def _send(self, mail: Mail) -> Waiting | None:
        await self._deliver(mail)
        return None

    async def _deliver(self, mail: Mail) -> None:
        message = EmailMessage()
        message["From"] = SENDER
        message["To"] = mail.recipient
        message["Subject"] = mail.subject
        message["Message-ID"] = f"<{mail.message_id}@reconciliation.example.com>"
        if mail.correlation_id:
            message["X-Correlation-ID"] = mail.correlation_id
        message.set_content(mail.body)
        await aiosmtplib.send(message, hostname=self._host, port=self._port, start_tls=False, timeout=5.0)

    async def keep(self, *item: Any) -> Waiting:
        """Put a mail into the outbox."""
        (mail,) = item
        return await self._outbox.add(mail)

    async def drain(self) -> int:
        """Send what waits, in order, until one fails; returns how many went. Raises what stopped it."""
        gone = 0
        while (first := await self._outbox.first()) is not None:
            number, mail = first
            with correlation.using(mail.correlation_id or correlation.new()):
                async with guards.mail:
                    await self._deliver(mail)
            await self._outbox.remove(number)
            gone += 1
        return gone

    async def waiting(self) -> int:
        """How many mails wait."""
        return await self._outbox.waiting()
