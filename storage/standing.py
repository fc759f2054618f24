"""Where every actor stood after the last input that the books cover: written with the rows of that input.

It is for a session that goes on under other code than it began with: that code cannot say how it came there.
Source: architecture 4; faults.md A 13.
"""

import sqlite3

import msgspec

from storage.statements import Mark, Row

_READ = "SELECT session, seq, at, actors FROM standing"


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """Every actor's state between two inputs.

    Attributes:
        mark: The input that it stands behind. at: when that was known, ns UTC. actors: states by name.
    """

    mark: Mark
    at: int
    actors: dict[str, bytes]


def standing_row(standing: Standing) -> Row:
    """The row that replaces the one before."""
    mark = standing.mark
    return "standing", (1, mark.session, mark.seq, standing.at, msgspec.msgpack.encode(standing.actors))


def read_standing(trades: sqlite3.Connection) -> Standing | None:
    """What the books say; None: they have none yet.

    Raises:
        sqlite3.Error: They cannot be read. ValueError: it cannot be decoded.
    """
    found = trades.execute(_READ).fetchone()
    if found is None:
        return None
    session, seq, at, actors = found
    states = msgspec.msgpack.decode(actors, type=dict[str, bytes])
    return Standing(mark=Mark(session, seq), at=at, actors=states)
