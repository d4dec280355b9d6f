"""Python scripts as jobs: by uv or pipx where inline metadata (PEP 723) name packages, else by this interpreter."""

import asyncio
import re
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from attrs import frozen

from rae_auto.model.job import Job
from rae_auto.model.primitives.formatting import quote
from rae_auto.toolkit.commands import CommandNotStarted
from rae_plugins.machine.commands import run

MAX_PREPARATION_SECONDS = 3600.0
"""Time that a tool gets to install packages; callers of `prepare_script` give up earlier."""

MAX_MESSAGE_CHARACTERS = 400
"""Characters of a failing tool's message that are shown."""

# PEP 723: the block begins with this line, and every further line of it with "#".
_METADATA = re.compile(rb"(?m)^# /// script\s*$\s(^#(| .*)$\s)+^# ///\s*$")

_FOR_TOOLS = {"NO_COLOR": "1", "TERM": "dumb", "UV_NO_PROGRESS": "1", "PIPX_USE_EMOJI": "0", "COLUMNS": "400"}
"""Variables with which the tools print plain lines."""

_NOISE = re.compile(
    r"(?m)^(?:Using|Creating|Resolved|Prepared|Installed|Reading|Downloading|Building|hint:|\s*\d*\s*\||\s*\^).*\n?"
)
"""Lines of a tool about what it does, and the place in a text that it points at."""

_ERROR_LINE = re.compile(r"(?m)^\s*ERROR: (.*)")
"""A line of pip, within pipx's output, that describes the failure; without any, all lines may."""

_MARKS = re.compile(r"[^\x00-\xff]+|\xd7|(?m:^\s*(?:error|cause|Caused by):)")
"""Drawings, crosses and headings before the failure itself."""

_NO_NETWORK = re.compile(
    r"error sending request|dns error|failed to fetch|connection (?:refused|reset|error)|timed out|max retries|"
    r"temporary failure|network is unreachable|newconnectionerror|could not connect|tls|certificate",
    re.IGNORECASE,
)
"""Messages of the tools when the package index can't be reached: that passes, and is no error of the script."""

_TOO_OLD = re.compile(r"unexpected argument|unrecognized (?:subcommand|argument)|invalid choice")
"""Messages of a tool that is too old to prepare a script; it runs the script all the same."""


@frozen
class _Tool:
    """uv or pipx: how it runs a script, and how it only installs what that needs."""

    name: str
    path: str

    def run_words(self, script: str) -> tuple[str, ...]:
        is_uv = self.name == "uv"
        return (self.path, *(("run", "--quiet", "--script") if is_uv else ("run",)), script)

    def prepare_words(self, script: str, block: str) -> tuple[str, ...]:
        """Return the command that installs the packages; `block` is a file with the metadata alone.

        pipx has no command for that. It knows environments by what they contain, so running an empty script with the
        same metadata makes the one that the script itself will get.
        """
        return (self.path, "sync", "--script", script) if self.name == "uv" else (self.path, "run", block)


def build_script_argv(job: Job, environment: Mapping[str, str]) -> tuple[str, ...]:
    """Return the command that runs the script of a job.

    Raises ValueError if the script can't be read, or if it needs packages and neither uv nor pipx is on the PATH.
    """
    script = resolve_script(job)
    if _read_metadata(script) is None:
        return (sys.executable, str(script), *job.args)
    return (*_find_tool(script, environment).run_words(str(script)), *job.args)


def find_script_problem(job: Job, environment: Mapping[str, str]) -> str | None:
    """Return why the script of a job can't be started now, with the remedy, or None. Runs nothing."""
    try:
        build_script_argv(job, environment)
    except ValueError as error:
        return str(error)
    return None


async def prepare_script(job: Job, environment: Mapping[str, str], directory: str) -> str | None:
    """Install what the script of a job needs; return why that can't be resolved, with the remedy, or None.

    A script that can't be read, or a missing tool, is left to `find_script_problem` and the run. Raises RuntimeError
    if the packages could not be reached.
    """
    script = resolve_script(job)
    try:
        block = await asyncio.to_thread(_read_metadata, script)
        tool = None if block is None else await asyncio.to_thread(_find_tool, script, environment)
    except ValueError as error:
        raise RuntimeError(str(error)) from None
    if block is None or tool is None:
        return None
    import tempfile  # lazy: memory

    with tempfile.TemporaryDirectory(prefix="rae-script-") as folder:
        stub = Path(folder, script.name)
        await asyncio.to_thread(stub.write_bytes, block)
        words = tool.prepare_words(str(script), str(stub))
        return await _install(tool, words, {**environment, **_FOR_TOOLS}, directory)


async def _install(tool: _Tool, words: Sequence[str], environment: Mapping[str, str], directory: str) -> str | None:
    try:
        done = await run(words, MAX_PREPARATION_SECONDS, errors=True, cwd=directory, environment=environment)
    except CommandNotStarted as error:
        raise RuntimeError(f"{tool.path} can't be started: {error}") from None
    said = done.output.decode(errors="replace")
    if done.code == 0 or _TOO_OLD.search(said):
        return None
    text = f"{tool.name}: {_summarize(said) or f'exit code {done.code}'}"
    if _NO_NETWORK.search(said):
        raise RuntimeError(text)
    return f"what its inline metadata ask for can't be installed ({text}); correct them"


def _summarize(said: str) -> str:
    lines = _ERROR_LINE.findall(said) or [_NOISE.sub("", said)]
    text = " ".join(_MARKS.sub(" ", "\n".join(lines)).split()).removesuffix(".")
    return text if len(text) <= MAX_MESSAGE_CHARACTERS else f"{text[:MAX_MESSAGE_CHARACTERS]}…"


def resolve_script(job: Job) -> Path:
    """Return the path of the script of a job."""
    return Path(job.script or "").expanduser()


def _find_tool(script: Path, environment: Mapping[str, str]) -> _Tool:
    path = environment.get("PATH")
    for name in ("uv", "pipx"):
        if found := shutil.which(name, path=path):
            return _Tool(name, found)
    raise ValueError(
        f"script {quote(str(script))} has inline metadata, and neither uv nor pipx, which install what it needs, "
        "is on the PATH of the job; run 'pip install uv'"
    )


def _read_metadata(script: Path) -> bytes | None:
    """Return the inline metadata of a script, None without any. Raises ValueError if it can't be read."""
    try:
        found = _METADATA.search(script.read_bytes().replace(b"\r\n", b"\n"))
    except OSError as error:
        raise ValueError(
            f"script {quote(str(script))} can't be read: {error.strerror}; correct the path in script"
        ) from None
    return None if found is None else found[0] + b"\n"
