"""Requests of HTTP to one host that the configuration names: no redirects, no path in messages, short answers.

The path is in no message, because with many services it is the secret.
"""

import socket
import urllib.error
import urllib.request
from collections.abc import Mapping
from functools import lru_cache
from typing import IO, Any
from urllib.parse import urlsplit

from rae_auto.model.primitives.formatting import describe_error
from rae_auto.toolkit.secrets import SecretText

MAX_ANSWER_BYTES = 500
"""The part of a refusal that is shown."""


def post(url: str, body: bytes, headers: Mapping[str, str], seconds: float) -> None:
    """Post a body. Blocks. Raises RuntimeError with the host and what it answered; TimeoutError."""
    request = urllib.request.Request(url, body, dict(headers), method="POST")  # noqa: S310 - plugins check the scheme
    place = host_of(url)
    try:
        with _opener().open(request, timeout=seconds):
            pass
    except urllib.error.HTTPError as error:
        with error:
            if 300 <= error.code < 400:
                target = host_of(error.headers.get("Location", ""))
                raise RuntimeError(f"{place} redirects to {target}; set url to the final address") from None
            said = " ".join(error.read(MAX_ANSWER_BYTES).decode(errors="replace").split())
            raise RuntimeError(f"{place} answered {error.code} {error.reason}: {said}") from None
    except TimeoutError:
        raise
    except (OSError, ValueError) as error:
        why = getattr(error, "reason", None) or error
        if isinstance(why, TimeoutError):
            raise TimeoutError from None
        raise RuntimeError(f"{place} can't be reached ({_describe(why)}); check url") from None


def _describe(why: object) -> str:
    """Return why a request failed: an error, or the words of one."""
    return describe_error(why) if isinstance(why, Exception) else str(why)


def host_of(url: str) -> str:
    """Return the host and port of an address, for messages."""
    return urlsplit(url).netloc.rpartition("@")[2] or "the address"


def find_url_problem(url: SecretText, seconds: float) -> str | None:
    """Return why the option `url` can't be read, or its host not be reached, with the remedy; None if all is well."""
    try:
        address = url.reveal("url")
    except ValueError as error:
        return f"{error}; check url"
    return _find_host_problem(address.strip(), seconds)


def _find_host_problem(url: str, seconds: float) -> str | None:
    """Return why the host of an address can't be reached, with the remedy, or None. Connects, and sends nothing.

    Behind a proxy only the proxy could find out, so the answer is None.
    """
    parts = urlsplit(url)
    if parts.hostname is None or _uses_proxy(parts.scheme, parts.hostname):
        return None
    try:
        port = parts.port or (443 if parts.scheme == "https" else 80)
        socket.create_connection((parts.hostname, port), seconds).close()
    except (OSError, ValueError) as error:
        return f"{host_of(url)} can't be reached ({describe_error(error)}); check url and the network"
    return None


def _uses_proxy(scheme: str, host: str) -> bool:
    return scheme in urllib.request.getproxies() and not urllib.request.proxy_bypass(host)


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Follows nothing: a notice goes to the host that the configuration names, and to no other."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str
    ) -> None:
        return None


@lru_cache(maxsize=1)
def _opener() -> urllib.request.OpenerDirector:
    # One for all requests: from Python 3.12 on each new one reads all certificates of the machine.
    return urllib.request.build_opener(_NoRedirects())
