"""Rules of nftables as `nft -j list ruleset` writes them."""

from typing import Any

DROP, ACCEPT, RETURN = {"drop": None}, {"accept": None}, {"return": None}


def match(left: dict[str, Any], right: Any, op: str = "==") -> dict[str, Any]:
    return {"match": {"op": op, "left": left, "right": right}}


def meta(key: str, right: Any, op: str = "==") -> dict[str, Any]:
    return match({"meta": {"key": key}}, right, op)


def payload(protocol: str, field: str, right: Any, op: str = "==") -> dict[str, Any]:
    return match({"payload": {"protocol": protocol, "field": field}}, right, op)


VRRP = payload("ip", "protocol", 112)
UNKNOWN = match({"ct": {"key": "mark"}}, 1)
ANSWERS = match({"ct": {"key": "state"}}, ["established", "related"], "in")
LIMIT = {"limit": {"rate": 4, "per": "minute"}}
XT_MATCH = {"xt": {"type": "match", "name": "physdev"}}


def xt_target(name: str) -> dict[str, Any]:
    return {"xt": {"type": "target", "name": name}}


def by_state(**verdicts: dict[str, Any]) -> dict[str, Any]:
    data = {"set": [[state, verdict] for state, verdict in verdicts.items()]}
    return {"vmap": {"key": {"ct": {"key": "state"}}, "data": data}}


SET = {"set": {"family": "inet", "table": "filter", "name": "nodes", "elem": ["192.0.2.2"]}}


def ruleset(
    *rules: list[dict[str, Any]],
    hook: str = "input",
    policy: str = "accept",
    family: str = "inet",
    more: list[dict[str, Any]] | None = None,
) -> list[dict[str, Any]]:
    table = {"family": family, "table": "filter"}
    chain = {**table, "name": "all", "type": "filter", "hook": hook, "prio": 0, "policy": policy}
    listed = [
        {"rule": {**table, "chain": "all", "handle": number, "expr": rule}}
        for number, rule in enumerate(rules, 4)
    ]
    return [{"metainfo": {}}, {"chain": chain}, *(more or ()), *listed]


def jumped_to(name: str, *rules: list[dict[str, Any]]) -> list[dict[str, Any]]:
    table = {"family": "inet", "table": "filter"}
    listed = [
        {"rule": {**table, "chain": name, "handle": number, "expr": rule}}
        for number, rule in enumerate(rules, 20)
    ]
    return [{"chain": {**table, "name": name}}, *listed]
