"""All secrets of a cluster: what is rendered into files and payloads for its nodes."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from carpool.cluster.notify_secret import secret_of
from carpool.cluster.password import LONGEST, LONGEST_SECRET, read_password

if TYPE_CHECKING:
    from carpool.cluster.model import Cluster


def read_secrets(cluster: Cluster) -> dict[str, bytes]:
    """Return all passwords of groups, and secrets of notifiers, by name. Raises PasswordError.

    The names are the keys of each group's ``password_files``, and each notifier's ``secret_name``.
    """
    read = cache(read_password)  # a pipe can be read only once
    passwords = {
        name: read(file, LONGEST)
        for group in cluster.groups
        for name, file in group.password_files.items()
    }
    return passwords | {
        one.secret_name: secret_of(
            read(file, LONGEST_SECRET), file, one.type, one.secret_header
        ).encode()
        for one in cluster.notifiers
        if (file := one.secret_file) is not None
    }
