"""The last price of any symbol, looked up when somebody asks and free while nobody does."""

from runtime.messages.market import CLOSE, Bars, FloatArray


class LastPrices:
    """Remembers the session's frames, which are kept anyway, and searches them backwards, each once a symbol.

    Args:
        previous_close: (S,) raw USD, NaN where unknown: the last price until the first bar.
    """

    __slots__ = ("_frames", "_looked_up", "_whole", "_yesterday", "minute")

    def __init__(self, previous_close: FloatArray | None) -> None:
        self._frames: list[Bars] = []
        self._looked_up: dict[int, tuple[int, float | None]] = {}
        self._yesterday = previous_close
        self._whole = 0
        """Symbols of the newest frame if it has every one from the first on, else 0."""
        self.minute = 0
        """Start of the newest frame, ns UTC; 0: none yet."""

    def see(self, bars: Bars) -> None:
        """Take in a frame; costs the same for any number of symbols."""
        self._frames.append(bars)
        ids = bars.ids
        count = len(ids)
        self._whole = count if count and ids.item(-1) == count - 1 else 0
        self.minute = bars.ts_event

    def price(self, place: int) -> float | None:
        """Close of the symbol's newest bar, USD; before its first the previous close, None if unknown."""
        frames = self._frames
        # A frame of every symbol has it at its own place; only others are searched.
        if 0 <= place < self._whole:
            return frames[-1].values.item(CLOSE, place)
        until, price = self._looked_up.get(place, (0, None))
        for index in range(len(frames) - 1, until - 1, -1):
            ids = frames[index].ids
            count = len(ids)
            at = place
            if place >= count or ids.item(place) != place:
                at = int(ids.searchsorted(place))
                if at >= count or ids.item(at) != place:
                    continue
            price = frames[index].values.item(CLOSE, at)
            break
        self._looked_up[place] = (len(frames), price)
        if price is None and self._yesterday is not None and place < len(self._yesterday):
            former = float(self._yesterday[place])
            return former if former > 0 else None
        return price
