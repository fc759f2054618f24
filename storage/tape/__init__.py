"""The recording of a session: what it started from, every input, and what each input caused."""

from storage.tape.archive import compress, prune, verify
from storage.tape.info import TapeInfo, info
from storage.tape.names import part_beside, part_name, parts_in, read_name, tapes_in
from storage.tape.reader import Entry, TapeReader, Torn
from storage.tape.writer import TapeWriter

__all__ = [
    "Entry", "TapeInfo", "TapeReader", "TapeWriter", "Torn", "compress", "info", "part_beside", "part_name",
    "parts_in", "prune", "read_name", "tapes_in", "verify",
]  # fmt: skip
