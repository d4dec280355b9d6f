"""Files as real programs write them: what they call a file before it is complete starts nothing."""

import asyncio
import functools
import http.server
import os
import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from tests.support import file_watching
from tests.support.file_watching import FileListener, run_scene, trigger

# A fixture.
top = file_watching.top


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Return a directory with a file of a megabyte."""
    directory = tmp_path / "source"
    directory.mkdir()
    (directory / "report.pdf").write_bytes(os.urandom(1 << 20))
    return directory


@pytest.fixture
def url(source: Path) -> Iterator[str]:
    """Serve the source by HTTP."""
    handler = functools.partial(_QuietHandler, directory=str(source))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/report.pdf"
        server.shutdown()
        thread.join()


class _QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Log nothing."""


def changed_names(tmp_path: Path, top: Path, argv: Sequence[str], options: dict[str, str]) -> list[str]:
    """Run a program and a marker after it; return the names that were reported, each once, without the marker."""
    if shutil.which(argv[0]) is None:
        pytest.skip(f"{argv[0]} is not installed here")

    async def scene(listener: FileListener) -> None:
        async with listener.running(trigger(top, **options)):
            program = await asyncio.create_subprocess_exec(
                *argv, cwd=top, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL
            )
            assert await program.wait() == 0
            await listener.wait_for_changes(top / "report.pdf")
            (top / "marker").write_text("x")
            await listener.wait_for_changes(top / "marker")

    names = {os.path.basename(change["path"]) for change in run_scene(tmp_path, scene).changes}
    return sorted(names - {"marker"})


COMMANDS: dict[str, Callable[[Path, str], list[str]]] = {
    "rsync": lambda source, _: ["rsync", "--bwlimit=2000", str(source / "report.pdf"), "."],
    "rsync in place": lambda source, _: ["rsync", "--inplace", str(source / "report.pdf"), "."],
    "curl": lambda _, url: ["curl", "-sO", "--limit-rate", "2M", url],
    "wget": lambda _, url: ["wget", "-q", "--limit-rate=2m", url],
    "vim": lambda _, __: [
        "vim",
        "-Nes",
        "-u",
        "NONE",
        "-c",
        "set bk wb",
        "-c",
        "normal ix",
        "-c",
        "sl 1",
        "-c",
        "x",
        "report.pdf",
    ],
    "cp": lambda source, _: ["cp", str(source / "report.pdf"), "."],
    "sed": lambda _, __: ["sh", "-c", "echo a > report.pdf && sed -i s/a/b/ report.pdf"],
}


@pytest.mark.parametrize("options", [{}, {"stable": "300ms"}, {"stable": "1m", "complete": "closed"}], ids=str)
@pytest.mark.parametrize("program", COMMANDS)
def test_program_reports_no_temporary_file(
    top: Path, tmp_path: Path, source: Path, url: str, program: str, options: dict[str, str]
) -> None:
    assert changed_names(tmp_path, top, COMMANDS[program](source, url), options) == ["report.pdf"]


def test_lock_of_libreoffice_starts_nothing(top: Path, tmp_path: Path) -> None:
    """LibreOffice itself is large; it creates this file when a document is opened, and deletes it afterwards."""
    lock = "'.~lock.report.pdf#'"
    opens = f"echo ',me,host;' > {lock} && sleep 0.3 && echo b > report.pdf && rm {lock}"
    assert changed_names(tmp_path, top, ["sh", "-c", opens], {}) == ["report.pdf"]
