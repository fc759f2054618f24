"""Writes `default.toml` from the schema, so that the file a person reads cannot differ from it.

Run `python -m config.defaults` after a change of the schema.
"""

import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import msgspec

from config.describe import FieldDoc, field_docs, sections, toml_value
from config.schema import Settings, StrategySettings

DEFAULT_FILE = Path(__file__).with_name("default.toml")

_OPENING = """\
# Every setting with its default, unit, bound and source. Written from the schema: change values in a file
# of your own, which needs only the keys it changes, or with --set section.key=value.
# Order of authority: this file < profile < your file < environment < --set.
# Sources: "strategies N", "seed N" and "architecture N" are sections of the specification.
"""


def render() -> str:
    """The text of `default.toml`."""
    words = {doc.key: doc for doc in field_docs()}
    lines = [_OPENING]
    for name, section in sections().items():
        lines.append(_comment(" ".join((section.__doc__ or "").split())))
        lines.append(f"[{name}]")
        for field in msgspec.structs.fields(section):
            lines.extend(_about(words[f"{name}.{field.name}"]))
            lines.append(f"{field.name} = {toml_value(msgspec.to_builtins(field.default))}")
        lines.append("")
    lines.append(_comment("Who may trade with how much. One table per strategy; their order breaks ties."))
    for field in msgspec.structs.fields(StrategySettings):
        if field.name != "name":
            doc = words[f"strategies.*.{field.encode_name}"]
            lines.append(_comment(f"{field.encode_name}: {doc.text} Must be {doc.bound}."))
    lines.append("")
    for strategy in Settings().strategies:
        lines.extend(_strategy(strategy))
    return "\n".join(lines).rstrip() + "\n"


def _about(doc: FieldDoc) -> Iterator[str]:
    yield ""
    yield _comment(doc.text)
    yield _comment(f"Must be {doc.bound}.")


def _comment(text: str) -> str:
    return textwrap.fill(text, width=108, initial_indent="# ", subsequent_indent="# ", break_long_words=False)


def _strategy(strategy: StrategySettings) -> Iterator[str]:
    yield f"[strategies.{strategy.name}]"
    for field in msgspec.structs.fields(StrategySettings):
        if field.name not in ("name", "params"):
            yield f"{field.encode_name} = {toml_value(getattr(strategy, field.name))}"
    yield f"[strategies.{strategy.name}.params]"
    for key, value in strategy.params.items():
        yield f"{key} = {toml_value(value)}"
    yield ""


if __name__ == "__main__":
    sys.stdout.write(f"writing {DEFAULT_FILE.name}\n")
    DEFAULT_FILE.write_text(render(), encoding="utf-8")
