"""kill -9 of a process that writes a tape, at moments of chance."""

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from storage.tape import TapeReader, TapeWriter, verify
from tests.storage.tape.made import MINUTE, bars

KILLS = int(os.environ.get("TAPE_KILLS", "6"))

# Records as fast as it can and says after each input that the call has returned.
_CHILD = """
import os, sys
from pathlib import Path
from storage.tape import TapeReader, TapeWriter
from tests.storage.tape.made import MINUTE, bars, cancel, header, record
path = Path(sys.argv[1])
writer = TapeWriter.resume(path) if path.exists() else TapeWriter(path, header(), durable=True)
seq = writer.seq
while True:
    seq += 1
    writer.input(seq, seq * MINUTE, "market", bars(seq))
    os.write(1, b"%d\\n" % seq)
    writer.command(seq, cancel(seq))
    writer.caused(seq, 1, b"d" * 16)
"""


@pytest.mark.timeout(480)
def test_kill_9_leaves_at_most_a_torn_last_record_and_nothing_acknowledged_is_lost(tmp_path: Path) -> None:
    path = tmp_path / "2018-02-16.tape"
    chance = random.Random(7)
    acknowledged = 0
    for _ in range(KILLS):
        child = subprocess.Popen(
            [sys.executable, "-c", _CHILD, str(path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        assert child.stdout is not None and child.stderr is not None
        for _ in range(chance.randrange(1, 4000)):
            line = child.stdout.readline()
            if not line:
                pytest.fail(child.stderr.read().decode())
        child.send_signal(signal.SIGKILL)
        rest = child.stdout.read().split()
        child.wait()
        child.stdout.close()
        child.stderr.close()
        acknowledged = int(rest[-1] if rest else line)

        reader = TapeReader(path)
        seqs = [entry.seq for entry in reader]
        assert seqs == list(range(1, len(seqs) + 1))
        assert acknowledged <= len(seqs) <= acknowledged + 1
        assert not reader.closed

    before = len(seqs)
    with TapeWriter.resume(path) as writer:
        writer.input(before + 1, (before + 1) * MINUTE, "market", bars(1))
    reader = verify(path)
    assert (reader.seq, reader.closed, reader.torn) == (before + 1, True, None)
