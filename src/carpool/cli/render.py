"""``carpool render FILE``: the files of each node, from a cluster file."""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from carpool.cli.check import show
from carpool.cli.paragraphs import Paragraphs
from carpool.cli.whole_file import write_whole
from carpool.cluster.findings import Finding, Severity
from carpool.cluster.identify import identify
from carpool.cluster.inputs import check_files
from carpool.cluster.load import load
from carpool.cluster.model import Cluster, Node
from carpool.cluster.password import PasswordError
from carpool.cluster.secrets import read_secrets
from carpool.smartos.files import File, files
from carpool.smartos.payload import Compat, RenderError

EPILOG = """A node that is a SmartOS zone gets the payload for vmadm, the first-boot script (which
is in the payload too), its service, the daemon's cluster file, and the scripts vip-up and vip-down
for ucarp. Any other gets the cluster file, its password files and a systemd unit; where groups have
services, also what gives the unit's user the right to them. From the same cluster file come the
same files, every time.

Files with a password in them are made with mode 600. Printed, they have a placeholder instead,
unless --secrets is given.

exit codes: 0 done; 2 the cluster file has errors, or a file cannot be written.
"""

LIST = ".carpool-render"
"""File in a node's folder that lists the others that were written there."""


class _WriteError(Exception):
    """A file that cannot be written; the text says which, why, and how to mend it."""


def main(arguments: list[str]) -> int:
    """Render the files, print or write them, and return the exit code."""
    options = parser().parse_args(arguments)

    secrets = options.secrets or options.output is not None
    findings = check_files([options.file], secrets=secrets)
    for finding in findings:
        print(finding, file=sys.stderr)
    loaded = load(options.file, secrets=False)
    if loaded.cluster is None or any(found.severity is Severity.ERROR for found in findings):
        return _refuse(f"{options.file}: mend the errors above; nothing was rendered")
    nodes: Sequence[Node] = loaded.cluster.nodes
    if options.node is not None:
        found = identify(loaded.cluster, (), options.node)
        if isinstance(found, Finding):
            return _refuse(str(found))
        nodes = (found,)
    try:
        rendered = _render(loaded.cluster, nodes, Compat(options.compat), secrets=secrets)
        if options.output is None:
            show(_as_json(rendered) if options.json else _as_text(rendered))
        else:
            show(_write(rendered, options.output, as_json=options.json))
    except (PasswordError, RenderError, _WriteError) as error:
        return _refuse(str(error))
    return 0


def parser() -> argparse.ArgumentParser:
    """Return the parser of its arguments."""
    made = argparse.ArgumentParser(
        "carpool render",
        description="Make the files that each node of a cluster file needs.",
        epilog=EPILOG,
        formatter_class=Paragraphs,
    )
    made.add_argument("file", type=Path, metavar="FILE", help="the cluster file (TOML)")
    made.add_argument("--node", metavar="NAME", help="only this node (default: all)")
    made.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="DIR",
        help="write them to DIR/NODE/ (default: print them)",
    )
    add_compat(made)
    made.add_argument("--json", action="store_true", help="print JSON")
    made.add_argument("--secrets", action="store_true", help="print passwords too")
    return made


def _render(
    cluster: Cluster, nodes: Sequence[Node], compat: Compat, *, secrets: bool
) -> dict[str, tuple[File, ...]]:
    passwords = read_secrets(cluster) if secrets else None
    return {node.name: files(cluster, node, passwords, compat) for node in nodes}


def _as_text(rendered: dict[str, tuple[File, ...]]) -> str:
    return "".join(
        f"==> {node}/{file.name} ({file.mode:04o}) <==\n{file.text}\n"
        for node, made in rendered.items()
        for file in made
    )


def _as_json(rendered: dict[str, tuple[File, ...]]) -> str:
    shown = {
        node: {file.name: {"mode": f"{file.mode:04o}", "text": file.text} for file in made}
        for node, made in rendered.items()
    }
    return json.dumps(shown, indent=2) + "\n"


def _write(rendered: dict[str, tuple[File, ...]], directory: Path, *, as_json: bool) -> str:
    """Write all files, each at once or not at all, and return what to say about it."""
    for node, made in rendered.items():
        _check_foreign(directory / node, made)
    outcomes = []
    for node, made in rendered.items():
        folder = directory / node
        try:
            folder.mkdir(parents=True, exist_ok=True)
            listing = File(LIST, "".join(f"{file.name}\n" for file in made))
            stale = _listed(folder) - {file.name for file in made}
            _replace(folder, File(LIST, listing.text + "".join(f"{n}\n" for n in sorted(stale))))
            outcomes += [(node, file.name, _replace(folder, file)) for file in made]
            for name in stale:
                (folder / name).unlink(missing_ok=True)
            _replace(folder, listing)
        except OSError as error:
            where = error.filename2 or error.filename or folder
            raise _WriteError(
                f"{where}: {error.strerror}; mend that and run the same again"
            ) from None
    if as_json:
        found = [{"node": n, "file": f, "changed": c} for n, f, c in outcomes]
        return json.dumps({"directory": str(directory), "files": found}, indent=2) + "\n"
    changed = sum(changed for _, _, changed in outcomes)
    return (
        f"{directory}: {len(outcomes)} files of {len(rendered)} nodes, "
        f"{changed or 'none'} of them changed\n"
    )


def _listed(folder: Path) -> set[str]:
    try:
        names = (folder / LIST).read_text("utf-8").splitlines()
    except FileNotFoundError:
        return set()
    except (OSError, ValueError) as error:
        raise _WriteError(f"{folder / LIST}: cannot be read: {error}; remove it") from None
    return {name for name in names if name == Path(name).name}


def _check_foreign(folder: Path, made: Sequence[File]) -> None:
    """Refuse to write over a file that this command has not written."""
    ours = _listed(folder)
    for file in made:
        path = folder / file.name
        if file.name not in ours and os.path.lexists(path):
            raise _WriteError(
                f"{path} is there already, and was not written by carpool render; "
                "move it away, or choose another directory; nothing was written"
            )


def _replace(folder: Path, file: File) -> bool:
    """Make the file what it is to be; return whether it was anything else before."""
    path = folder / file.name
    try:
        old: bytes | None = path.read_bytes()
    except OSError:
        old = None
    write_whole(path, [file.data], file.mode)
    return old != file.data


def add_compat(parser: argparse.ArgumentParser) -> None:
    """Add the option that says whose habits a zone must suit."""
    parser.add_argument(
        "--compat",
        choices=[Compat.UCARP.value],
        default=Compat.NONE.value,
        help="ucarp: let the zone use any address and any MAC, as ucarp needs it",
    )


def _refuse(text: str) -> int:
    print(f"carpool render: {text}", file=sys.stderr)
    return 2
