"""A moment as a person types it. Only the standard library."""

import argparse
import re
import time
from datetime import datetime
from datetime import time as time_of_day
from zoneinfo import ZoneInfo

_NEW_YORK = ZoneInfo("America/New_York")
_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_SECOND = 1_000_000_000


def since(words: str) -> int:
    """ns UTC of a moment given as a span before now, a time of today, a day, or an ISO moment."""
    now = time.time_ns()  # noqa: TID251 - the wall clock of whoever reads
    if span := re.fullmatch(r"(\d{1,9})([smhd])", words.strip()):
        return now - int(span[1]) * _UNITS[span[2]] * _SECOND
    try:
        if re.fullmatch(r"\d{1,2}:\d\d(:\d\d)?", words.strip()):
            today = datetime.fromtimestamp(now // _SECOND, _NEW_YORK).date()
            hour, _, rest = words.strip().partition(":")
            moment = datetime.combine(today, time_of_day.fromisoformat(f"{hour:0>2}:{rest}"))
        else:
            moment = datetime.fromisoformat(words.strip())
        moment = moment if moment.tzinfo else moment.replace(tzinfo=_NEW_YORK)
        return int(moment.timestamp()) * _SECOND
    except (ValueError, OverflowError):
        raise argparse.ArgumentTypeError(f"{words!r} is no moment") from None
