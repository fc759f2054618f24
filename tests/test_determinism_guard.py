"""Nothing that decides may know more than its messages: no clock, chance, file, hash order or BLAS.

A decision that depends on any of these replays differently one day, on some machine. So the source of every
decision actor and pure folder is read here, and the reader itself is shown to catch each offence.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PURE_FOLDERS = ("market", "strategies", "allocation", "risk", "execution")
COMPOSITION = tuple(
    f"actors.{name}"
    for name in (
        *("system", "playback", "verification", "refeed", "live_session", "engine"),
        *(
            "kept_wishes",
            "operator",
            "live_screen",
            "live_door",
            "paced_playback",
            "paced_reel",
            "paced_session",
        ),
        *(
            "accepted_change",
            "books_state",
            "session_parts",
            "live_plan",
            "live_door",
            "live_tape",
            "live_outlet",
            "live_gateways",
            "live_history",
            "live_asking",
            "live_chores",
            "live_links",
            "live_minutes",
            "live_days",
            "live_waits",
        ),
    )
)
"""The floor above the gateways: modules that put a run together and decide nothing."""
EXEMPT = {*(f"{name.replace('.', '/')}.py" for name in COMPOSITION), "actors/market/calendar.py"}

BANNED_MODULES = {
    "aiosqlite", "alpaca", "anyio", "asyncio", "concurrent", "exchange_calendars", "io", "joblib",
    "logging", "multiprocessing", "os", "pandas", "pathlib", "pyarrow", "random", "scipy",
    "secrets", "shutil", "socket", "sqlite3", "statsmodels", "storage", "structlog", "subprocess",
    "tempfile", "textual", "threading", "time", "tui", "uuid", "websockets",
}  # fmt: skip
BANNED_CALLS = {"hash", "id", "open", "input", "eval", "exec", "__import__"}
BANNED_CLOCKS = {"now", "utcnow", "today"}
BLAS = {"dot", "matmul", "einsum", "inner", "vdot", "tensordot", "linalg", "polyfit", "corrcoef", "cov"}
KEEPS_ORDER_OF = {
    "list",
    "tuple",
    "iter",
    "enumerate",
    "sum",
    "map",
    "zip",
    "filter",
    "reversed",
    "dict",
    "next",
}
SET_TYPES = {"set", "frozenset", "AbstractSet", "Set"}


def decision_files() -> list[Path]:
    actors = ROOT / "actors"
    files = [*actors.glob("*.py"), *(f for folder in PURE_FOLDERS for f in (actors / folder).rglob("*.py"))]
    return sorted(f for f in files if f.relative_to(ROOT).as_posix() not in EXEMPT)


def offences(source: str) -> list[str]:
    """Every offence in a module as `line: what`, in source order."""
    tree = ast.parse(source)
    sets = _names_of_sets(tree)
    found: list[tuple[int, str]] = []
    for node in ast.walk(tree):
        line = getattr(node, "lineno", 0)
        found += [
            (line, what) for what in (*_imports(node), *_calls(node), *_blas(node), *_iterates(node, sets))
        ]
    return [f"{line}: {what}" for line, what in sorted(set(found))]


def _imports(node: ast.AST) -> Iterator[str]:
    names: list[str] = []
    if isinstance(node, ast.Import):
        names = [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom):
        names = [f"{node.module or ''}.{alias.name}" for alias in node.names]
    for name in names:
        if name.split(".")[0] in BANNED_MODULES:
            yield f"imports {name}"
        if name.startswith("runtime.kernel") and not name.startswith("runtime.kernel.actor"):
            yield f"imports {name}"
        if name.startswith((*COMPOSITION, "actors.gateways")):
            yield f"imports {name}"
        if name.startswith(("numpy.random", "numpy.linalg")):
            yield f"imports {name}"


def _calls(node: ast.AST) -> Iterator[str]:
    if not isinstance(node, ast.Call):
        return
    function = node.func
    if isinstance(function, ast.Name) and function.id in BANNED_CALLS:
        yield f"calls {function.id}()"
    # `self.now` is the message's time and a property; a call of `.now()` reads a clock.
    if isinstance(function, ast.Attribute) and function.attr in BANNED_CLOCKS:
        yield f"calls .{function.attr}()"


def _blas(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.MatMult):
        yield "multiplies with @"
    if isinstance(node, ast.Attribute) and node.attr in BLAS and _is_array_like(node.value):
        yield f"uses .{node.attr}"
    if isinstance(node, ast.Attribute) and node.attr == "random" and _is_numpy(node.value):
        yield "uses np.random"
    if isinstance(node, ast.ImportFrom) and node.module == "numpy":
        yield from (f"uses numpy.{alias.name}" for alias in node.names if alias.name in {*BLAS, "random"})


def _is_numpy(node: ast.AST) -> bool:
    return isinstance(node, ast.Name) and node.id in {"np", "numpy"}


def _is_array_like(node: ast.AST) -> bool:
    """Whether `.dot` and its like on it can be NumPy's: anything but a message's or module's own name."""
    return not (isinstance(node, ast.Name) and node.id in {"self", "math"})


def _names_of_sets(tree: ast.AST) -> set[str]:
    """Names and attributes that hold a set anywhere in the module: assigned one, or annotated as one."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and _is_set(node.value, names):
            names |= {name for target in node.targets if (name := _name(target))}
        if isinstance(node, ast.AnnAssign) and _is_set_type(node.annotation) and (name := _name(node.target)):
            names.add(name)
        if isinstance(node, ast.arg) and node.annotation is not None and _is_set_type(node.annotation):
            names.add(node.arg)
    return names


def _name(node: ast.AST) -> str:
    """`x` and `self.x` by a name of their own; anything else is not followed."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        return f"{node.value.id}.{node.attr}"
    return ""


def _is_set_type(annotation: ast.AST) -> bool:
    outer = annotation.value if isinstance(annotation, ast.Subscript) else annotation
    return isinstance(outer, ast.Name) and outer.id in SET_TYPES


def _is_set(node: ast.AST, names: set[str]) -> bool:
    if isinstance(node, ast.Set | ast.SetComp):
        return True
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        return node.func.id in {"set", "frozenset"}
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr | ast.BitAnd | ast.Sub | ast.BitXor):
        return _is_set(node.left, names) or _is_set(node.right, names)
    return bool(names) and _name(node) in names


def _iterates(node: ast.AST, sets: set[str]) -> Iterator[str]:
    over: list[ast.AST] = []
    if isinstance(node, ast.For | ast.comprehension):
        over = [node.iter]
    elif isinstance(node, ast.Starred | ast.YieldFrom):
        over = [node.value]
    elif isinstance(node, ast.Call):
        function = node.func
        keeps = isinstance(function, ast.Name) and function.id in KEEPS_ORDER_OF
        joins = isinstance(function, ast.Attribute) and function.attr in {"join", "extend", "fromiter"}
        over = list(node.args) if keeps or joins else []
        if isinstance(function, ast.Attribute) and function.attr == "pop" and not node.args:
            over = [function.value]
    for iterable in over:
        if _is_set(iterable, sets):
            yield "goes through a set in hash order"


def test_there_is_something_to_guard() -> None:
    assert len(decision_files()) >= len(PURE_FOLDERS)


@pytest.mark.parametrize("file", decision_files(), ids=lambda file: file.relative_to(ROOT).as_posix())
def test_what_decides_knows_nothing_but_its_messages(file: Path) -> None:
    assert offences(file.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("source", "offence"),
    [
        ("import time", "imports time"),
        ("from random import gauss", "imports random.gauss"),
        ("import os.path", "imports os.path"),
        ("import asyncio as a", "imports asyncio"),
        ("from threading import Lock", "imports threading.Lock"),
        ("def f():\n    import uuid", "imports uuid"),
        ("import io", "imports io"),
        ("from runtime.kernel.sequencer import Sequencer", "imports runtime.kernel.sequencer.Sequencer"),
        ("from actors.system import build", "imports actors.system.build"),
        ("from runtime.kernel import host", "imports runtime.kernel.host"),
        ("from numpy.random import default_rng", "imports numpy.random.default_rng"),
        ("from datetime import datetime\nx = datetime.now()", "calls .now()"),
        ("x = datetime.date.today()", "calls .today()"),
        ("x = hash('a') % 7", "calls hash()"),
        ("x = sorted(y, key=id) or id(y)", "calls id()"),
        ("x = open('f')", "calls open()"),
        ("for x in {1, 2}: pass", "goes through a set in hash order"),
        ("x = [y for y in set(z)]", "goes through a set in hash order"),
        ("x = list(frozenset(z))", "goes through a set in hash order"),
        ("x = sum({y for y in z})", "goes through a set in hash order"),
        ("x = ','.join({'a', 'b'})", "goes through a set in hash order"),
        ("x = [*{1, 2}]", "goes through a set in hash order"),
        ("seen = set()\nfor x in seen: pass", "goes through a set in hash order"),
        ("def f(seen: set[str]):\n    return [x for x in seen]", "goes through a set in hash order"),
        (
            "class A:\n  def f(self):\n    self.s = {1}\n    for x in self.s: pass",
            "goes through a set in hash order",
        ),
        ("a = {1}\nfor x in a | b: pass", "goes through a set in hash order"),
        ("a = {1}\nx = a.pop()", "goes through a set in hash order"),
        ("x = a @ b", "multiplies with @"),
        ("a @= b", "multiplies with @"),
        ("x = np.dot(a, b)", "uses .dot"),
        ("x = a.dot(b)", "uses .dot"),
        ("x = np.linalg.lstsq(a, b)", "uses .linalg"),
        ("x = np.einsum('ij,j', a, b)", "uses .einsum"),
        ("x = np.matmul(a, b)", "uses .matmul"),
        ("x = np.inner(a, b)", "uses .inner"),
        ("x = np.vdot(a, b)", "uses .vdot"),
        ("from numpy import dot", "uses numpy.dot"),
        ("x = np.random.rand()", "uses np.random"),
    ],
)
def test_the_guard_catches(source: str, offence: str) -> None:
    assert [found.split(": ", 1)[1] for found in offences(source)] == [offence]


@pytest.mark.parametrize(
    "source",
    [
        "x = sorted({1, 2})",
        "x = 3 in {1, 2}",
        "x = len(set(y))",
        "for x in {1: 2}: pass",
        "x = self.now + self.seq",
        "from runtime.kernel.actor import Actor",
        "from datetime import date\nx = date.fromordinal(1)",
        "for x in sorted(set(y)): pass",
        "x = math.fsum(values)",
        "@decorator\ndef f(): pass",
    ],
)
def test_the_guard_lets_pass(source: str) -> None:
    assert offences(source) == []
