"""What daemons tell of themselves, in Prometheus' text format, version 0.0.4.

Names and units follow prometheus.io/docs/practices/naming: base units, `_total` for what only
grows. It is made from statuses as the control socket tells them, group by group if need be.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_STATES = ("INIT", "BACKUP", "MASTER")
_HEALTH = ("unknown", "good", "bad")

METRICS = {
    "up": ("gauge", "Whether the daemon of the node answers."),
    "info": ("gauge", "1, with the version of the daemon."),
    "uptime_seconds": ("gauge", "For how long the daemon has been running."),
    "log_lines_lost_total": ("counter", "Log lines that could not be written at once."),
    "master": ("gauge", "Whether this node is master of the group."),
    "state": ("gauge", "1 for the state of the group, 0 for the others."),
    "state_seconds": ("gauge", "For how long the group has been in its state."),
    "transitions_total": ("counter", "How often the state has changed."),
    "demotion": ("gauge", "By how much this node is demoted in the group."),
    "interval_seconds": ("gauge", "How often this node advertises as master."),
    "master_down_seconds": ("gauge", "For how long a backup waits for a silent master."),
    "heard_seconds": ("gauge", "How long ago the peer last advertised."),
    "group_rejected_total": ("counter", "Advertisements of the group that were refused."),
    "interface_open": ("gauge", "Whether the interface is there."),
    "interface_rejected_total": ("counter", "Packets that were no advertisement of ours."),
    "strangers": ("gauge", "How many others were lately seen to use our addresses."),
    "check_health": ("gauge", "1 for the health of the check, 0 for the others."),
    "script_seconds": ("gauge", "For how long the group's script has been running."),
    "lateness_seconds": ("gauge", "How late the worst wake-up of the last ten seconds was."),
    "interval_raised": ("gauge", "Whether the machine is too late for the group's interval."),
}
"""Kind and meaning of each, by its name without `carpool_`."""

_OF_A_GROUP = (
    ("state_seconds", "state_seconds"),
    ("transitions_total", "transitions"),
    ("demotion", "demotion"),
    ("interval_seconds", "interval"),
    ("master_down_seconds", "master_down_time"),
)


class Exposition:
    """Samples by their metrics: the format wants those of one metric together."""

    def __init__(self) -> None:
        self._samples: dict[str, list[str]] = {name: [] for name in METRICS}

    def pieces(self) -> Iterator[str]:
        """Yield the text, metric by metric."""
        for name, samples in self._samples.items():
            if samples:
                kind, meaning = METRICS[name]
                head = f"# HELP carpool_{name} {meaning}\n# TYPE carpool_{name} {kind}\n"
                yield f"{head}{''.join(samples)}"

    def silent(self, node: str) -> None:
        """Add a daemon that does not answer."""
        self._add("up", _labels(node=node), 0)

    def daemon(self, status: Mapping[str, Any]) -> None:
        """Add all of a status but for its groups."""
        node = status["node"]
        labels = _labels(node=node)
        self._add("up", labels, 1)
        self._add("info", _labels(node=node, version=status["program"]), 1)
        self._add("uptime_seconds", labels, status["uptime_seconds"])
        if "log_lines_lost" in status:  # A daemon that is older does not say it.
            self._add("log_lines_lost_total", labels, status["log_lines_lost"])
        for check in status.get("checks", ()):
            for health in _HEALTH:
                one = _labels(node=node, check=check["check"], health=health)
                self._add("check_health", one, check["health"] == health)
        for interface in status["interfaces"]:
            labels = _labels(node=node, interface=interface["interface"])
            self._add("interface_open", labels, interface["open"])
            self._add("strangers", labels, len(interface["strangers"]))
            for reason, number in interface["rejected"].items():
                self._add("interface_rejected_total", f"{labels},{_labels(reason=reason)}", number)
        if punctuality := status.get("punctuality"):  # Only of the fast profile.
            self._add("lateness_seconds", _labels(node=node), punctuality["worst_recent_seconds"])
            for one in punctuality["groups"]:
                of_group = _labels(node=node, group=one["group"])
                self._add("interval_raised", of_group, one["raised"])

    def group(self, node: str, group: Mapping[str, Any]) -> None:
        """Add a group of a node."""
        labels = _labels(node=node, group=group["group"], vhid=group["vhid"])
        self._add("master", labels, group["state"] == "MASTER")
        for state in _STATES:
            self._add("state", f'{labels},state="{state}"', group["state"] == state)
        for name, key in _OF_A_GROUP:
            if key in group:  # A daemon that is older does not say all of it.
                self._add(name, labels, group[key])
        for peer in group["peers"]:
            of_peer = f"{labels},{_labels(peer=peer['address'])}"
            self._add("heard_seconds", of_peer, peer["heard_seconds"])
        for reason, number in group["rejected"].items():
            self._add("group_rejected_total", f"{labels},{_labels(reason=reason)}", number)
        if group["script"]:
            self._add("script_seconds", labels, group["script"]["seconds"])

    def _add(self, name: str, labels: str, value: float) -> None:
        self._samples[name].append(f"carpool_{name}{{{labels}}} {float(value):.10g}\n")


def metrics_text(statuses: Sequence[Mapping[str, Any]], unanswered: Sequence[str] = ()) -> str:
    """Return the metrics of all daemons that answered, and 0 for each node that did not."""
    found = Exposition()
    for node in unanswered:
        found.silent(node)
    for status in statuses:
        found.daemon(status)
        for group in status["groups"]:
            found.group(status["node"], group)
    return "".join(found.pieces())


def _labels(**values: object) -> str:
    return ",".join(f'{name}="{_escaped(str(value))}"' for name, value in values.items())


def _escaped(label: str) -> str:
    return label.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
