"""The entry of the helper: `python -m rae_executor_dask.cluster SETTINGS`."""

import asyncio
import json
import logging
import os
import signal
import sys
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
    working = loop.create_task(helper.run())
    while line := await reader.readline():
        if working.done():
            working.result()
        helper.handle(json.loads(line))
    # What Dask may still be doing has no effect any more.
    os._exit(0)


def main() -> None:
    """Serve the daemon at the other end of standard input and output."""
    # Ctrl-C is for the daemon.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    warnings.simplefilter("ignore")
    logging.disable(logging.ERROR)
    asyncio.run(_serve(ClusterSettings.from_text(sys.argv[1])))


if __name__ == "__main__":
    main()
