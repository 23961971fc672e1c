"""Plain text, line by line: what is between words and lines is held back until more text comes."""

MAX_INDENT = 40  # characters; a list nested deeper than that would otherwise be mostly blanks


class TextWriter:
    """Collects words. Blanks and empty lines at the ends never appear, nor more than one empty line in a row."""

    def __init__(self) -> None:
        self.pieces: list[str] = []
        self.indent = ""
        """What each new line begins with."""
        self.marker = ""
        """What the next line has in place of the last characters of its indent: the number of a list's item."""
        self._lines = 0  # line ends that are due before the next word
        self._blank = False
        self._has_exact = False

    def write(self, text: str) -> None:
        """The words of the text; any run of white space is one blank, a no-break space too."""
        words = text.split()
        if not words:
            self._blank = True
            return
        if text[0].isspace():
            self._blank = True
        self._put(" ".join(words))
        self._blank = text[-1].isspace()

    def write_lines(self, text: str) -> None:
        """As `write`, but line ends stay."""
        first, *others = text.split("\n")
        self.write(first)
        for line in others:
            self.break_line()
            self.write(line)

    def write_exactly(self, text: str) -> None:
        """Preformatted text: blanks and line ends stay, but an empty line more than one."""
        self._has_exact = True
        first, *others = text.replace("\r", "").replace("\N{NO-BREAK SPACE}", " ").split("\n")
        if first:
            self._put(first)
        for line in others:
            self.break_line()
            if line.strip():
                self._put(line)

    def write_on_line(self, text: str) -> None:
        """One more word on the line that the last word is on, even if that line has ended."""
        lines, blank = self._lines, self._blank
        self._lines, self._blank = 0, True
        self._put(text)
        self._lines, self._blank = lines, blank

    def blank(self) -> None:
        self._blank = True

    def end_lines(self, count: int) -> None:
        """What follows begins after at least so many line ends."""
        if count > self._lines:  # noqa: PLR1730 - `max` costs a tenth of a large mail
            self._lines = count

    def break_line(self) -> None:
        self._lines = min(self._lines + 1, 2)

    def text(self) -> str:
        text = "".join(self.pieces)
        return "\n".join(line.rstrip() for line in text.split("\n")) if self._has_exact else text

    def _put(self, text: str) -> None:
        if self._lines or not self.pieces:
            indent, marker = self.indent[:MAX_INDENT], self.marker
            start = "\n" * self._lines if self.pieces else ""
            self.pieces.append(f"{start}{indent[: max(len(indent) - len(marker), 0)]}{marker}")
            self._lines, self.marker = 0, ""
        elif self._blank:
            self.pieces.append(" ")
        self._blank = False
        self.pieces.append(text)
