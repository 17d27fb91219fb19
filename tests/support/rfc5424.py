"""A strict reader of log servers' messages, by the ABNF of RFC 5424."""

import re
from dataclasses import dataclass, field

# Section 6.
PRINTUSASCII = r"[\x21-\x7e]"
SD_NAME = r'(?:(?![= \]"])[\x21-\x7e]){1,32}'
PARAM = rf' ({SD_NAME})="((?:[^"\\\]]|\\["\\\]])*)"'
ELEMENT = rf"\[({SD_NAME})((?:{PARAM})*)\]"
TIME = r"\d{4}-(?:0[1-9]|1[0-2])-[0-3]\dT[0-2]\d:[0-5]\d:[0-5]\d(?:\.\d{1,6})?(?:Z|[+-]\d\d:\d\d)"
MESSAGE = re.compile(
    r"<(?P<pri>0|[1-9]\d{0,2})>(?P<version>[1-9]\d{0,2})"
    rf" (?P<time>-|{TIME})"
    rf" (?P<host>-|{PRINTUSASCII}{{1,255}})"
    rf" (?P<app>-|{PRINTUSASCII}{{1,48}})"
    rf" (?P<pid>-|{PRINTUSASCII}{{1,128}})"
    rf" (?P<msgid>-|{PRINTUSASCII}{{1,32}})"
    rf" (?P<sd>-|(?:{ELEMENT})+)"
    r"(?: (?P<msg>.*))?",
    re.DOTALL,
)


@dataclass
class Read:
    """A message as a receiver understands it."""

    facility: int
    severity: int
    host: str
    app: str
    pid: str
    msgid: str
    text: str
    elements: dict[str, dict[str, str]] = field(default_factory=dict)


def read(message: bytes) -> Read:
    """Read a message; fail on whatever the ABNF does not allow."""
    found = MESSAGE.fullmatch(message.decode("utf-8"))
    assert found is not None, message
    assert found["version"] == "1"
    priority = int(found["pri"])
    assert priority <= 191
    text = found["msg"]
    assert text.startswith("\ufeff") or text.isascii(), "what is UTF-8 and not ASCII says so"
    elements: dict[str, dict[str, str]] = {}
    for element in re.finditer(ELEMENT, found["sd"]):
        assert element[1] not in elements, "no element is there twice"
        elements[element[1]] = {
            parameter[1]: re.sub(r'\\(["\\\]])', r"\1", parameter[2])
            for parameter in re.finditer(PARAM, element[2])
        }
    return Read(
        facility=priority // 8,
        severity=priority % 8,
        host=found["host"],
        app=found["app"],
        pid=found["pid"],
        msgid=found["msgid"],
        text=text.removeprefix("\ufeff"),
        elements=elements,
    )
