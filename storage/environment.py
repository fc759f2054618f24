"""What a run depends on besides its inputs: our own code, Python, NumPy and the CPU's vector units."""

import hashlib
import platform
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

_ROOT = Path(__file__).resolve().parents[1]
_PACKAGES = ("actors", "config", "runtime", "storage")


class Environment(msgspec.Struct, frozen=True, kw_only=True):
    """Fields of a session's header that say where it ran.

    Attributes:
        code_version: SHA-256 (16 hex digits) over the packages whose code decides or records.
        cpu: Machine and the highest feature level NumPy dispatches on: floats may differ beyond it.
    """

    code_version: str
    python: str
    numpy: str
    cpu: str


@cache
def environment() -> Environment:
    """Where this process runs; read once."""
    return Environment(
        code_version=code_version(_ROOT, _PACKAGES),
        python=platform.python_version(),
        numpy=np.__version__,
        cpu=cpu_level(platform.machine(), _cpu_features()),
    )


def code_version(root: Path, packages: tuple[str, ...]) -> str:
    """Hash of every `.py` file, name and content, of these packages, in order of path."""
    digest = hashlib.sha256()
    for package in packages:
        for path in sorted(
            (root / package).rglob("*.py"), key=lambda each: each.relative_to(root).as_posix()
        ):
            content = path.read_bytes()
            digest.update(f"{path.relative_to(root).as_posix()}\0{len(content)}\0".encode())
            digest.update(content)
    return digest.hexdigest()[:16]


def cpu_level(machine: str, features: dict[str, bool]) -> str:
    """The level by NumPy's own names, newer (X86_V3) or older (AVX2); such as `x86-64-v4`."""
    if machine.lower() not in {"x86_64", "amd64"}:
        vectors = [
            name.lower()
            for name in ("SVE", "ASIMD", "NEON", "VSX", "VXE", "LSX", "RVV")
            if features.get(name)
        ]
        return "-".join([machine.lower(), *vectors[:1]])
    for level, marks in (
        ("v4", ("X86_V4", "AVX512_SKX")),
        ("v3", ("X86_V3", "AVX2")),
        ("v2", ("X86_V2", "SSE42")),
    ):
        if any(features.get(mark) for mark in marks):
            return f"x86-64-{level}"
    return "x86-64"


def _cpu_features() -> dict[str, bool]:
    core: Any = getattr(np, "_core", None) or np.core
    features: dict[str, bool] = core._multiarray_umath.__cpu_features__
    return features
