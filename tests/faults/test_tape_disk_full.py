"""A disk that is full for a while (the catalogue's fault 54), with the system's own limit on file sizes."""

import subprocess
import sys
from pathlib import Path

import pytest

from storage.tape import TapeReader

_CHILD = """
import resource, sys
from pathlib import Path
import numpy as np
from runtime.errors import StorageUnavailable
from runtime.messages.market import Bars
from storage.tape import TapeWriter
from tests.storage.tape.made import header
writer = TapeWriter(Path(sys.argv[1]), header(), durable=True)
_, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
for seq in range(1, 11):
    writer.input(seq, seq, "market", Bars.of(np.arange(500), np.full((7, 500), float(seq)), ts_event=seq))
    writer.caused(seq, 0, b"")
assert writer.failing == "File too large", writer.failing
try:
    writer.sync()
except StorageUnavailable as error:
    print(error)
if "room" in sys.argv:
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    writer.input(11, 11, "market", Bars.of([], np.empty((7, 0)), ts_event=11))
    writer.sync()
    writer.close()
"""


@pytest.mark.parametrize("room", [True, False])
def test_a_full_disk_refuses_exposure_and_loses_nothing_once_there_is_room(
    tmp_path: Path, room: bool
) -> None:
    path = tmp_path / "2018-02-16.tape"
    done = subprocess.run(
        [sys.executable, "-c", _CHILD, str(path), *(["room"] if room else [])],
        capture_output=True,
        text=True,
        check=False,
        timeout=50,
    )
    assert done.returncode == 0, done.stderr
    assert "takes no records: File too large" in done.stdout
    reader = TapeReader(path)
    seqs = [entry.seq for entry in reader]
    assert seqs == list(range(1, 12 if room else 4))
    assert reader.closed is room
    assert (reader.torn is None) is room
