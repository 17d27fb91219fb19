"""What --help looks like: paragraphs that fit the terminal."""

import argparse
import textwrap

_WIDEST = 98  # characters; longer lines are hard to read


class Paragraphs(argparse.HelpFormatter):
    """Fills each paragraph; one with indented lines, as of examples, stays as it is."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        parts = text.strip("\n").split("\n\n")
        return "\n\n".join(self._filled(part, min(width, _WIDEST), indent) for part in parts)

    def _filled(self, part: str, width: int, indent: str) -> str:
        if "\n " in part:
            return textwrap.indent(part, indent)
        return textwrap.fill(
            " ".join(part.split()),
            width,
            initial_indent=indent,
            subsequent_indent=indent,
            break_long_words=False,
            break_on_hyphens=False,
        )
