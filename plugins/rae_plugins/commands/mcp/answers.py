"""Answers of tools: arguments checked, a command or a request carried out, the result kept within bounds."""

import asyncio
import json
import os
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jsonschema

from rae_auto.api import CommandContext
from rae_auto.errors import SchedulerError
from rae_plugins.commands.mcp.tools import Tool

MAX_ANSWER_BYTES = 100_000
"""The longest answer: what an agent can read without losing sight of its task."""

MAX_READ_BYTES = 64 << 20
"""Bytes that are read of a command at most, before they are cut to `MAX_ANSWER_BYTES`."""

COMMAND_TIMEOUT_SECONDS = 120.0

FAILING_CODES = frozenset({2, 3})
"""Exit codes of bad usage and of a missing daemon; 1 may mean that a check found something, which is an answer."""


class RefusedCall(Exception):
    """A call that is answered with one line: what is wrong, and what to do."""


def check_arguments(tool: Tool, given: Mapping[str, Any]) -> None:
    """Check the arguments of a call. Raises RefusedCall."""
    validator = jsonschema.Draft202012Validator(tool.input_schema())
    for error in sorted(validator.iter_errors(dict(given)), key=lambda error: list(map(str, error.path))):
        place = ".".join(map(str, error.path)) or "arguments"
        message = " ".join(error.message.split())
        raise RefusedCall(f"{tool.name}: {place}: {message[:300]}; see the input schema of the tool")
    if tool.name == "cancel" and ("job" in given) == ("run" in given):
        raise RefusedCall('cancel: give either "job" or "run"')


async def read_answer(tool: Tool, given: Mapping[str, Any], config: Path | None) -> str:
    """Return what a command of `rae-auto` answers. Raises RefusedCall with its message."""
    assert tool.command is not None
    code, output, errors = await _run_program(with_options(tool, tool.command(given), config))
    if code != 0 and (code in FAILING_CODES or not output.strip()):
        raise RefusedCall(_without_options(read_error(errors)) or f"rae-auto {tool.name} failed with exit code {code}")
    if tool.name == "output":
        return keep_last_lines(output, int(given.get("lines", 200)))
    return keep_within_bounds(output)


def with_options(tool: Tool, command: Sequence[str], config: Path | None) -> list[str]:
    """Return the arguments of a command with those that all have: JSON, and the configuration."""
    name, *rest = command
    options = ["--json"] if tool.prints_json else []
    if config is not None and name != "schema":
        options.append(f"--config={config}")
    return [name, *options, *rest]


async def _run_program(arguments: Sequence[str]) -> tuple[int, str, str]:
    """Return exit code, output and errors of `rae-auto` with these arguments. Raises RefusedCall if it hangs."""
    # -P: the working directory, which an agent may write to, is not a place to import from.
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-P",
        "-m",
        "rae_auto",
        *arguments,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "NO_COLOR": "1"},
    )
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        async with asyncio.timeout(COMMAND_TIMEOUT_SECONDS):
            output, errors = await asyncio.gather(_read(process.stdout), _read(process.stderr))
            code = await process.wait()
    except TimeoutError:
        limit = f"{COMMAND_TIMEOUT_SECONDS:g} s"
        raise RefusedCall(f"rae-auto {arguments[0]} took longer than {limit}; ask for less") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return code, output.decode(errors="replace"), errors.decode(errors="replace")


async def _read(stream: asyncio.StreamReader) -> bytes:
    """Return the last `MAX_READ_BYTES` of a stream."""
    kept = bytearray()
    while part := await stream.read(1 << 16):
        kept += part
        if len(kept) > 2 * MAX_READ_BYTES:
            del kept[:-MAX_READ_BYTES]
    return bytes(kept[-MAX_READ_BYTES:])


def send_request(tool: Tool, given: Mapping[str, Any], context: CommandContext, client: str) -> str:
    """Return the daemon's answer to a request. Raises RefusedCall."""
    assert tool.request is not None
    origin = {"via": "mcp", "client": client} if tool.request in ("add", "trigger") else {}
    try:
        with context.connect() as daemon:
            return keep_within_bounds(json.dumps(daemon.call(tool.request, **given, **origin)))
    except (SchedulerError, OSError) as error:
        raise RefusedCall("; ".join(str(error).splitlines())) from None


def _without_options(message: str) -> str:
    """Return a message of a command in the words of a tool, which has arguments and no help to type."""
    return _HELP_HINT.sub("", _OPTION_PREFIX.sub(r"\1", message))


_OPTION_PREFIX = re.compile(r"^--([a-z-]+: )")
_HELP_HINT = re.compile(r"; see 'rae-auto [a-z -]+ --help'$")


def read_error(errors: str) -> str:
    """Return the message in what a command wrote to standard error, in one line."""
    for line in errors.splitlines():
        try:
            return str(json.loads(line)["error"]["message"]).replace("\n", "; ")
        except (ValueError, KeyError, TypeError):
            continue
    return "; ".join(line.removeprefix("rae-auto: ") for line in errors.splitlines())[:2000]


def keep_within_bounds(text: str) -> str:
    """Return an answer of at most `MAX_ANSWER_BYTES`; of a longer list its first items, with their number."""
    if len(text.encode()) <= MAX_ANSWER_BYTES:
        return text
    try:
        items = json.loads(text)
    except ValueError:
        items = None
    if not isinstance(items, list):
        cut = text.encode()[:MAX_ANSWER_BYTES].decode(errors="ignore")
        return f"{cut}\n… cut: {len(text)} characters in all; ask for less"
    kept: list[Any] = []
    size = 0
    for item in items:
        size += len(json.dumps(item).encode()) + 2
        if size > MAX_ANSWER_BYTES:
            break
        kept.append(item)
    return json.dumps({"showing": len(kept), "of": len(items), "items": kept, "hint": "ask for less"})


def keep_last_lines(text: str, count: int) -> str:
    """Return the last lines of an output, with a first line that says how much is missing."""
    lines = text.splitlines()
    kept, size = [], 0
    for line in reversed(lines[-count:]):
        size += len(line.encode()) + 1
        if size > MAX_ANSWER_BYTES:
            break
        kept.append(line)
    if not kept and lines:
        kept = [lines[-1][-MAX_ANSWER_BYTES // 4 :]]
    head = [] if len(kept) == len(lines) else [f"showing the last {len(kept)} of {len(lines)} lines"]
    return "\n".join([*head, *reversed(kept)])
