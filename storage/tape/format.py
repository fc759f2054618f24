"""What a tape is made of, byte by byte.

A tape is `MAGIC` and then records. A record is a 25-byte frame and its payload, little-endian:

    u32 payload length | u8 kind | 16 bytes chain | u32 CRC-32 of the 21 bytes before

The chain is SHA-256(chain before || kind || payload)[:16], so a record vouches for everything before it and
damage to a payload is found; the CRC protects the frame itself, so a torn record (the file ends inside it)
is never mistaken for a changed length.

    header   SessionHeader, MessagePack; always the first record
    input    u64 sequence, i64 `at` (ns UTC), u8 source (its place in SOURCES), the message
    crash    ActorCrashed without traceback and path: they differ between machines
    command  u64 sequence, the message
    caused   u64 sequence, u32 count, digest (16 bytes; none if nothing was caused)
    footer   `Footer`, MessagePack; always the last record: the tape was closed
"""

import hashlib
import struct
import zlib

import msgspec

from runtime.messages.machine import SOURCES

MAGIC = b"\x89TTAPE\x01\n"
"""Not text, and spoilt by any transfer that changes line ends; the 1 is the format's version."""

HEADER, INPUT, CRASH, COMMAND, CAUSED, FOOTER = 1, 2, 3, 4, 5, 6
KINDS = {
    HEADER: "header",
    INPUT: "input",
    CRASH: "crash",
    COMMAND: "command",
    CAUSED: "caused",
    FOOTER: "footer",
}

FRAME = struct.Struct("<IB16sI")
FRAME_HEAD = struct.Struct("<IB16s")
INPUT_HEAD = struct.Struct("<QqB")
COMMAND_HEAD = struct.Struct("<Q")
CAUSED_HEAD = struct.Struct("<QI")

CHAIN_START = hashlib.sha256(MAGIC).digest()[:16]
SOURCE_CODES = {source: code for code, source in enumerate(SOURCES)}

SUFFIX = ".tape"
COMPRESSED = ".tape.zst"


class Footer(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """What a closed tape holds; compared with what was read."""

    records: int
    inputs: int
    commands: int
    crashes: int
    last_seq: int


def chained(chain: bytes, kind: int, payload: bytes | bytearray | memoryview) -> bytes:
    """The chain after a record."""
    digest = hashlib.sha256(chain + kind.to_bytes(1, "little"))
    digest.update(payload)
    return digest.digest()[:16]


def frame(length: int, kind: int, chain: bytes) -> bytes:
    """The 25 bytes before a payload."""
    head = FRAME_HEAD.pack(length, kind, chain)
    return head + zlib.crc32(head).to_bytes(4, "little")
