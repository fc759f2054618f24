"""A screen's end of the engine's socket: frames come in, asks go out, a lost connection is made again.

It knows nothing of widgets. Whoever made it is called with each frame and with each change of the connection.
"""

import asyncio
import itertools
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, NamedTuple

import msgspec

from runtime import control_socket
from runtime.messages.screen import SCHEMA, Frame
from runtime.messages.screen_wire import HEADER, MOST, Answer, Ask, unpack
from tui.safe import clean

State = Literal["connecting", "up", "lost", "refused"]

_FIRST_PAUSE = 0.2
_LONGEST_PAUSE = 2.0
_PATIENCE = 5.0
_JSON = b"{"


class Standing(NamedTuple):
    """How the connection stands.

    Attributes:
        why: In words, where it is not up.
    """

    state: State
    why: str = ""


class Broken(Exception):
    """The other end said something no engine of this version says; the text has what."""


class Link:
    """One attached client."""

    def __init__(
        self,
        root: Path,
        *,
        on_frame: Callable[[Frame], None],
        on_standing: Callable[[Standing], None],
        read_only: bool = False,
        first_pause: float = _FIRST_PAUSE,
    ) -> None:
        """Connect nothing yet.

        Args:
            root: Whose engine.
            first_pause: Seconds before the second attempt; doubled up to 2 s.
        """
        self.root = root
        self.read_only = read_only
        self.standing = Standing("connecting")
        self._on_frame = on_frame
        self._on_standing = on_standing
        self._first_pause = first_pause
        self._closing = asyncio.Event()
        self._writer: asyncio.StreamWriter | None = None
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Answer]] = {}
        self._last = 0

    async def run(self) -> None:
        """Attach, read, and attach again until closed."""
        pause = self._first_pause
        while not self._closing.is_set():
            standing = await self._attached()
            if self._last:
                pause = self._first_pause
            self._drop(standing)
            if await self._closed_within(pause):
                return
            pause = min(2 * pause, _LONGEST_PAUSE)

    def close(self) -> None:
        """End `run` soon; what was asked and not answered is told as lost."""
        self._closing.set()
        if self._writer is not None:
            self._writer.close()

    async def ask(self, command: str, *, patience: float = _PATIENCE, **words: Any) -> Answer:
        """Ask the engine for something and wait for what becomes of it; never raises for a lost engine.

        Args:
            words: Further fields of `Ask`.
        """
        if self._writer is None or self.standing.state != "up":
            return Answer(ok=False, text="no engine on the socket")
        number = next(self._numbers)
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answer
        try:
            self._writer.write(_line(Ask(command=command, id=number, **words)))
            async with asyncio.timeout(patience):
                return await answer
        except TimeoutError:
            return Answer(ok=False, id=number, text=f"no answer within {patience:g} s")
        except OSError as error:
            return Answer(ok=False, id=number, text=f"could not be sent: {error.strerror or error}")
        finally:
            self._waiting.pop(number, None)

    async def _attached(self) -> Standing:
        """One connection from its first byte to its last, and why it ended."""
        self._last = 0
        try:
            line = await asyncio.to_thread(control_socket.connect, self.root, _PATIENCE)
            line.setblocking(False)
            reader, self._writer = await asyncio.open_unix_connection(sock=line)
            self._writer.write(_line(Ask(command="attach", read_only=self.read_only)))
            while True:
                self._take(await self._value(reader))
        except Broken as error:
            return Standing("refused", str(error))
        except asyncio.IncompleteReadError:
            return Standing("lost", "the engine closed the connection")
        except (FileNotFoundError, ConnectionRefusedError):
            return Standing("lost", "no engine listens there")
        except (OSError, ValueError) as error:
            return Standing("lost", clean(str(getattr(error, "strerror", None) or error), 120))
        finally:
            if self._writer is not None:
                self._writer.close()
                with suppress(OSError):
                    await self._writer.wait_closed()
                self._writer = None

    async def _value(self, reader: asyncio.StreamReader) -> bytes:
        header = await reader.readexactly(HEADER)
        if header[:1] == _JSON:  # an answer on a line of its own: the engine did not attach us
            raise Broken(_refusal(header + await reader.readline()))
        length = int.from_bytes(header, "big")
        if length > MOST:
            raise Broken(f"a frame of {length:,} bytes, longer than any")
        return await reader.readexactly(length)

    def _take(self, body: bytes) -> None:
        try:
            value = unpack(body)
        except msgspec.MsgspecError as error:
            raise Broken(
                f"a frame that cannot be read, of another version? {clean(str(error), 120)}"
            ) from error
        if value.answer is not None:
            self._answered(value.answer)
        if value.frame is not None:
            self._framed(value.frame)

    def _framed(self, frame: Frame) -> None:
        if frame.schema != SCHEMA:
            raise Broken(f"the engine speaks version {frame.schema}, this screen {SCHEMA}: start it anew")
        if not frame.whole and (not self._last or frame.number != self._last + 1):
            raise Broken(f"frame {frame.number} after {self._last} is not whole")
        self._last = frame.number
        if self.standing.state != "up":
            self._stand(Standing("up"))
        self._on_frame(frame)

    def _answered(self, answer: Answer) -> None:
        asked = self._waiting.get(answer.id)
        if asked is not None and not asked.done():
            asked.set_result(answer)

    def _drop(self, standing: Standing) -> None:
        for asked in self._waiting.values():
            if not asked.done():
                asked.set_result(Answer(ok=False, text="the connection was lost before an answer came"))
        if not self._closing.is_set():
            self._stand(standing)

    def _stand(self, standing: Standing) -> None:
        if standing != self.standing:
            self.standing = standing
            self._on_standing(standing)

    async def _closed_within(self, seconds: float) -> bool:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._closing.wait()
        return self._closing.is_set()


def _line(ask: Ask) -> bytes:
    """One line of JSON; the schema is always said, also where it is the default one."""
    words: dict[str, Any] = {"schema": ask.schema, **msgspec.to_builtins(ask)}
    return msgspec.json.encode(words) + b"\n"


def _refusal(line: bytes) -> str:
    with suppress(msgspec.MsgspecError):
        return clean(msgspec.json.decode(line, type=Answer).text, 200) or "the engine refused"
    return "what listens there is no engine"
