"""trades.db: signals, causes, orders, fills, lots, trades, positions (seed 5).

Times are INTEGER ns UTC, prices and the seed's money columns REAL USD, `*_micros` INTEGER USD x 1e6,
fractions are fractions (0.02), quantities INTEGER shares. Every row names the session (yyyymmdd) and the
input (seq) that made it.
"""

from storage.migrations.base import COMMON, Migration

_SIGNALS = """
    CREATE TABLE signals (
        id           TEXT PRIMARY KEY,              -- <strategy>-<yyyymmdd>-<n>
        timestamp    INTEGER NOT NULL,
        symbol       TEXT NOT NULL,
        strategy     TEXT NOT NULL,
        signal_type  TEXT NOT NULL CHECK (signal_type IN ('BUY', 'SELL', 'CLOSE')),
        strength     REAL NOT NULL CHECK (strength BETWEEN 0 AND 1),
        price        REAL NOT NULL,
        confidence   REAL NOT NULL CHECK (confidence BETWEEN 0 AND 1),
        direction    TEXT NOT NULL CHECK (direction IN ('long', 'short')),
        stop_loss    REAL,
        take_profit  REAL,
        quantity     INTEGER CHECK (quantity >= 0), -- asked for, else what the sizer gave
        status       TEXT NOT NULL CHECK (status IN ('pending', 'executed', 'expired', 'rejected')),
        executed     INTEGER NOT NULL DEFAULT 0 CHECK (executed IN (0, 1)),
        execution_id TEXT,                          -- the first fill
        expires_at   INTEGER NOT NULL,
        executed_at  INTEGER,
        reason       TEXT NOT NULL DEFAULT '',      -- why it did not trade: a rule's name
        detail       TEXT NOT NULL DEFAULT '',      -- the same in words
        rationale    TEXT NOT NULL DEFAULT '',      -- why the strategy raised it
        lot_id       TEXT NOT NULL,                 -- of a CLOSE: what to close; else its own id
        order_key    TEXT,                          -- client order id without the attempt number
        group_id     TEXT,
        params_hash  TEXT NOT NULL DEFAULT '',
        features     TEXT NOT NULL DEFAULT '{}',
        session      INTEGER NOT NULL,
        seq          INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID
"""

_TRADES = """
    CREATE TABLE trades (
        id             TEXT PRIMARY KEY,            -- the lot's id
        signal_id      TEXT NOT NULL,
        timestamp      INTEGER NOT NULL,
        symbol         TEXT NOT NULL,
        strategy       TEXT NOT NULL,
        side           TEXT NOT NULL CHECK (side IN ('long', 'short')),
        quantity       INTEGER NOT NULL CHECK (quantity >= 0), -- shares entered so far
        entry_price    REAL,
        stop_loss      REAL,
        target_price   REAL,
        exit_price     REAL,
        exit_timestamp INTEGER,
        peak_price     REAL,
        trough_price   REAL,
        pnl            REAL NOT NULL DEFAULT 0,     -- USD realised, net of costs
        pnl_percent    REAL NOT NULL DEFAULT 0,     -- pnl as a fraction of the entry's notional
        status         TEXT NOT NULL CHECK (status IN ('OPEN', 'CLOSED', 'CANCELLED')),
        exit_reason    TEXT NOT NULL DEFAULT '',
        commission     REAL NOT NULL DEFAULT 0,
        slippage       REAL NOT NULL DEFAULT 0,
        session        INTEGER NOT NULL,            -- of the last change
        seq            INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID
"""

_POSITIONS = """
    CREATE TABLE positions (                        -- net of all lots in a symbol
        symbol             TEXT PRIMARY KEY,
        strategy           TEXT NOT NULL,           -- the largest holder
        side               TEXT NOT NULL CHECK (side IN ('long', 'short', 'flat')),
        quantity           INTEGER NOT NULL,        -- signed
        entry_price        REAL NOT NULL,
        entry_timestamp    INTEGER NOT NULL,
        stop_loss          REAL,
        target_price       REAL,
        current_price      REAL NOT NULL,
        unrealized_pnl     REAL NOT NULL,
        unrealized_pnl_pct REAL NOT NULL,           -- fraction of the entry's notional
        status             TEXT NOT NULL CHECK (status IN ('open', 'closed')),
        updated_at         INTEGER NOT NULL,
        session            INTEGER NOT NULL,
        seq                INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID
"""

_ORDERS = """
    CREATE TABLE orders (
        id               TEXT PRIMARY KEY,          -- client order id; of a leg the broker's own
        trade_id         TEXT NOT NULL,
        alpaca_order_id  TEXT,
        symbol           TEXT NOT NULL,
        side             TEXT NOT NULL CHECK (side IN ('buy', 'sell')),
        order_type       TEXT NOT NULL,
        quantity         INTEGER NOT NULL CHECK (quantity >= 0),
        limit_price      REAL,
        stop_price       REAL,
        status           TEXT NOT NULL CHECK (status <> ''),
        filled_qty       INTEGER NOT NULL DEFAULT 0 CHECK (filled_qty >= 0),
        filled_avg_price REAL,
        strategy         TEXT NOT NULL,
        role             TEXT NOT NULL CHECK (role IN ('entry', 'exit', 'stop', 'target')),
        order_class      TEXT NOT NULL DEFAULT 'simple',
        time_in_force    TEXT NOT NULL DEFAULT 'day',
        parent_id        TEXT NOT NULL DEFAULT '',
        reason           TEXT NOT NULL DEFAULT '',
        submitted_at     INTEGER NOT NULL,
        updated_at       INTEGER NOT NULL,
        session          INTEGER NOT NULL,
        seq              INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID
"""

_EXECUTIONS = """
    CREATE TABLE executions (
        id            TEXT PRIMARY KEY,             -- the broker's execution id
        signal_id     TEXT,                         -- NULL: not an order of ours (and not our cash)
        order_id      TEXT NOT NULL,
        symbol        TEXT NOT NULL,
        direction     TEXT NOT NULL CHECK (direction IN ('buy', 'sell')),
        quantity      INTEGER NOT NULL CHECK (quantity > 0),
        fill_price    REAL NOT NULL CHECK (fill_price > 0),
        commission    REAL NOT NULL,
        slippage      REAL NOT NULL,
        executed_at   INTEGER NOT NULL,
        cash_micros   INTEGER NOT NULL,             -- effect on cash, costs included
        session       INTEGER NOT NULL,
        seq           INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID
"""

_LOTS = """
    CREATE TABLE lots (                             -- one strategy's one entry; positions are their sums
        id                TEXT PRIMARY KEY,
        signal_id         TEXT NOT NULL,
        strategy          TEXT NOT NULL,
        symbol            TEXT NOT NULL,
        direction         TEXT NOT NULL CHECK (direction IN ('long', 'short')),
        state             TEXT NOT NULL CHECK (state IN ('open', 'closed')),
        quantity          INTEGER NOT NULL,         -- signed shares held now
        entry_quantity    INTEGER NOT NULL,
        entry_price       REAL NOT NULL,
        entry_timestamp   INTEGER NOT NULL,
        stop_loss         REAL,
        target_price      REAL,
        intraday          INTEGER NOT NULL CHECK (intraday IN (0, 1)),
        realised_micros   INTEGER NOT NULL,
        commission_micros INTEGER NOT NULL,
        slippage_micros   INTEGER NOT NULL,
        group_id          TEXT,
        updated_at        INTEGER NOT NULL,
        session           INTEGER NOT NULL,
        seq               INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID
"""

_CAUSES = """
    CREATE TABLE causes (                           -- the chain from bar to fill, in order
        session INTEGER NOT NULL,
        seq     INTEGER NOT NULL,
        n       INTEGER NOT NULL,                   -- position among the rows of that input
        id      TEXT NOT NULL,                      -- signal, client order, execution or lot
        kind    TEXT NOT NULL,
        answers TEXT NOT NULL,                      -- id of what it answers, or ''
        lot_id  TEXT NOT NULL,
        ts      INTEGER NOT NULL,
        numbers TEXT NOT NULL,
        PRIMARY KEY (session, seq, n)
    ) STRICT, WITHOUT ROWID
"""

_EXTERNAL = """
    CREATE TABLE external (                         -- what the account has beside our lots
        symbol       TEXT PRIMARY KEY,
        asset_class  TEXT NOT NULL,
        quantity     REAL NOT NULL,                 -- signed, with fractions; 0: only orders, or nothing
        entry_price  REAL,
        last_price   REAL,
        open_orders  INTEGER NOT NULL CHECK (open_orders >= 0),
        orders       TEXT NOT NULL DEFAULT '[]',    -- JSON
        updated_at   INTEGER NOT NULL,
        session      INTEGER NOT NULL,
        seq          INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID
"""

_STANDING = """
    CREATE TABLE standing (                         -- where every actor stood after one input: one row
        id      INTEGER PRIMARY KEY CHECK (id = 1),
        session INTEGER NOT NULL,
        seq     INTEGER NOT NULL,                   -- of that input; the rows of all before it are written
        at      INTEGER NOT NULL,
        actors  BLOB NOT NULL                       -- MessagePack: actor to its state
    ) STRICT
"""

_SPLITS = """
    CREATE TABLE splits (                           -- what a split made of a lot, beside its fills
        id              TEXT PRIMARY KEY,
        lot_id          TEXT NOT NULL,
        strategy        TEXT NOT NULL,
        symbol          TEXT NOT NULL,
        numerator       INTEGER NOT NULL CHECK (numerator > 0),     -- new shares
        denominator     INTEGER NOT NULL CHECK (denominator > 0),   -- for old ones
        source          TEXT NOT NULL CHECK (source IN ('announced', 'seen')),
        quantity_before INTEGER NOT NULL,           -- signed shares
        quantity_after  INTEGER NOT NULL,
        entry_before    REAL NOT NULL,
        entry_after     REAL NOT NULL,
        stop_loss       REAL,
        target_price    REAL,
        cash_micros     INTEGER NOT NULL,           -- effect on cash: for a part of a share
        applied_at      INTEGER NOT NULL,
        session         INTEGER NOT NULL,
        seq             INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID
"""

_INDEXES = (
    "CREATE INDEX signals_by_time ON signals (timestamp)",
    "CREATE INDEX signals_pending_by_lot ON signals (lot_id) WHERE status = 'pending'",
    "CREATE INDEX trades_by_strategy ON trades (strategy, status)",
    "CREATE INDEX orders_by_trade ON orders (trade_id)",
    "CREATE INDEX executions_by_order ON executions (order_id)",
    "CREATE INDEX causes_by_lot ON causes (lot_id)",
)

TRADES = (
    Migration(
        1,
        "signals, causes, orders, executions, lots, trades, positions",
        (*COMMON, _SIGNALS, _TRADES, _POSITIONS, _ORDERS, _EXECUTIONS, _LOTS, _CAUSES, *_INDEXES),
    ),
    Migration(2, "what the account has beside our lots", (_EXTERNAL,)),
    Migration(3, "where every actor stood after the last input that is covered", (_STANDING,)),
    Migration(4, "what splits made of lots", (_SPLITS,)),
)
