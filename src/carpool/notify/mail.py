"""Mail, over SMTP (RFC 5321) with STARTTLS (RFC 3207), with TLS from the start, or with neither."""

from __future__ import annotations

import smtplib
from contextlib import suppress
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate, make_msgid
from typing import TYPE_CHECKING

from carpool.notify import tls, wording
from carpool.notify.job import DeliveryError

if TYPE_CHECKING:
    from carpool.notify.job import Job, Step

_PERMANENT = 500
"""Replies from here on say that the same will be refused again (RFC 5321, 4.2.1)."""
_LONGEST_REPLY = 200


def deliver(job: Job, step: Step) -> str:
    """Send one mail with all that is to be told. Return who takes care of it."""
    keys = job.keys
    server, port = keys["server"], keys["port"]
    try:
        step(f"connecting to {server} port {port}")
        smtp = _connect(job)
        try:
            refused = _hand_over(smtp, job, step)
        finally:
            # Whatever it answers to the good-bye changes nothing.
            with suppress(OSError, smtplib.SMTPException):
                smtp.quit()
            smtp.close()
    except smtplib.SMTPException as error:
        raise _problem(error) from None
    except OSError as error:
        raise tls.problem(error) from None
    taken = [address for address in keys["to"] if address not in refused]
    if refused:
        address, (code, reply) = next(iter(refused.items()))
        raise DeliveryError(
            f"accepted for {len(taken)} of {len(keys['to'])}; {address} is refused: "
            f"{code} {_text(reply)}",
            lasting=True,
        )
    return f"{server} takes it to {', '.join(taken)}"


def _hand_over(smtp: smtplib.SMTP, job: Job, step: Step) -> dict[str, tuple[int, bytes]]:
    """Send the mail; return those that do not get it."""
    keys = job.keys
    smtp.ehlo_or_helo_if_needed()
    if keys["security"] == "starttls":
        step("beginning TLS")
        if not smtp.has_extn("starttls"):
            raise DeliveryError(
                'the server offers no STARTTLS; security = "tls" may be what it wants', lasting=True
            )
        smtp.starttls(context=tls.context(keys))
        smtp.ehlo()
    if keys.get("user"):
        step(f"logging in as {keys['user']}")
        smtp.login(keys["user"], job.secret or "")
    step("handing the mail over")
    return smtp.send_message(message(job), _sender(job), keys["to"])


def message(job: Job) -> EmailMessage:
    """Return the mail."""
    made = EmailMessage(policy=SMTP)
    made["From"] = Address("carpool on " + job.node, addr_spec=_sender(job))
    made["To"] = ", ".join(job.keys["to"])
    made["Subject"] = wording.subject(job)
    made["Date"] = formatdate(localtime=False)
    # Not from the host's full name, which may take the resolver long to find.
    made["Message-ID"] = make_msgid(domain=_sender(job).rpartition("@")[2])
    made["Auto-Submitted"] = "auto-generated"  # RFC 3834: nobody's holiday notice answers it
    made.set_content(wording.body(job))
    return made


def _sender(job: Job) -> str:
    return str(job.keys.get("from") or f"carpool@{job.hostname}")


def _connect(job: Job) -> smtplib.SMTP:
    keys = job.keys
    # The name is given: the host's full one may take the resolver long to find.
    server, port, own, limit = keys["server"], keys["port"], job.hostname, job.timeout
    if keys["security"] == "tls":
        context = tls.context(keys)
        return smtplib.SMTP_SSL(server, port, own, timeout=limit, context=context)
    return smtplib.SMTP(server, port, own, timeout=limit)


def _problem(error: smtplib.SMTPException) -> DeliveryError:
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        refused, (code, said) = next(iter(error.recipients.items()))
        return DeliveryError(
            f"{refused} is refused: {code} {_text(said)}", lasting=code >= _PERMANENT
        )
    if isinstance(error, smtplib.SMTPResponseException):
        what = {
            smtplib.SMTPAuthenticationError: "user or password is refused",
            smtplib.SMTPSenderRefused: "the sender is refused",
            smtplib.SMTPConnectError: "the server does not take connections",
        }.get(type(error), "the server refuses")
        reply = f"{error.smtp_code} {_text(error.smtp_error)}"
        return DeliveryError(f"{what}: {reply}", lasting=error.smtp_code >= _PERMANENT)
    if isinstance(error, smtplib.SMTPNotSupportedError):
        return DeliveryError(f"the server cannot do that: {error}", lasting=True)
    if isinstance(error, smtplib.SMTPServerDisconnected):
        return DeliveryError("the server has hung up")
    return DeliveryError(str(error) or type(error).__name__)


def _text(reply: bytes | str) -> str:
    text = reply.decode(errors="replace") if isinstance(reply, bytes) else reply
    return " ".join(text.split())[:_LONGEST_REPLY]
