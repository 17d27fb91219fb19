"""Groups that move together: what keeps one from being a good master keeps the others."""

from collections import defaultdict
from collections.abc import Iterable

from carpool.node.group import Group


def join(groups: Iterable[Group]) -> None:
    """Let groups with the same `together` know each other as companions."""
    teams: defaultdict[str, list[Group]] = defaultdict(list)
    for group in groups:
        if group.settings.together is not None:
            teams[group.settings.together].append(group)
    for team in teams.values():
        for group in team:
            group.companions = tuple(other for other in team if other is not group)
