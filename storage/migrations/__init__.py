"""How each database came to look as it does: numbered steps, never edited once released.

A step is applied together with its record, `user_version` and `application_id` in one transaction, so a
process killed halfway leaves the step before or the step after, nothing between.
"""

from storage.migrations.base import Migration
from storage.migrations.performance import PERFORMANCE
from storage.migrations.trades import TRADES

__all__ = ["APPLICATION_IDS", "MIGRATIONS", "Migration"]

MIGRATIONS: dict[str, tuple[Migration, ...]] = {"trades": TRADES, "performance": PERFORMANCE}
"""Database name to its steps, in order; step n brings the database to `user_version` n."""

APPLICATION_IDS: dict[str, int] = {"trades": 0x74726431, "performance": 0x74726432}
"""What SQLite's header says the file is ("trd1", "trd2"): an unrelated database is never touched."""
