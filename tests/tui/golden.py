"""Every page at every size as plain text, kept in files; `python -m tests.tui.golden` writes them anew.

Look at the difference before it is committed: what a person sees has changed.
"""

import asyncio
import tempfile
from pathlib import Path

from tests.tui import screens
from tui.screens.pages import PAGES

SIZES = ((40, 12), (80, 24), (120, 30), (160, 45), (200, 60))
FOLDER = Path(__file__).parent / "golden"


def file_of(size: tuple[int, int]) -> Path:
    return FOLDER / f"{size[0]}x{size[1]}.txt"


async def pages(folder: Path, size: tuple[int, int]) -> str:
    """All pages one below the other."""
    async with screens.desk(folder, size) as (app, pilot, _):
        shown = []
        for number, spec in enumerate(PAGES, start=1):
            await pilot.press(str(number % 10))
            await pilot.pause()
            shown.append(f"=== {spec.title}\n{screens.text(app)}\n")
        return "\n".join(shown)


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for size in SIZES:
        with tempfile.TemporaryDirectory() as folder:
            file_of(size).write_text(asyncio.run(pages(Path(folder), size)), encoding="utf-8")


if __name__ == "__main__":
    main()
