from pathlib import Path

import pytest
from rich.cells import cell_len

from tests.tui import golden


@pytest.mark.parametrize("size", golden.SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
async def test_every_page_at_every_size_reads_as_it_did(tmp_path: Path, size: tuple[int, int]) -> None:
    shown = await golden.pages(tmp_path, size)
    assert all(cell_len(line) <= size[0] for line in shown.splitlines())
    assert shown == golden.file_of(size).read_text(encoding="utf-8"), "`python -m tests.tui.golden` writes it"
