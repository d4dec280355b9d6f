"""Protection from web pages: the name by which a request calls this server, and the page that made it.

A page can make its own host name resolve to 127.0.0.1 (DNS rebinding) and then send requests to this machine from the
browser. Such requests still call the server by the page's name, so only our own names are accepted.
"""

from collections.abc import Collection
from http import HTTPStatus
from ipaddress import ip_address

from rae_trigger_webhook.messages import RequestHead, RequestRefused


def check_origin(head: RequestHead, names: Collection[str]) -> None:
    """Check that a request calls us by our address or by one of `names`, and was made by no other site's page.

    Errors: RequestRefused.
    """
    own_names = {head.local, *(name.lower() for name in names)}
    if ip_address(head.local).is_loopback:
        own_names.add("localhost")
    if _strip_port(head.single("host") or "") not in own_names:
        raise RequestRefused(HTTPStatus.MISDIRECTED_REQUEST, 'unknown host name; add it to the option "hosts"')
    origins = head.headers.get("origin", ())
    if any(_strip_port(origin.partition("://")[2]) not in own_names for origin in origins):
        raise RequestRefused(HTTPStatus.FORBIDDEN, "requests from pages of other sites are not accepted")
    if head.single("sec-fetch-site") in ("cross-site", "same-site"):
        raise RequestRefused(HTTPStatus.FORBIDDEN, "requests from pages of other sites are not accepted")


def _strip_port(host: str) -> str:
    """Return a host without its port, in lower case."""
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.partition(":")[0].rstrip(".").lower()
