"""Passive check results for Nagios, over NRDP: its XML form, which every version of it reads.

The form is that of the request "submitcheck" (github.com/NagiosEnterprises/nrdp). NRDP answers
with HTTP's status 200 whatever happens; its own status in the answer counts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlencode
from xml.etree import ElementTree as ET

from carpool.notify import wording
from carpool.notify.commandfile import names
from carpool.notify.job import DeliveryError
from carpool.notify.post import Server

if TYPE_CHECKING:
    from carpool.notify.job import Job, Step


def deliver(job: Job, step: Step) -> str:
    """Submit a result for each group that is to be told of. Return what NRDP has said."""
    form = {"token": job.secret or "", "cmd": "submitcheck", "XMLDATA": results(job)}
    headers = {"Content-Type": "application/x-www-form-urlencoded", "User-Agent": "carpool"}
    with Server(job, step) as server:
        answer = server.post(urlencode(form).encode(), headers)
    _check(answer)
    return f"NRDP at {server.name} has taken {len(job.notices)} results"


def results(job: Job) -> str:
    """Return the results as ET."""
    root = ET.Element("checkresults")
    for notice in job.notices:
        host, service = names(job, notice)
        result = ET.SubElement(root, "checkresult", type="service", checktype="1")
        ET.SubElement(result, "hostname").text = host
        ET.SubElement(result, "servicename").text = service
        ET.SubElement(result, "state").text = str(wording.nagios(notice))
        ET.SubElement(result, "output").text = wording.line(job, notice).replace("|", "/")
    return "<?xml version='1.0'?>\n" + ET.tostring(root, encoding="unicode")


def _check(answer: bytes) -> None:
    """Raise DeliveryError if NRDP has not taken the results."""
    try:
        # Of a server that the administrator has named and, with TLS, that has proved to be it;
        # 64 KiB at most, in a process that ends in a moment.
        root = ET.fromstring(answer)  # noqa: S314
    except ET.ParseError:
        raise DeliveryError("what answers is no NRDP server; see the url", lasting=True) from None
    status, message = root.findtext("status"), " ".join((root.findtext("message") or "").split())
    if status != "0":
        meaning = {
            "BAD TOKEN": "it does not know the token",
            "NO TOKEN": "it has got no token",
            "NO REQUEST HANDLER": "its plug-in for passive checks is not enabled",
        }
        said = meaning.get(message.upper(), "it refuses")
        raise DeliveryError(f"NRDP: {said} ({message[:200] or 'no reason given'})", lasting=True)
