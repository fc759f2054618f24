"""A person is told of a halt at once although the books are locked; the history has it when they are not."""

import signal
import sqlite3
from pathlib import Path

import pytest

from runtime import kill_switch
from tests.actors.gateways.http_sink import http_sink
from tests.alpaca_server.hosted import HostedAlpacaServer
from tests.system.live_day import lay_files
from tests.tui.commands.test_trade import CLOCK, SETTINGS, environment, process_of, until_ready
from tests.walls import WALL_S

TOKEN = "t0ken-of-this-sink"


@pytest.mark.slow
def test_an_alert_leaves_while_the_books_are_locked(tmp_path: Path) -> None:
    lay_files(tmp_path)
    with http_sink() as sink, HostedAlpacaServer(symbols=("SPY",), start=CLOCK) as server:
        env = environment(server, tmp_path) | {"TRADING_ALERT_PHONE": sink.url(TOKEN)}
        with process_of("runtime", "run", "--headless", "--clock", CLOCK, *SETTINGS, env=env) as process:
            until_ready(server)
            path = tmp_path / "db" / "performance.db"
            lock = sqlite3.connect(path, isolation_level=None, timeout=WALL_S)
            lock.execute("BEGIN IMMEDIATE")
            kill_switch.throw(tmp_path, "the books are locked", at=1)
            sink.wait(2)
            assert sink.titles() == [
                "PAPER CRITICAL: HALT: trading is halted",
                "PAPER WARNING: halt carried out: no entry works",
            ]
            assert lock.execute("SELECT count(*) FROM alert_log").fetchone() == (0,)
            lock.execute("ROLLBACK")
            lock.close()
            process.send_signal(signal.SIGTERM)
            said, trouble = process.communicate(timeout=WALL_S)
            assert process.returncode == 0, trouble
        key = server.server.options.secret
    link = sqlite3.connect(path)
    rows = link.execute("SELECT event, delivery FROM alert_log ORDER BY timestamp, id").fetchall()
    link.close()
    assert rows == [("halt_thrown", "sent to phone"), ("halt_confirmed", "sent to phone")]
    written = b"".join(each.read_bytes() for each in tmp_path.rglob("*") if each.is_file())
    for secret in (TOKEN, key):
        assert secret.encode() not in written + said.encode() + trouble.encode()
