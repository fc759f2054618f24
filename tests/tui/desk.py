"""The screen on made-up frames, to be looked at: `python -m tests.tui.desk [--svg FILE --size 120x30]`."""

import argparse
import asyncio
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

from tests.tui import frames
from tests.tui.engine_socket import EngineSocket
from tests.tui.steady import shown as shown_steadily
from tui.app import Desk


async def shown(arguments: argparse.Namespace, folder: Path) -> int:
    async with EngineSocket(folder, frames.whole()) as engine:
        desk = Desk(folder, palette=arguments.palette)
        if arguments.svg:
            size = tuple(int(part) for part in arguments.size.split("x"))
            async with shown_steadily(desk, (size[0], size[1])) as pilot:
                while not desk.view.number:
                    await pilot.pause()
                for key in arguments.press:
                    await pilot.press(key)
                await pilot.pause()
                write(Path(arguments.svg), desk.export_screenshot())
            return 0
        mover = asyncio.ensure_future(moving(engine))
        await desk.run_async()
        mover.cancel()
        with suppress(asyncio.CancelledError):
            await mover
        return desk.return_code or 0


def write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


async def moving(engine: EngineSocket) -> None:
    loop = asyncio.get_running_loop()
    number = 1
    while True:
        await engine.attached.wait()
        tick: asyncio.Future[None] = loop.create_future()
        loop.call_later(0.25, tick.set_result, None)
        await tick
        number += 1
        engine.send(frames.later(number))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--svg", default="")
    parser.add_argument("--size", default="120x30")
    parser.add_argument("--palette", default="desk")
    parser.add_argument("--press", nargs="*", default=[])
    with tempfile.TemporaryDirectory() as folder:
        sys.exit(asyncio.run(shown(parser.parse_args(), Path(folder))))


if __name__ == "__main__":
    main()
