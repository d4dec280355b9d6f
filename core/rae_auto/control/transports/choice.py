"""The choice of the transport."""

from __future__ import annotations

import os
import sys

from rae_auto.errors import DaemonUnreachable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rae_auto.control.transports.contract import Transport

TRANSPORT_VARIABLE = "RAE_CONTROL_TRANSPORT"
"""The variable by which daemon and clients use another transport than the one of the platform."""


def control_transport(platform: str = sys.platform) -> Transport:
    """Return the transport of a platform, or the one that the environment names. Errors: DaemonUnreachable."""
    name = os.environ.get(TRANSPORT_VARIABLE) or ("loopback" if platform == "win32" else "unix")
    if name == "loopback":
        from rae_auto.control.transports.loopback import LoopbackTransport  # lazy: start-up

        return LoopbackTransport()
    if name == "unix" and platform != "win32":
        from rae_auto.control.transports.unix_socket import UnixTransport

        return UnixTransport()
    possible = '"loopback"' if platform == "win32" else '"unix" or "loopback"'
    raise DaemonUnreachable(f'{TRANSPORT_VARIABLE}: there is no transport "{name}" here; use {possible}, or unset it')
