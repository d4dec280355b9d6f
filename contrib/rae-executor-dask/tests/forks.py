"""Processes that start at once: helpers, schedulers and workers, forked from one that has imported `distributed`.

Importing it costs a second of processor time. `python forks.py SOCKET` is the server. `python forks.py SOCKET SETTINGS`
is what the daemon starts in place of a helper: it hands over its standard streams, and ends when the helper does.
"""

import json
import os
import signal
import socket
import sys
from collections.abc import Sequence
from contextlib import suppress


def serve(path: str) -> None:
    """Fork a process for each connection."""
    import distributed.cli.dask_scheduler
    import distributed.cli.dask_worker
    import rae_executor_dask.cluster.__main__

    from rae_plugins.executors.process.keeper.loop import request_death_signal

    programs = {
        "helper": rae_executor_dask.cluster.__main__.main,
        "scheduler": distributed.cli.dask_scheduler.main,
        "worker": distributed.cli.dask_worker.main,
    }
    # Nothing is left where the tests are killed.
    request_death_signal(signal.SIGKILL)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(f"{path}.new")
        listening.listen(100)
        # Who finds the name can connect.
        os.rename(f"{path}.new", path)
        while True:
            connection, _ = listening.accept()
            if not os.fork():
                request_death_signal(signal.SIGKILL)
                listening.close()
                with suppress(BaseException):
                    _run(connection, programs)
                os._exit(1)
            connection.close()


def _run(connection: socket.socket, programs: dict) -> None:
    os.setsid()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    text, descriptors, _, _ = socket.recv_fds(connection, 1 << 16, 3)
    kind, arguments, settings, environment = json.loads(text)
    os.environ.update(environment)
    for number, descriptor in enumerate(descriptors):
        os.dup2(descriptor, number)
        os.close(descriptor)
    connection.sendall(str(os.getpid()).encode())
    sys.argv = [kind, *arguments]
    sys.stdin = os.fdopen(0)
    sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w")
    if kind != "helper":
        # Its end is not reported: a test looks at the process.
        connection.close()
    import dask

    with dask.config.set(settings):
        programs[kind]()


def ask(
    path: str, kind: str, arguments: Sequence[str], streams: Sequence[int], settings: object, environment: object = ()
) -> socket.socket:
    """Have the server fork a process; return the connection, from which its pid can be read."""
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(path)
    socket.send_fds(connection, [json.dumps([kind, list(arguments), settings, environment]).encode()], list(streams))
    return connection


def main() -> None:
    if len(sys.argv) == 2:
        serve(sys.argv[1])
        return
    connection = ask(sys.argv[1], "helper", sys.argv[2:], [0, 1, 2], {})
    for number in (0, 1, 2):
        os.close(number)
    helper = int(connection.recv(100) or b"0")
    with open(f"{sys.argv[1]}.{os.getpid()}", "w") as file:
        file.write(str(helper))
    signal.signal(signal.SIGTERM, lambda *_: os.kill(helper, signal.SIGKILL))
    connection.recv(1)


if __name__ == "__main__":
    main()
