"""The call of a Python function by name, in a thread of the daemon or, started as a script, in a process of its own.

Uses the standard library only and imports nothing of ours, because a process starts with it for each run.
"""

import asyncio
import importlib
import inspect
import json
import os
import sys
import traceback
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from types import TracebackType
from typing import Any

MAX_VALUE_CHARACTERS = 4096
"""Characters of a returned value that are kept with the run."""

MAX_ERROR_CHARACTERS = 500


def call(name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """Call "package.module:function" and return its value; a coroutine is run to its end.

    Errors: TypeError for a generator function, which would run nothing; whatever the module and the function raise.
    """
    module, _, path = name.partition(":")
    target: Any = importlib.import_module(module)
    for part in path.split("."):
        target = getattr(target, part)
    value = target(*args, **kwargs)
    if inspect.iscoroutine(value):
        return asyncio.run(value)
    # Looked for in the value first, because to look at the function takes as long as a short call.
    is_generator = inspect.isgenerator(value) or inspect.isasyncgen(value)
    if is_generator and (inspect.isgeneratorfunction(target) or inspect.isasyncgenfunction(target)):
        raise TypeError(f'"{name}" is a generator function, whose body a call does not run; return in place of yield')
    return value


def exit_code_of(error: BaseException) -> int:
    """Return the exit code of an interpreter in which this error is raised: 0 for `sys.exit()` and `sys.exit(0)`."""
    if not isinstance(error, SystemExit):
        return 1
    if error.code is None:
        return 0
    return error.code & 0xFF if isinstance(error.code, int) else 1


def format_traceback(error: BaseException) -> str:
    """Return what an interpreter prints for an error, without the frames around the function and its import.

    Of `sys.exit` that is the text, if there is one.
    """
    if isinstance(error, SystemExit):
        return f"{error.code}\n" if isinstance(error.code, str) else ""
    frames = error.__traceback__
    while frames is not None and _is_ours(frames):
        frames = frames.tb_next
    return "".join(traceback.format_exception(type(error), error, frames))


def _is_ours(frames: TracebackType) -> bool:
    name = frames.tb_frame.f_code.co_filename
    is_import = name.startswith("<frozen importlib") or name == importlib.__file__
    folder = PurePath(name).parent
    return is_import or folder == PurePath(__file__).parent or folder == PurePath(asyncio.__file__).parent


def shorten_value(value: Any) -> Any:
    """Return the value if JSON can hold it and it is small, otherwise the beginning of its repr."""
    if value is None:
        return None
    try:
        if len(json.dumps(value, allow_nan=False)) <= MAX_VALUE_CHARACTERS:
            return value
    except (TypeError, ValueError, RecursionError):
        pass
    return repr(value)[:MAX_VALUE_CHARACTERS]


def describe_error(error: BaseException) -> str | None:
    """Return the type and the text of an error in one line of bounded length; None if an exit code says it all."""
    if isinstance(error, SystemExit) and (error.code is None or isinstance(error.code, int)):
        return None
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}"[:MAX_ERROR_CHARACTERS] if text else type(error).__name__


def main() -> int:
    """Call the function of the request in the first argument, and write its result into the file that it names."""
    request = json.loads(sys.argv[1])
    # Instead of the directory of this script.
    sys.path[:] = list(dict.fromkeys([*request["path"], *sys.path[1:]]))
    sys.argv[:] = [request["function"]]
    code, record = 0, {}
    try:
        record = {"value": shorten_value(call(request["function"], request["args"], request["kwargs"]))}
    except BaseException as error:
        code = exit_code_of(error)
        sys.stdout.flush()
        sys.stderr.write(format_traceback(error))
        record = {"error": describe_error(error)}
    temporary = f"{request['record']}.tmp"
    with open(temporary, "w", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
        json.dump(record, file)
    os.replace(temporary, request["record"])  # noqa: PTH105 - of texts
    return code


if __name__ == "__main__":
    sys.exit(main())
