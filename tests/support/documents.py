"""The commands that the documentation tells a reader to type.

In a block of code, indented or fenced (but for fences of toml, python and the like), a command is
a line that begins with a prompt, `$ ` or `web1# `; in a block without any prompt, a line that
begins with the name of a program. It goes on where a line ends with a backslash. What follows the
command of a prompt, up to the next, is what it shows; a line `...` there stands for any lines.
"""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
PAGES = sorted([ROOT / "README.md", *ROOT.glob("docs/**/*.md")])

PROGRAMS = set(
    """
    apt apt-get apk brew carpool cd chmod cp curl dnf doas echo export git ifconfig install ip
    journalctl kill ls make man mkdir mv nohup openssl pip pip3 pkg pkg_add pkgin pkill promtool
    cat printf python python3 rm scp sed service source ssh sudo svcadm svccfg svcs sysctl systemctl
    tail ucarp umask vmadm wget
    """.split()  # noqa: SIM905
)
_FENCES = {"", "console", "sh", "shell", "bash"}
_PROMPT = re.compile(r"(?:\$|[a-z]\w*[$#]) ")
_INLINE = re.compile(r"`(carpool [^`]+)`")
_OPERATORS = {"|", "||", "&", "&&", ";", ">", ">>", "<", "(", ")", "2>"}


@dataclass(frozen=True, slots=True)
class Command:
    """One command: where it stands, as it is typed, and the lines that it shows."""

    page: str
    line: int
    text: str
    shown: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.page}:{self.line}: {self.text}"


def commands(path: Path) -> list[Command]:
    """Return the commands in the blocks of a page."""
    page = str(path.relative_to(ROOT))
    found = []
    for start, block in blocks(path.read_text("utf-8").splitlines()):
        prompts = any(map(_PROMPT.match, block))
        found += list(_commands(page, start, block, prompts=prompts))
    return found


def blocks(lines: list[str]) -> Iterator[tuple[int, list[str]]]:
    """Yield the number of the first line of each block of code, and its lines without indent."""
    block: list[str] = []
    fence, wanted, before = "", True, ""
    for number, line in enumerate([*lines, "end"], 1):
        mark = re.match(r" *(```+|~~~+)(.*)", line)
        if fence:
            if mark and mark[1].startswith(fence):
                if wanted:
                    yield number - len(block), block
                fence, block = "", []
            else:
                block.append(line)
        elif mark:
            fence, wanted, block = mark[1], mark[2].strip() in _FENCES, []
        elif line.startswith("    ") and (block or not before.strip()):
            block.append(line[4:])
        elif block and not line.strip():
            block.append("")
        elif block:
            yield number - len(block), block
            block = []
        before = line


def _commands(page: str, start: int, block: list[str], *, prompts: bool) -> Iterator[Command]:
    index = 0
    while index < len(block):
        line = _PROMPT.sub("", block[index], count=1) if prompts else block[index]
        first = line.split(maxsplit=1)[0] if line.strip() else ""
        begins = bool(_PROMPT.match(block[index])) if prompts else first in PROGRAMS
        number = start + index
        index += 1
        if not begins:
            continue
        while line.endswith("\\") and index < len(block):
            line = f"{line[:-1].rstrip()} {block[index].strip()}"
            index += 1
        shown = []
        while prompts and index < len(block) and not _PROMPT.match(block[index]):
            shown.append(block[index].rstrip())
            index += 1
        while shown and not shown[-1]:
            shown.pop()
        yield Command(page, number, line, tuple(shown))


def inline(path: Path) -> list[Command]:
    """Return what stands in a page's running text between backquotes and begins with carpool."""
    page = str(path.relative_to(ROOT))
    return [
        Command(page, number, found[1].replace(r"\|", "|"))
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
        if not line.startswith("    ")
        for found in _INLINE.finditer(line)
    ]


def words(text: str) -> list[list[str]]:
    """Return the words of each program that a command line runs, without its redirections."""
    lexer = shlex.shlex(text, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    lexer.commenters = ""
    programs: list[list[str]] = [[]]
    skip = False
    for word in lexer:
        if word.startswith("#"):
            break
        if set(word) <= set("|&;()<>"):
            skip = set(word) <= set("<>") or word.endswith((">", "<"))
            if not skip:
                programs.append([])
        elif skip:
            skip = False
        else:
            programs[-1].append(word)
    return [program for program in programs if program]
