"""What a core has printed (its IOBUF), with the numbers of messages replaced by their texts.

The binaries do not hold the texts of their messages. They print a number and the arguments, apart by a separator; the texts are in a database that
SpiNNUtilities installs. Where that is missing, the text stays as it was printed.
"""

from __future__ import annotations

import importlib.util
import re
import sqlite3
import struct
from contextlib import closing
from functools import cache
from pathlib import Path

SEPARATOR = "\x1e"
LEVELS = {10: "DEBUG", 20: "INFO", 30: "WARN", 40: "ERROR"}
_FORMAT = re.compile(r"%+\d*(?:\.\d+)?[cdfiksuxRFK]")


def readable(text: str) -> str:
    """Return what a core has printed with the numbers of messages replaced by their texts.

    Parameters
    ----------
    text : str
        Its IOBUF.
    """
    return "".join(f"{decode(line)}\n" for line in text.splitlines())


def decode(line: str) -> str:
    """Return a printed line with the number of its message replaced by the text.

    Examples
    --------
    >>> decode("no number")
    'no number'
    """
    number, *arguments = line.split(SEPARATOR)
    found = _messages().get(int(number)) if number.isascii() and number.isdigit() else None
    if found is None:
        return line
    level, place, text = found
    values = iter(arguments)

    def value(match: re.Match[str]) -> str:
        kind = match.group()[-1]
        try:
            if kind == "f":
                return str(struct.unpack("<f", struct.pack("<I", int(next(values), 16)))[0])
            if kind == "F":
                upper, lower = int(next(values), 16), int(next(values), 16)
                return str(struct.unpack("<d", struct.pack("<Q", upper << 32 | lower))[0])
            return next(values)
        except (StopIteration, ValueError):
            return match.group()

    return f"[{LEVELS.get(level, level)}] ({place}): {_FORMAT.sub(value, text)}"


@cache
def _messages() -> dict[int, tuple[int, str, str]]:
    spec = importlib.util.find_spec("spinn_utilities")
    if spec is None or spec.origin is None:
        return {}
    path = Path(spec.origin).parent / "make_tools" / "logs.sqlite3"
    if not path.is_file():
        return {}
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as database:
        rows = database.execute("SELECT log_id, log_level, file_name, line_num, original FROM replacer_view").fetchall()
    return {number: (level, f"{file}: {line}", str(text)) for number, level, file, line, text in rows}
