"""Keeps keys off the tape: an input that repeats one, whoever echoed it, is masked before it is recorded.

A broker or a proxy may repeat in an error what it was sent; what is on the tape is in the books and on
screens too, so it is taken out before the input is recorded.
"""

import re
from collections.abc import Iterable

from runtime.messages.base import Input
from runtime.messages.codec import decode, encode
from runtime.messages.market import Bars, BarsRevised

_SHORTEST = 6
_NUMBERS_ONLY = (Bars, BarsRevised)


class Mask:
    """Replaces secrets in an input's texts by asterisks, letter by letter.

    Args:
        secrets: Shorter ones than six characters would hit plain words and are left out.
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        known = sorted({one.encode() for one in secrets if len(one) >= _SHORTEST}, key=len, reverse=True)
        self._known = re.compile(b"|".join(map(re.escape, known))) if known else None

    def __call__(self, message: Input) -> Input:
        """The input itself if it has no secret in it, which is nearly always."""
        if self._known is None or isinstance(message, _NUMBERS_ONLY):
            return message
        raw = encode(message)
        if self._known.search(raw) is None:
            return message
        masked = decode(self._known.sub(lambda found: b"*" * len(found[0]), raw))
        assert isinstance(masked, Input)
        return masked
