from argparse import ArgumentTypeError

import pytest

from carpool.cli.listen_option import listen_address


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("127.0.0.1", ("127.0.0.1", 9112)),
        ("127.0.0.1:80", ("127.0.0.1", 80)),
        ("::1", ("::1", 9112)),
        ("[::1]", ("::1", 9112)),
        ("[::1]:80", ("::1", 80)),
    ],
)
def test_listen_addresses(text: str, meant: tuple[str, int]) -> None:
    assert listen_address(9112)(text) == meant


@pytest.mark.parametrize("text", ["", "here", ":80", "127.0.0.1:x", "127.0.0.1:65536", "[::1]:-1"])
def test_other_listen_addresses(text: str) -> None:
    with pytest.raises(ArgumentTypeError, match=r"not an address|at most 65535"):
        listen_address(9112)(text)
