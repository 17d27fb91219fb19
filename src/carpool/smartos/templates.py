"""The texts that rendered files are made from, which lie beside this module."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files


def template(name: str, **values: str) -> str:
    """Return the text of the file ``name``, each ``@NAME@`` in it replaced by its value.

    Values go in as they are: quote them for the language of the file first.
    """
    return re.sub("@([A-Z_]+)@", lambda match: values[match[1].lower()], _text(name))


@cache
def _text(name: str) -> str:
    return files("carpool.smartos").joinpath(name).read_text("utf-8")
