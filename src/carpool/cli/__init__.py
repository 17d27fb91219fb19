"""The ``carpool`` command line: one small file per command, no logic here."""


def main() -> int:
    """Run the command line. Return the process's exit code."""
    return 0
