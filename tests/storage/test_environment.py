import platform
from pathlib import Path

import numpy as np
import pytest

from storage.environment import code_version, cpu_level, environment


def test_the_environment_is_this_one() -> None:
    found = environment()
    assert (found.python, found.numpy) == (platform.python_version(), np.__version__)
    assert len(found.code_version) == 16
    assert found.cpu
    assert environment() is found


@pytest.mark.parametrize(
    ("machine", "features", "level"),
    [
        ("x86_64", {"X86_V2": True, "X86_V3": True, "X86_V4": True}, "x86-64-v4"),
        ("AMD64", {"X86_V2": True, "X86_V3": True, "X86_V4": False}, "x86-64-v3"),
        (
            "x86_64",
            {"SSE42": True, "AVX2": True, "AVX512_SKX": True},
            "x86-64-v4",
        ),  # as NumPy before 2.4 says it
        ("x86_64", {"SSE42": True, "AVX2": False}, "x86-64-v2"),
        ("x86_64", {}, "x86-64"),
        ("aarch64", {"NEON": True, "ASIMD": True}, "aarch64-asimd"),
        ("arm64", {"NEON": True, "ASIMD": True, "SVE": False}, "arm64-asimd"),
        ("riscv64", {}, "riscv64"),
    ],
)
def test_the_cpu_level_is_the_highest_it_has(machine: str, features: dict[str, bool], level: str) -> None:
    assert cpu_level(machine, features) == level


def test_the_code_version_changes_with_names_and_contents_of_sources_alone(tmp_path: Path) -> None:
    package = tmp_path / "actors"
    (package / "risk").mkdir(parents=True)
    module = package / "risk" / "limits.py"
    module.write_text("a = 1\n")

    def version() -> str:
        return code_version(tmp_path, ("actors",))

    first = version()
    (package / "notes.txt").write_text("not code")
    assert version() == first
    module.write_text("a = 2\n")
    changed = version()
    assert changed != first
    module.rename(package / "risk" / "rules.py")
    assert version() not in (first, changed)
