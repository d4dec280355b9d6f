"""asyncio that loads TLS when a connection first uses it.

The module ssl loads the library of OpenSSL: 4 MB of a daemon and some milliseconds of its start, for connections to
other machines that only some plugins have. asyncio imports it at once, together with its own protocol for TLS, so
stand-ins take the place of both while asyncio is imported.
"""

import sys
from typing import Any

from rae_auto.toolkit.threads.stand_ins import LateModule, import_with_stand_ins


class _NoSocket:
    """The class of sockets with TLS while there can be none; asyncio asks of each socket whether it is one."""


class _Tls(LateModule):
    def __getattr__(self, name: str) -> Any:
        if name == "SSLSocket" and self.__name__ not in sys.modules:
            return _NoSocket
        return super().__getattr__(name)


def import_asyncio_without_tls() -> None:
    """Import asyncio with stand-ins for what it needs for TLS, unless it or ssl has been imported before."""
    if "ssl" not in sys.modules:
        import_with_stand_ins("asyncio", _Tls("ssl"), LateModule("asyncio.sslproto"))
