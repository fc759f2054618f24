"""performance.db: daily results, breakers, regimes, tasks, strategies' states, errors (seed 5 and 7).

Times are INTEGER ns UTC, money REAL USD, `*_pct`, ratios and rates fractions, `date` the session's ISO
date. NULL means that there is no such number yet (a ratio without enough days, a factor without a loss).
"""

from storage.migrations.base import COMMON, Migration

_STRATEGY_DAILY = """
    CREATE TABLE strategy_daily (
        date          TEXT NOT NULL,
        strategy      TEXT NOT NULL,
        trades_opened INTEGER NOT NULL,
        trades_closed INTEGER NOT NULL,
        wins          INTEGER NOT NULL,
        losses        INTEGER NOT NULL,
        gross_pnl     REAL NOT NULL,
        net_pnl       REAL NOT NULL,
        commission    REAL NOT NULL,
        sharpe_20d    REAL,
        sharpe_60d    REAL,
        win_rate_30d  REAL,
        avg_win       REAL,
        avg_loss      REAL,
        profit_factor REAL,
        max_drawdown  REAL,
        is_enabled    INTEGER NOT NULL CHECK (is_enabled IN (0, 1)),
        PRIMARY KEY (date, strategy)
    ) STRICT
"""

_PORTFOLIO_DAILY = """
    CREATE TABLE portfolio_daily (
        date               TEXT PRIMARY KEY,
        equity             REAL NOT NULL,
        cash               REAL NOT NULL,
        positions_value    REAL NOT NULL,
        num_positions      INTEGER NOT NULL,
        exposure_pct       REAL NOT NULL,
        daily_pnl          REAL NOT NULL,
        daily_pnl_pct      REAL NOT NULL,
        cumulative_pnl     REAL NOT NULL,
        cumulative_pnl_pct REAL NOT NULL,
        drawdown           REAL NOT NULL,
        drawdown_pct       REAL NOT NULL,
        high_water_mark    REAL NOT NULL,
        sharpe_ratio       REAL,
        sortino_ratio      REAL
    ) STRICT
"""

_STRATEGY_STATS = """
    CREATE TABLE strategy_stats (                   -- since the books began
        strategy       TEXT PRIMARY KEY,
        total_trades   INTEGER NOT NULL,
        winning_trades INTEGER NOT NULL,
        losing_trades  INTEGER NOT NULL,
        total_pnl      REAL NOT NULL,
        avg_pnl        REAL,
        win_rate       REAL,
        profit_factor  REAL,
        sharpe_ratio   REAL,
        sortino_ratio  REAL,
        max_drawdown   REAL,
        is_enabled     INTEGER NOT NULL CHECK (is_enabled IN (0, 1)),
        date           TEXT NOT NULL                -- session it was last brought up to
    ) STRICT
"""

_BREAKERS = """
    CREATE TABLE circuit_breaker_state (            -- one row per activation
        breaker_type TEXT NOT NULL,
        triggered_at INTEGER NOT NULL,
        expires_at   INTEGER,                       -- NULL: no expiry of its own
        reason       TEXT NOT NULL,
        action       TEXT NOT NULL CHECK (action IN ('HALT', 'DISABLE', 'PAUSE', 'REDUCE')),
        target       TEXT NOT NULL,                 -- a strategy; '': all
        is_active    INTEGER NOT NULL CHECK (is_active IN (0, 1)),
        value        REAL NOT NULL,                 -- measured
        limit_value  REAL NOT NULL,
        cleared_at   INTEGER,
        cleared_reason TEXT NOT NULL DEFAULT '',
        PRIMARY KEY (breaker_type, target, triggered_at)
    ) STRICT
"""

_REGIMES = """
    CREATE TABLE regime_log (
        timestamp       INTEGER NOT NULL,
        vix_level       REAL,
        vix_regime      TEXT NOT NULL CHECK (vix_regime IN ('low', 'normal', 'high', 'extreme')),
        previous_regime TEXT NOT NULL,
        action_taken    TEXT NOT NULL,
        slow_regime     TEXT NOT NULL,
        scalar          REAL NOT NULL,              -- multiplies position sizes
        source          TEXT NOT NULL,
        age             INTEGER NOT NULL,           -- sessions since the datum
        session         INTEGER NOT NULL,
        seq             INTEGER NOT NULL,
        n               INTEGER NOT NULL,
        PRIMARY KEY (session, seq, n)
    ) STRICT
"""

_ERRORS = """
    CREATE TABLE error_log (
        id                  TEXT PRIMARY KEY,       -- <session>-<seq>-<n> of a decision, else a UUID
        timestamp           INTEGER NOT NULL,
        level               TEXT NOT NULL CHECK (level IN ('WARNING', 'ERROR', 'CRITICAL')),
        logger_name         TEXT NOT NULL,
        message             TEXT NOT NULL,
        source_file         TEXT NOT NULL DEFAULT '',
        line_number         INTEGER NOT NULL DEFAULT 0,
        exception_type      TEXT NOT NULL DEFAULT '',
        exception_traceback TEXT NOT NULL DEFAULT '',
        component           TEXT NOT NULL,
        is_resolved         INTEGER NOT NULL DEFAULT 0 CHECK (is_resolved IN (0, 1)),
        resolved_at         INTEGER,
        resolved_by         TEXT,
        occurrences         INTEGER NOT NULL DEFAULT 1 CHECK (occurrences >= 1),
        last_seen           INTEGER NOT NULL,
        session             INTEGER,                -- NULL: an error of the process, not of a decision
        seq                 INTEGER
    ) STRICT
"""

_TASKS = """
    CREATE TABLE task_log (
        session   INTEGER NOT NULL,
        seq       INTEGER NOT NULL,
        n         INTEGER NOT NULL,
        timestamp INTEGER NOT NULL,
        task      TEXT NOT NULL,
        phase     TEXT NOT NULL,
        status    TEXT NOT NULL CHECK (status IN ('done', 'skipped', 'failed')),
        detail    TEXT NOT NULL,
        PRIMARY KEY (session, seq, n)
    ) STRICT
"""

_STRATEGIES = """
    CREATE TABLE strategy_log (
        session    INTEGER NOT NULL,
        seq        INTEGER NOT NULL,
        n          INTEGER NOT NULL,
        timestamp  INTEGER NOT NULL,
        strategy   TEXT NOT NULL,
        state      TEXT NOT NULL,
        reason     TEXT NOT NULL,
        slots      INTEGER NOT NULL,
        allocation REAL NOT NULL,
        PRIMARY KEY (session, seq, n)
    ) STRICT
"""

_SESSIONS = """
    CREATE TABLE session_log (
        session    INTEGER PRIMARY KEY,             -- yyyymmdd
        date       TEXT NOT NULL,
        started_at INTEGER,
        ended_at   INTEGER,                         -- NULL: running, or killed
        phase      TEXT NOT NULL DEFAULT '',
        phase_at   INTEGER
    ) STRICT
"""

_EQUITY = """
    CREATE TABLE equity_minute (                    -- last mark of each minute that had one
        minute    INTEGER PRIMARY KEY,              -- start of the minute, ns UTC
        session   INTEGER NOT NULL,
        equity    REAL NOT NULL,
        cash      REAL NOT NULL,
        gross     REAL NOT NULL,
        positions INTEGER NOT NULL
    ) STRICT
"""

_ERROR_CONTEXT = "ALTER TABLE error_log ADD COLUMN context TEXT NOT NULL DEFAULT ''"  # JSON, or ''
_ERROR_NOTE = "ALTER TABLE error_log ADD COLUMN note TEXT NOT NULL DEFAULT ''"  # of whoever resolved it

_ALERTS = """
    CREATE TABLE alert_log (
        id           TEXT PRIMARY KEY,              -- <session>-<seq>-<n> of a decision, else a UUID
        timestamp    INTEGER NOT NULL,              -- of what happened first
        last_seen    INTEGER NOT NULL,
        occurrences  INTEGER NOT NULL DEFAULT 1 CHECK (occurrences >= 1),
        event        TEXT NOT NULL,
        level        TEXT NOT NULL CHECK (level IN ('INFO', 'WARNING', 'ERROR', 'CRITICAL')),
        component    TEXT NOT NULL,
        title        TEXT NOT NULL,
        body         TEXT NOT NULL,
        sinks        TEXT NOT NULL,                 -- names with commas between; never their addresses
        delivery     TEXT NOT NULL,                 -- waiting, sent, failed: why, not sent: why
        delivered_at INTEGER
    ) STRICT
"""

_INDEXES = (
    "CREATE INDEX breakers_active ON circuit_breaker_state (breaker_type, target) WHERE is_active = 1",
    "CREATE INDEX errors_by_time ON error_log (timestamp)",
    "CREATE INDEX errors_open ON error_log (level, timestamp) WHERE is_resolved = 0",
    "CREATE INDEX strategy_log_latest ON strategy_log (strategy, session, seq)",
)

PERFORMANCE = (
    Migration(
        1,
        "daily results, breakers, regimes, tasks, strategies, errors",
        (
            *COMMON,
            _STRATEGY_DAILY,
            _PORTFOLIO_DAILY,
            _STRATEGY_STATS,
            _BREAKERS,
            _REGIMES,
            _ERRORS,
            _TASKS,
            _STRATEGIES,
            _SESSIONS,
            _EQUITY,
            *_INDEXES,
        ),
    ),
    Migration(
        2,
        "context and notes of errors, alert history",
        (_ERROR_CONTEXT, _ERROR_NOTE, _ALERTS, "CREATE INDEX alerts_by_time ON alert_log (timestamp)"),
    ),
)
