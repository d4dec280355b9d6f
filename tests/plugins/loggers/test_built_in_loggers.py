"""The loggers console and file: lines, escaping, masking and rotation."""

import json
import logging
import os
import re
import stat
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from loguru import logger

from rae_auto.api import Logger
from rae_auto.model.primitives.escaping import escape_line
from rae_auto.runtime import silence_library
from rae_auto.runtime.reporting import log_setup
from rae_auto.testing.loggers import LoggerConformance
from rae_plugins.loggers import console, file
from rae_plugins.loggers.console import ConsoleLogger
from rae_plugins.loggers.file import FileLogger

HOSTILE = {
    "a line of its own": "done\n2030-01-01 00:00:00 INFO    all is well",
    "carriage return": "bad\rgood",
    "clipboard": "\x1b]52;c;cm0gLXJm\x07",
    "clear screen": "\x1b[2J",
    "C1": "\x9b2J\x85",
    "right to left": "\u202egpj.exe",
    "line separator": "a\u2028b\u2029c",
    "surrogate": b"caf\xe9".decode("utf-8", "surrogateescape"),
    "null": "a\0b",
}


class TestConsoleConforms(LoggerConformance):
    @pytest.fixture(params=["text", "json"])
    def plugin(self, request: pytest.FixtureRequest) -> Logger:
        return ConsoleLogger(format=request.param)

    @pytest.fixture
    def read(self, capsys: pytest.CaptureFixture[str]) -> Callable[[], str]:
        seen: list[str] = []

        def everything() -> str:
            seen.append(capsys.readouterr().err)
            return "".join(seen)

        return everything


@pytest.fixture(scope="class")
def silenced() -> Iterator[None]:
    logger.disable("rae_auto")
    yield
    logger.enable("rae_auto")
    silence_library()


@pytest.mark.usefixtures("silenced")
class TestConsoleConformsInASilencedPackage(TestConsoleConforms):
    """The suite holds too when a program, or an earlier test, has silenced the package."""


class TestFileConforms(LoggerConformance):
    @pytest.fixture(params=["text", "json"])
    def plugin(self, request: pytest.FixtureRequest) -> Logger:
        return FileLogger(format=request.param)

    @pytest.fixture
    def read(self, directory: Path) -> Callable[[], str]:
        def everything() -> str:
            path = directory / "rae-auto.log"
            return path.read_text() if path.exists() else ""

        return everything


@pytest.fixture(autouse=True)
def no_loggers_left() -> Iterator[None]:
    """Restore the root logger of the standard library as pytest set it up."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    root.handlers = []
    yield
    log_setup.detach()
    root.handlers, root.level = handlers, level


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("form", ["text", "json"])
@pytest.mark.requirement("S18", "S19")
def test_log_record_is_one_line_whatever_it_contains(tmp_path: Path, text: str, form: str) -> None:
    log_setup.attach([FileLogger(format=form)], tmp_path)  # type: ignore[arg-type]  # one of the two
    logger.bind(job=text).warning("it said {}", text)
    log_setup.detach()
    written = (tmp_path / "rae-auto.log").read_bytes().decode()
    assert len(written.splitlines()) == 1
    assert written.endswith("\n")
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028-\u202e\ud800-\udfff]", written)


@pytest.mark.parametrize(
    ("zone", "shown"), [(ZoneInfo("Asia/Kathmandu"), r"\d\d:\d\d:\d\d \+0545 INFO"), (None, r"\d\d:\d\d:\d\d INFO")]
)
def test_log_has_the_configured_zone_and_names_a_foreign_one(
    tmp_path: Path, zone: ZoneInfo | None, shown: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    log_setup.attach([FileLogger()], tmp_path, zone)
    now = datetime.now(UTC)
    logger.info("done")
    assert log_setup.in_log_zone(now).utcoffset() == now.astimezone(zone).utcoffset()  # also within messages
    log_setup.detach()
    line = (tmp_path / "rae-auto.log").read_text()
    assert re.search(shown, line), line
    written = datetime.strptime(line[:19], "%Y-%m-%d %H:%M:%S").replace(tzinfo=zone or UTC)
    assert abs(datetime.now(UTC) - written) < timedelta(minutes=1)
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.requirement("S18")
def test_console_logger_escapes_control_characters(
    tmp_path: Path, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    log_setup.attach([ConsoleLogger()], tmp_path)
    logger.bind(job=text).warning("it said {}", text)
    log_setup.detach()
    shown = capsys.readouterr().err
    assert len(shown.splitlines()) == 1
    assert shown.rstrip("\n").isprintable()


@pytest.mark.parametrize("secret", ["hunter2hunter2", "two\nlines", "<b>{0}</b>", 'quo"ted', "back\\slash", "tab\tbed"])
@pytest.mark.parametrize("form", ["text", "json"])
@pytest.mark.requirement("S17")
def test_log_masks_secrets_in_every_form(tmp_path: Path, secret: str, form: str) -> None:
    log_setup.attach([FileLogger(format=form)], tmp_path)  # type: ignore[arg-type]  # one of the two
    log_setup.hide([secret])
    logger.bind(job=secret).info("the password is {}.", secret)
    logger.info("shown by repr it is {!r}.", secret)
    logging.getLogger("some.library").warning("it is %s.", secret)
    log_setup.detach()
    written = (tmp_path / "rae-auto.log").read_text()
    assert written.count("is ***.") == 2
    assert not [form for form in (secret, escape_line(secret), json.dumps(secret)[1:-1]) if form in written]


@pytest.mark.requirement("S17")
def test_log_masks_overlapping_secrets_as_a_whole(tmp_path: Path) -> None:
    log_setup.attach([FileLogger()], tmp_path)
    log_setup.hide([f"prefix{'x' * n}" for n in range(20)])
    logger.info("it is {}.", "prefix" + "x" * 19)
    log_setup.detach()
    assert "it is ***." in (tmp_path / "rae-auto.log").read_text()


@pytest.mark.parametrize("form", ["text", "json"])
@pytest.mark.requirement("S17")
def test_log_of_an_exception_is_one_line_without_variables(tmp_path: Path, form: str) -> None:
    log_setup.attach([FileLogger(format=form)], tmp_path)  # type: ignore[arg-type]  # one of the two
    token = "canary"
    try:
        raise ValueError(len(token))
    except ValueError:
        logger.exception("it failed")
    log_setup.detach()
    written = (tmp_path / "rae-auto.log").read_text()
    assert len(written.splitlines()) == 1
    assert "canary" not in written


def test_two_loggers_write_the_same_record(tmp_path: Path) -> None:
    paths = [tmp_path / "one.log", tmp_path / "two.log"]
    log_setup.attach([FileLogger(path=str(path), format="json") for path in paths], tmp_path)
    logger.bind(job="backup").info("started")
    log_setup.detach()
    one, two = (json.loads(path.read_text()) for path in paths)
    assert one == two
    assert {name: one[name] for name in ("level", "message", "job")} == {
        "level": "INFO",
        "message": "started",
        "job": "backup",
    }


def test_text_line_has_time_level_and_job(tmp_path: Path) -> None:
    log_setup.attach([FileLogger()], tmp_path)
    logger.bind(job="backup").error("failed")
    log_setup.detach()
    line = (tmp_path / "rae-auto.log").read_text()
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d ERROR   backup: failed\n", line)


@pytest.mark.requirement("S4")
def test_file_logger_creates_a_private_file(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        log_setup.attach([FileLogger()], tmp_path)
        logger.info("hello")
        log_setup.flush(5)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "rae-auto.log").stat().st_mode) == 0o600


@pytest.mark.requirement("S4")
def test_file_logger_follows_no_links(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.touch()
    (tmp_path / "rae-auto.log").symlink_to(victim)
    log_setup.attach([FileLogger()], tmp_path)
    logger.info("hello")
    log_setup.flush(5)
    [problem] = log_setup.problems()
    log_setup.detach()
    assert victim.read_text() == ""
    assert "Too many levels of symbolic links" in problem


def test_file_logger_goes_on_when_the_file_can_be_written_again(tmp_path: Path) -> None:
    (tmp_path / "rae-auto.log").mkdir()
    log_setup.attach([FileLogger()], tmp_path)
    logger.info("lost")
    log_setup.flush(5)
    assert "Is a directory" in log_setup.problems()[0]
    (tmp_path / "rae-auto.log").rmdir()
    logger.info("written")
    log_setup.flush(5)
    assert log_setup.problems() == []
    log_setup.detach()
    assert (tmp_path / "rae-auto.log").read_text().endswith("written\n")


def test_file_logger_rotates_without_loss(tmp_path: Path) -> None:
    log_setup.attach([FileLogger(rotation="1kB")], tmp_path)
    for number in range(100):
        logger.info("line {:03}", number)
    log_setup.detach()
    files = list(tmp_path.glob("rae-auto*.log"))
    assert len(files) > 2
    assert max(path.stat().st_size for path in files) <= 1000
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
    written = "".join(path.read_text() for path in files)
    assert sorted(re.findall(r"line (\d+)", written)) == [f"{number:03}" for number in range(100)]


def test_file_logger_deletes_only_its_old_files(tmp_path: Path) -> None:
    old, young, other = (tmp_path / name for name in ("rae-auto.2020-01-01_00-00-00_000000.log", "rae-auto.2.log", "x"))
    for path in (old, young, other):
        path.write_text("before")
    for path in (old, other):
        os.utime(path, (0, 0))
    log_setup.attach([FileLogger(rotation="100B", retention="7d")], tmp_path)
    for number in range(10):
        logger.info("line {}", number)
    log_setup.detach()
    assert not old.exists()
    assert young.exists()
    assert other.exists()


def test_file_logger_expands_a_tilde(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    log_setup.attach([FileLogger(path="~/my.log")], tmp_path / "state")
    logger.info("hello")
    log_setup.detach()
    assert "hello" in (tmp_path / "my.log").read_text()


@pytest.mark.parametrize(("no_colour", "coloured"), [(None, True), ("1", False)])
def test_console_logger_colors_only_terminals_without_no_color(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    no_colour: str | None,
    coloured: bool,
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.delenv("NO_COLOR", raising=False)
    if no_colour:
        monkeypatch.setenv("NO_COLOR", no_colour)
    log_setup.attach([ConsoleLogger()], tmp_path)
    logger.error("bad")
    log_setup.detach()
    assert ("\x1b[31m" in capsys.readouterr().err) is coloured


@pytest.mark.parametrize(("module", "type_"), [(console, "console"), (file, "file")])
def test_logger_modules_offer_one_logger_each(module: object, type_: str) -> None:
    assert [cls.type for cls in module.rae_loggers()] == [type_]  # type: ignore[attr-defined]  # a module


@pytest.mark.parametrize("level", ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"])
def test_line_separates_the_level_from_the_message(tmp_path, level):
    log_setup.attach([FileLogger(level="DEBUG")], tmp_path)
    logger.log(level, "said")
    log_setup.detach()
    (line,) = (tmp_path / "rae-auto.log").read_text().splitlines()
    assert line.split()[2:] == [level, "said"]
