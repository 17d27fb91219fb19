from __future__ import annotations

import tomllib
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from carpool.cluster.toml_writing import toml_line, toml_value

VALUES = st.recursive(
    st.one_of(
        st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False), st.text()
    ),
    lambda inner: st.one_of(st.lists(inner), st.dictionaries(st.text(), inner)),
    max_leaves=8,
)


@given(st.text(), VALUES)
def test_what_is_written_is_read(name: str, value: Any) -> None:
    text = toml_line(name, value)
    assert "\n" not in text
    assert tomllib.loads(text) == {name: value}


def test_half_a_surrogate_pair_is_replaced() -> None:
    assert toml_value("a\ud800") == '"a?"'
