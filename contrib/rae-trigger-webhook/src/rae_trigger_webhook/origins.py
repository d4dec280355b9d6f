"""Whom a request believes to talk to, and whether a page in a browser made it.

A page of another's can have its own name resolve to 127.0.0.1 (DNS rebinding) and then talk to us; its requests still
call us by that name.
"""

from collections.abc import Collection
from http import HTTPStatus
from ipaddress import ip_address

from rae_trigger_webhook.messages import Head, Refused


def check_origin(head: Head, names: Collection[str]) -> None:
    """Refuse a request that calls us by a name other than our address or one of `names`, or that is a page's."""
    known = {head.local, *(name.lower() for name in names)}
    if ip_address(head.local).is_loopback:
        known.add("localhost")
    if _name(head.one("host") or "") not in known:
        raise Refused(HTTPStatus.MISDIRECTED_REQUEST, "this is no name of this server; see the option 'hosts'")
    origin = head.headers.get("origin")
    if origin and any(_name(one.partition("://")[2]) not in known for one in origin):
        raise Refused(HTTPStatus.FORBIDDEN, "pages of other sites have no access")
    if head.one("sec-fetch-site") in ("cross-site", "same-site"):
        raise Refused(HTTPStatus.FORBIDDEN, "pages of other sites have no access")


def _name(host: str) -> str:
    """A host without its port."""
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.partition(":")[0].rstrip(".").lower()
