"""A log's lines, kept for a look at them."""

from carpool.node.log import Level


class Written(list[tuple[Level, str]]):
    """A sink that remembers."""

    def write(self, level: Level, text: str) -> None:
        self.append((level, text))

    @property
    def texts(self) -> list[str]:
        return [text for _, text in self]

    def with_level(self, level: Level) -> list[str]:
        return [text for known, text in self if known is level]
