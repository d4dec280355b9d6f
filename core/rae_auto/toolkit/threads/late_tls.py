"""asyncio that loads TLS when a connection first uses it.

The module ssl loads the library of OpenSSL: 4 MB of a daemon and some milliseconds of its start, for connections to
other machines that only some plugins have. asyncio imports it at once, together with its own protocol for TLS, so
stand-ins take the place of both while asyncio is imported. Each asks the real module for whatever is looked up in it;
the real one is imported then, and by all others that import it, as ever.
"""

import sys
from importlib import import_module
from types import ModuleType
from typing import Any


class _NoSocket:
    """The class of sockets with TLS while there can be none; asyncio asks of each socket whether it is one."""


class _StandIn(ModuleType):
    """The stand-in of a module that isn't imported yet."""

    def __getattr__(self, name: str) -> Any:
        if name == "SSLSocket" and self.__name__ not in sys.modules:
            return _NoSocket
        return getattr(import_module(self.__name__), name)


def import_asyncio_without_tls() -> None:
    """Import asyncio with stand-ins for what it needs for TLS, unless it or ssl has been imported before."""
    if "asyncio" in sys.modules or "ssl" in sys.modules:
        return
    stand_ins = {name: _StandIn(name) for name in ("ssl", "asyncio.sslproto")}
    sys.modules.update(stand_ins)
    try:
        import_module("asyncio")
    finally:
        for name in stand_ins:
            del sys.modules[name]
