"""The pictures of README.md show what the program shows."""

import re

from tests import pictures
from tests.readme import README


def test_what_can_be_read_on_the_pictures_is_what_the_demo_shows() -> None:
    for name, svg in pictures.pictures().items():
        kept = (pictures.FOLDER / name).read_text(encoding="utf-8")
        assert pictures.words(kept) == pictures.words(svg), f"`python -m tests.pictures` makes {name} anew"
        assert "http" not in re.sub(r'xmlns="[^"]*"', "", kept), "a picture fetches nothing"
        assert f"tui/pictures/{name}" in README.read_text(encoding="utf-8")
