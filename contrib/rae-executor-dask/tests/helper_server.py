"""Helpers that start at once: forked from a process that has imported `distributed`, which costs a second each time.

`python helper_server.py SOCKET` is the server. `python helper_server.py SOCKET -m rae_executor_dask.cluster SETTINGS`
is what the daemon starts in place of a helper: it hands over its standard streams, and ends when the helper does.
"""

import array
import os
import signal
import socket
import sys


def serve(path: str) -> None:
    """Fork a helper for each connection."""
    from rae_executor_dask.cluster import __main__ as entry

    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(path)
        listening.listen(100)
        while True:
            connection, _ = listening.accept()
            if not os.fork():
                listening.close()
                _become_helper(connection, entry)
            connection.close()


def _become_helper(connection: socket.socket, entry: object) -> None:
    os.setsid()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    settings, descriptors, _, _ = socket.recv_fds(connection, 1 << 16, 3)
    for number, descriptor in enumerate(descriptors):
        os.dup2(descriptor, number)
        os.close(descriptor)
    connection.sendall(str(os.getpid()).encode())
    sys.argv = ["helper", settings.decode()]
    sys.stdin = os.fdopen(0)
    sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w")
    entry.main()  # type: ignore[attr-defined]
    os._exit(0)


def hand_over(path: str, settings: str) -> None:
    """Have the server fork a helper with the streams of this process; return when it has ended."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(path)
        rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [0, 1, 2]))
        connection.sendmsg([settings.encode()], [rights])
        for number in (0, 1, 2):
            os.close(number)
        helper = int(connection.recv(100) or b"0")
        signal.signal(signal.SIGTERM, lambda *_: os.kill(helper, signal.SIGKILL))
        connection.recv(1)


if __name__ == "__main__":
    if len(sys.argv) == 2:
        serve(sys.argv[1])
    else:
        hand_over(sys.argv[1], sys.argv[-1])
