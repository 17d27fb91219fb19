"""imgadm: the images on this hypervisor's disk, and those it can fetch."""

import json
import sys
from collections.abc import Sequence
from typing import Any

from carpool.lab.smartos import boot, machines
from carpool.lab.smartos.commands import words as read
from carpool.lab.smartos.places import HOST
from carpool.lab.smartos.stage import CommandError

_COLUMNS = "uuid,name,version,os,type,pub"


def main(words: Sequence[str]) -> int:
    """Run a subcommand."""
    known = {
        "list": _list,
        "avail": _available,
        "get": _get,
        "show": _show,
        "import": _import,
        "delete": _delete,
    }
    if not words or words[0] not in known:
        raise CommandError(f"error (UnknownCommand): {' '.join(words[:1])}")
    return known[words[0]](words[1:])


def _list(words: Sequence[str]) -> int:
    options, filters = read.options(words, "Hjpo:s:", anywhere=True)
    return _print(boot.host()["images"], options, filters)


def _available(words: Sequence[str]) -> int:
    options, filters = read.options(words, "Hjpo:s:", anywhere=True)
    return _print(boot.host()["available_images"], options, filters)


def _print(images: dict[str, Any], options: dict[str, str], filters: Sequence[str]) -> int:
    wanted = [word.partition("=")[::2] for word in filters]
    found = [
        image
        for image in images.values()
        if all(str(image.get(name)) == value for name, value in wanted)
    ]
    if "-j" in options:
        print(json.dumps([{"manifest": image, "zpool": "zones"} for image in found], indent=2))
        return 0
    columns = options.get("-o", _COLUMNS).split(",")
    read.table(
        [[image.get(column, "-") for column in columns] for image in found],
        [column.upper() for column in columns],
        head="-H" not in options,
    )
    return 0


def _get(words: Sequence[str]) -> int:
    _, rest = read.options(words, "P:", anywhere=True)
    uuid = read.one(rest, "UUID")
    image = boot.host()["images"].get(uuid)
    if image is None:
        raise CommandError(
            f'error (ImageNotInstalled): image "{uuid}" was not found on zpool "zones"'
        )
    print(json.dumps({"manifest": image, "zpool": "zones"}, indent=2))
    return 0


def _show(words: Sequence[str]) -> int:
    uuid = read.one(words, "UUID")
    print(json.dumps(_published(uuid), indent=2))
    return 0


def _import(words: Sequence[str]) -> int:
    options, rest = read.options(words, "qP:S:", anywhere=True)
    uuid = read.one(rest, "UUID")
    with machines.locked():
        host = boot.host()
        if uuid in host["images"]:
            print(f"Image {uuid} is already installed, skipping")
            return 0
        image = _published(uuid)
        host["images"][uuid] = image
        _save(host)
    if "-q" not in options:
        print(f"Importing {uuid} ({image['name']}@{image['version']})", file=sys.stderr)
    print(f"Imported image {uuid} ({image['name']}@{image['version']}).")
    return 0


def _delete(words: Sequence[str]) -> int:
    uuid = read.one(words, "UUID")
    with machines.locked():
        host = boot.host()
        if host["images"].pop(uuid, None) is None:
            raise CommandError(f'error (ImageNotInstalled): image "{uuid}" was not found')
        _save(host)
    print(f"Deleted image {uuid}")
    return 0


def _published(uuid: str) -> dict[str, Any]:
    image: dict[str, Any] | None = boot.host()["available_images"].get(uuid)
    if image is None:
        raise CommandError(
            f'error (ActiveImageNotFound): an active image with uuid "{uuid}" was not found '
            "in image repos"
        )
    return image


def _save(host: dict[str, Any]) -> None:
    new = HOST.with_suffix(".new")
    new.write_text(json.dumps(host))
    new.replace(HOST)
