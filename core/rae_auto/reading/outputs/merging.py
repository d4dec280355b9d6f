"""Whole outputs as one text, merged by time, by a process of its own: they may be too large for one that has pages."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from pathlib import Path
from zoneinfo import ZoneInfo

from rae_auto.model.run import Run
from rae_auto.paths import output_path
from rae_auto.views.screens.parts.output_part import find_attempt_start

PART_BYTES = 64 << 10

PROGRAM = (sys.executable, "-P", "-m", "rae_auto.reading.outputs.merge_process")


async def merge_files(directory: Path, outputs: Sequence[tuple[Run, int, str]], zone: ZoneInfo) -> AsyncIterator[bytes]:
    """Yield the text of the outputs of attempts, each with its label. Raises OSError if the process fails.

    The process ends with its reader, who may stop at any time.
    """
    files = [
        {
            "path": str(output_path(directory, run.job, run.id, attempt)),
            "label": label,
            "started_at": (at := find_attempt_start(run, attempt)) and at.isoformat(),
        }
        for run, attempt, label in outputs
    ]
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*PROGRAM, stdin=pipe, stdout=pipe, stderr=asyncio.subprocess.DEVNULL)
    try:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps({"files": files, "zone": zone.key}).encode() + b"\n")
        while part := await process.stdout.read(PART_BYTES):
            yield part
        if await process.wait():
            # What has been sent is only a part: the connection must not end as if it were all.
            raise OSError("the outputs could not be merged to their end")
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
