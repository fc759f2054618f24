"""The recording of a session: what it started from, every input, and what each input caused."""

from storage.tape.archive import compress, prune, verify
from storage.tape.info import TapeInfo, info
from storage.tape.reader import Entry, TapeReader, Torn
from storage.tape.writer import TapeWriter

__all__ = ["Entry", "TapeInfo", "TapeReader", "TapeWriter", "Torn", "compress", "info", "prune", "verify"]
