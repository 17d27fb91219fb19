"""What daemons tell of themselves, in Prometheus' text format, version 0.0.4.

Names and units follow prometheus.io/docs/practices/naming: base units, `_total` for what only
grows.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_STATES = ("INIT", "BACKUP", "MASTER")
_HEALTH = ("unknown", "good", "bad")


@dataclass(slots=True)
class _Metric:
    name: str
    kind: str
    text: str
    samples: list[tuple[Mapping[str, object], float]] = field(default_factory=list)

    def add(self, value: float, **labels: object) -> None:
        self.samples.append((labels, value))

    def lines(self) -> Iterator[str]:
        if self.samples:
            yield f"# HELP {self.name} {self.text}"
            yield f"# TYPE {self.name} {self.kind}"
        for labels, value in self.samples:
            written = ",".join(f'{key}="{_escaped(label)}"' for key, label in labels.items())
            yield f"{self.name}{{{written}}} {value:.10g}"


def _metrics(*rows: tuple[str, str, str]) -> dict[str, _Metric]:
    return {name: _Metric(f"carpool_{name}", kind, text) for name, kind, text in rows}


def metrics_text(statuses: Sequence[Mapping[str, Any]], unanswered: Sequence[str] = ()) -> str:
    """Return the metrics of all daemons that answered, and 0 for each node that did not."""
    found = _metrics(
        ("up", "gauge", "Whether the daemon of the node answers."),
        ("info", "gauge", "1, with the version of the daemon."),
        ("uptime_seconds", "gauge", "For how long the daemon has been running."),
        ("master", "gauge", "Whether this node is master of the group."),
        ("state", "gauge", "1 for the state of the group, 0 for the others."),
        ("state_seconds", "gauge", "For how long the group has been in its state."),
        ("transitions_total", "counter", "How often the state has changed."),
        ("demotion", "gauge", "By how much this node is demoted in the group."),
        ("interval_seconds", "gauge", "How often this node advertises as master."),
        ("master_down_seconds", "gauge", "For how long a backup waits for a silent master."),
        ("heard_seconds", "gauge", "How long ago the peer last advertised."),
        ("group_rejected_total", "counter", "Advertisements of the group that were refused."),
        ("interface_open", "gauge", "Whether the interface is there."),
        ("interface_rejected_total", "counter", "Packets that were no advertisement of ours."),
        ("strangers", "gauge", "How many others were lately seen to use our addresses."),
        ("check_health", "gauge", "1 for the health of the check, 0 for the others."),
        ("script_seconds", "gauge", "For how long the group's script has been running."),
    )
    for node in unanswered:
        found["up"].add(0, node=node)
    for status in statuses:
        _daemon(found, status)
    return "".join(f"{line}\n" for metric in found.values() for line in metric.lines())


def _daemon(found: Mapping[str, _Metric], status: Mapping[str, Any]) -> None:
    node = status["node"]
    found["up"].add(1, node=node)
    found["info"].add(1, node=node, version=status["program"])
    found["uptime_seconds"].add(status["uptime_seconds"], node=node)
    for group in status["groups"]:
        _group(found, node, group)
    for check in status.get("checks", ()):
        for health in _HEALTH:
            is_so = float(check["health"] == health)
            found["check_health"].add(is_so, node=node, check=check["check"], health=health)
    for interface in status["interfaces"]:
        labels = {"node": node, "interface": interface["interface"]}
        found["interface_open"].add(float(interface["open"]), **labels)
        found["strangers"].add(len(interface["strangers"]), **labels)
        for reason, number in interface["rejected"].items():
            found["interface_rejected_total"].add(number, **labels, reason=reason)


def _group(found: Mapping[str, _Metric], node: str, group: Mapping[str, Any]) -> None:
    labels = {"node": node, "group": group["group"], "vhid": group["vhid"]}
    found["master"].add(float(group["state"] == "MASTER"), **labels)
    for state in _STATES:
        found["state"].add(float(group["state"] == state), **labels, state=state)
    for name, key in (
        ("state_seconds", "state_seconds"),
        ("transitions_total", "transitions"),
        ("demotion", "demotion"),
        ("interval_seconds", "interval"),
        ("master_down_seconds", "master_down_time"),
    ):
        if key in group:  # A daemon that is older does not say all of it.
            found[name].add(group[key], **labels)
    for peer in group["peers"]:
        found["heard_seconds"].add(peer["heard_seconds"], **labels, peer=peer["address"])
    for reason, number in group["rejected"].items():
        found["group_rejected_total"].add(number, **labels, reason=reason)
    if group["script"]:
        found["script_seconds"].add(group["script"]["seconds"], **labels)


def _escaped(label: object) -> str:
    return str(label).replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
