"""Libraries without what a daemon rarely uses of them. The program is one of its own: this process has loaded all."""

import subprocess
import sys
from pathlib import Path

PROGRAM = """
import sys
from rae_auto.daemon.lean_imports import import_libraries

import_libraries()
from loguru import logger

rare = ("bz2", "lzma", "pickle", "multiprocessing.reduction", "decimal")
print([name for name in rare if name in sys.modules])

# The records pass a queue between processes, and the file is a new one after a kilobyte.
logger.remove()
logger.add(sys.argv[1], enqueue=True, rotation="1 KB", format="{message}")
try:
    raise ValueError("of a job")
except ValueError:
    logger.exception("caught")
logger.remove()
print([name for name in rare if name in sys.modules])

import multiprocessing.reduction, pickle

assert pickle.loads(pickle.dumps(1)) == 1
assert multiprocessing.context.reduction.ForkingPickler is multiprocessing.reduction.ForkingPickler
"""


def test_what_is_rarely_used_is_loaded_when_it_is_used(tmp_path: Path) -> None:
    log = tmp_path / "log"
    done = subprocess.run([sys.executable, "-c", PROGRAM, str(log)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["[]", "['pickle', 'multiprocessing.reduction', 'decimal']"]
    assert "ValueError: of a job" in log.read_text()


USED = """
import sys
from rae_auto.cli.plain.lean_paths import import_paths

import_paths()
from rae_auto.daemon.lean_imports import import_libraries

import_libraries()
import calendar, inspect, pathlib, subprocess

rare = ("ast", "locale", "urllib.parse")
print([name for name in rare if name in sys.modules])

import outer

assert inspect.getsource(outer.Outer.Inner).startswith("    class Inner:")
assert str(inspect.signature(tuple)) == "(iterable=(), /)"
assert subprocess.run([sys.executable, "-c", "print(1)"], capture_output=True, encoding="locale").stdout == "1\\n"
assert "March" in calendar.LocaleTextCalendar(locale="C").formatmonth(2026, 3)
assert pathlib.Path("/a b").as_uri() == "file:///a%20b"
print([name for name in rare if name in sys.modules])
"""


def test_what_is_late_works_when_it_is_used(tmp_path: Path) -> None:
    (tmp_path / "outer.py").write_text("class Outer:\n    def f(self): ...\n    class Inner:\n        x = 1\n")
    done = subprocess.run([sys.executable, "-c", USED], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["[]", "['ast', 'locale', 'urllib.parse']"]


LOOKING_UP = """
import sys
from rae_auto.toolkit.threads.stand_ins import LateModule, import_with_stand_ins

import_with_stand_ins("looks_up", LateModule("colorsys"))
import colorsys, looks_up

assert sys.modules["colorsys"].__spec__ is not None and looks_up.found is colorsys.rgb_to_hls
"""


def test_a_library_can_look_something_up_while_it_is_imported(tmp_path: Path) -> None:
    (tmp_path / "looks_up.py").write_text("import colorsys\nfound = colorsys.rgb_to_hls\n")
    done = subprocess.run([sys.executable, "-c", LOOKING_UP], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


FIELDS = """
from rae_auto.daemon.lean_imports import import_libraries

import_libraries()
from attrs import asdict, define, evolve, fields, frozen


@define
class Base:
    first: int
    second: int = 2


@frozen
class Other:
    name: str


@frozen
class Counted(Base):
    count: int = 3
    index: int = 4


assert type(fields(Base)) is type(fields(Other)) is not type(fields(Counted))
assert [each.name for each in fields(Counted)] == ["first", "second", "count", "index"]
assert fields(Base).second.default == 2 and fields(Counted).count.default == 3 and fields(Counted).index.name == "index"
assert fields(Base).second is fields(Base)[1] and fields(Base) != fields(Other)
assert asdict(evolve(Counted(1), count=5)) == {"first": 1, "second": 2, "count": 5, "index": 4}
try:
    fields(Other).first
except AttributeError as error:
    print(error)
"""


def test_classes_of_attrs_share_the_class_of_their_fields() -> None:
    done = subprocess.run([sys.executable, "-c", FIELDS], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "first\n"
