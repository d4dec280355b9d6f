"""The entry of the helper: `python -m rae_executor_dask.cluster SETTINGS`."""

import asyncio
import json
import logging
import os
import signal
import sys
import traceback
import warnings

from rae_executor_dask.cluster.helper import Helper
from rae_executor_dask.cluster.settings import ClusterSettings

MAX_LINE_BYTES = 64 << 20


def _report(message: object) -> None:
    sys.stdout.buffer.write(json.dumps(message).encode() + b"\n")
    sys.stdout.buffer.flush()


async def _serve(settings: ClusterSettings) -> None:
    reader = asyncio.StreamReader(limit=MAX_LINE_BYTES)
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    helper = Helper(settings, _report)
    working, handling = loop.create_task(helper.run()), loop.create_task(_handle_requests(reader, helper))
    await asyncio.wait({working, handling}, return_when=asyncio.FIRST_COMPLETED)
    error = working.exception() if working.done() else handling.exception()
    if error is not None:
        # The daemon reports the last line, and starts another helper.
        traceback.print_exception(error)
        sys.stderr.flush()
    # What Dask may still be doing has no effect any more.
    os._exit(0 if error is None else 1)


async def _handle_requests(reader: asyncio.StreamReader, helper: Helper) -> None:
    while line := await reader.readline():
        helper.handle(json.loads(line))


def main() -> None:
    """Serve the daemon at the other end of standard input and output."""
    # Ctrl-C is for the daemon.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    warnings.simplefilter("ignore")
    logging.disable(logging.ERROR)
    asyncio.run(_serve(ClusterSettings.from_text(sys.argv[1])))


if __name__ == "__main__":
    main()
