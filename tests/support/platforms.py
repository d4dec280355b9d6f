"""Marks of tests that only some platforms or users can pass, each with its reason."""

import os
import socket
import sys

import pytest

IS_WINDOWS = sys.platform == "win32"
IS_LINUX = sys.platform == "linux"
IS_ROOT = not IS_WINDOWS and os.geteuid() == 0

posix = pytest.mark.skipif(IS_WINDOWS, reason="needs a POSIX system")
linux = pytest.mark.skipif(not IS_LINUX, reason="needs Linux")
only_root = pytest.mark.skipif(not IS_ROOT, reason="only root can become another user")
not_root = pytest.mark.skipif(IS_ROOT, reason="root may do anything")
unix_sockets = pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="Python has no Unix sockets there")
