"""What a ruleset of nftables does with an advertisement: followed on paper. Pure.

Only what is certain is told. A rule with a condition that is not known here may match or not: if it
would accept, it is taken to do so, and if it would drop, not to.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import Any

Json = Mapping[str, Any]

_DEPTH = 16  # nftables' own limit of jumps
_FINAL = {"queue", "fwd"}
"""Statements behind which the packet is in the hands of others."""
_HARMLESS = {"counter", "log", "comment", "meta", "mangle"}
_LOGGING = {"LOG", "NFLOG"}
"""Targets of iptables, as nft lists them, that let a packet go on."""
_ANSWERS = {"established", "related"}
"""States of connections that an advertisement never has: nobody answers it."""
_PROTOCOL_NAMES = {"vrrp": 112, "carp": 112}


@dataclass(frozen=True, slots=True)
class Packet:
    """An advertisement at a hook: `source` and `destination` in text, "" where not known."""

    hook: str
    """"input" or "output"."""
    interface: str
    source: str
    destination: str
    family: int = 4
    framed: bool = False
    """It leaves through a packet socket, which the hooks of IP do not see."""


def dropped_by(ruleset: Sequence[Json], packet: Packet) -> str:
    """Return the rule or policy that drops the packet for certain, "" if none does.

    `ruleset` is the list that `nft -j list ruleset` calls nftables.
    """
    rules = _Ruleset(ruleset)
    for hook in _hooks(packet):
        for chain in rules.base_chains(hook, packet):
            dropped = rules.walk(chain, packet)
            if dropped:
                return dropped
    return ""


def _hooks(packet: Packet) -> tuple[str, ...]:
    if packet.hook == "input":
        return ("ingress", "prerouting", "input")
    if packet.framed:
        return ("egress",)
    return ("output", "postrouting", "egress")


class _Ruleset:
    def __init__(self, ruleset: Sequence[Json]) -> None:
        self.chains = [one["chain"] for one in ruleset if "chain" in one]
        self.rules = [one["rule"] for one in ruleset if "rule" in one]
        self.sets = {
            (one["set"]["family"], one["set"]["table"], one["set"]["name"]): one["set"]
            for one in ruleset
            if "set" in one
        }

    def base_chains(self, hook: str, packet: Packet) -> Iterator[Json]:
        families = {"ip" if packet.family == 4 else "ip6", "inet", "netdev"}
        found = [one for one in self.chains if one.get("hook") == hook]
        for chain in sorted(found, key=lambda one: one.get("prio", 0)):
            devices = chain.get("dev", packet.interface)
            here = packet.interface in ([devices] if isinstance(devices, str) else devices)
            if chain["family"] in families and here:
                yield chain

    def walk(self, chain: Json, packet: Packet) -> str:
        """Return what drops it in this base chain, "" if nothing does for certain."""
        verdict, where = self._chain(chain, packet, _DEPTH)
        if verdict == "drop":
            return where
        if verdict is None and chain.get("policy") == "drop":
            return f"policy drop of {_name(chain)}"
        return ""

    def _chain(self, chain: Json, packet: Packet, depth: int) -> tuple[str | None, str]:
        """Return "accept", "drop" or None for the end of the chain, and where."""
        key = chain["family"], chain["table"], chain["name"]
        for rule in self.rules:
            if (rule["family"], rule["table"], rule["chain"]) != key:
                continue
            verdict, where = self._rule(rule, packet, depth)
            if verdict == "return":
                break
            if verdict is not None:
                return verdict, where
        return None, ""

    def _rule(self, rule: Json, packet: Packet, depth: int) -> tuple[str | None, str]:
        certain = True
        for statement in rule.get("expr", ()):
            if "match" in statement:
                holds = self._match(statement["match"], rule, packet)
                if holds is False:
                    return None, ""
                certain = certain and holds is True
            elif "accept" in statement:
                return "accept", ""
            elif "return" in statement:
                # What is not certain to return may be dropped later, but that is not certain.
                return ("return" if certain else "accept"), ""
            elif "drop" in statement or "reject" in statement:
                where = f"a rule in {_name(rule, 'chain')}, handle {rule.get('handle', '?')}"
                return ("drop", where) if certain else (None, "")
            elif "jump" in statement or "goto" in statement:
                verdict, where = self._follow(rule, statement, packet, depth)
                if certain:
                    return verdict, where
                # It may go there or not: it is dropped for certain only if it is here, below.
                return (None, "") if verdict in {None, "drop"} else ("accept", "")
            elif "vmap" in statement:
                return (None, "") if _spares(statement["vmap"]) else ("accept", "")
            elif _is_final(statement):
                return "accept", ""
            elif not statement.keys() & _HARMLESS:
                certain = False  # limit, ct, xt, fib ...: not followed
        return None, ""

    def _follow(
        self, rule: Json, statement: Json, packet: Packet, depth: int
    ) -> tuple[str | None, str]:
        goto = "goto" in statement
        target = (statement.get("goto") or statement["jump"])["target"]
        for chain in self.chains:
            key = chain["family"], chain["table"], chain["name"]
            if key == (rule["family"], rule["table"], target) and depth:
                verdict, where = self._chain(chain, packet, depth - 1)
                return ("return", "") if verdict is None and goto else (verdict, where)
        return "accept", ""

    def _match(self, match: Json, rule: Json, packet: Packet) -> bool | None:
        """Tell whether a condition holds, None if that is not known."""
        if match["left"] == _STATE:
            answers = _has_answers_only(match["right"])
            return match["op"] == "!=" if answers and match["op"] in _COMPARISONS else None
        value = _value(match["left"], packet)
        if value is None:
            return None
        if value is _OTHER_FAMILY:
            return False
        right = match["right"]
        if isinstance(right, str) and right.startswith("@"):
            found = self.sets.get((rule["family"], rule["table"], right[1:]), {})
            right = {"set": found.get("elem", [])} if found else None
        if right is None:
            return None
        found_in = _is_in(value, right)
        if found_in is None or match["op"] not in _COMPARISONS:
            return None
        return found_in is (match["op"] != "!=")


_OTHER_FAMILY = object()
_STATE = {"ct": {"key": "state"}}
_COMPARISONS = {"==", "!=", "in"}


def _has_answers_only(states: Any) -> bool:
    """Tell whether an advertisement has none of these states of connections."""
    if isinstance(states, dict):
        states = states.get("set")
    listed = [states] if isinstance(states, str) else states
    return isinstance(listed, list) and all(
        isinstance(one, str) and one in _ANSWERS for one in listed
    )


def _spares(vmap: Json) -> bool:
    """Tell whether a map to verdicts accepts no advertisement; it may drop it, or not."""
    data = vmap["data"]
    if vmap["key"] != _STATE or not isinstance(data, dict) or "set" not in data:
        return False
    return all(_has_answers_only(state) or "drop" in verdict for state, verdict in data["set"])


def _is_final(statement: Json) -> bool:
    """Tell whether it may be the last that the packet filter does with a packet."""
    if "xt" in statement:
        xt = statement["xt"] or {}
        return xt.get("type") != "match" and xt.get("name") not in _LOGGING
    return bool(statement.keys() & _FINAL)


def _value(left: Any, packet: Packet) -> Any:
    """Return what a packet has where a condition looks, None if that is not known."""
    if not isinstance(left, dict):
        return None
    family = "ip" if packet.family == 4 else "ip6"
    device = {"input": "iifname", "output": "oifname"}[packet.hook]
    known = {
        "l4proto": 112,
        "nfproto": "ipv4" if packet.family == 4 else "ipv6",
        "protocol": family,
        "pkttype": "multicast" if packet.hook == "input" else None,
        device: packet.interface,
        device.removesuffix("name"): packet.interface,
    }
    fields = {
        "protocol": 112,
        "nexthdr": 112,
        "saddr": packet.source or None,
        "daddr": packet.destination or None,
        "ttl": 255,
        "hoplimit": 255,
    }
    if "meta" in left:
        return known.get(left["meta"]["key"])
    if "payload" in left and "protocol" in left["payload"]:
        protocol = left["payload"]["protocol"]
        if protocol in {"ip", "ip6"}:
            return fields.get(left["payload"]["field"]) if protocol == family else _OTHER_FAMILY
        if protocol in {"tcp", "udp", "icmp", "icmpv6", "sctp", "dccp"}:
            return _OTHER_FAMILY
    return None


def _is_in(value: Any, right: Any) -> bool | None:
    """Tell whether a value is what stands on the right, None if that is not understood."""
    if isinstance(right, dict):
        if "set" in right:
            held = [_is_in(value, one) for one in right["set"]]
            return True if True in held else None if None in held else False
        if "prefix" in right:
            network = f"{right['prefix']['addr']}/{right['prefix']['len']}"
            return _in_network(value, network)
        if "range" in right:
            return _in_range(value, *right["range"])
        if "elem" in right:
            return _is_in(value, right["elem"].get("val"))
        return None
    if isinstance(right, str) and right.endswith("*"):
        return isinstance(value, str) and value.startswith(right[:-1])
    if isinstance(value, int):
        number = _PROTOCOL_NAMES.get(right, right) if isinstance(right, str) else right
        return number == value if isinstance(number, int) else False
    return bool(value == right)


def _in_network(value: Any, network: str) -> bool | None:
    try:
        return ip_address(value) in ip_network(network, strict=False)
    except ValueError:
        return None


def _in_range(value: Any, low: Any, high: Any) -> bool | None:
    try:
        if isinstance(value, int):
            return bool(low <= value <= high)
        ends = [int(ip_address(end)) for end in (low, high)]
        return ends[0] <= int(ip_address(value)) <= ends[1]
    except (TypeError, ValueError):
        return None


def _name(one: Json, key: str = "name") -> str:
    return f"nftables {one['family']} {one['table']} {one[key]}"
