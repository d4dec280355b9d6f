"""Names by which requests may call the server."""

import pytest
from rae_trigger_webhook.messages import RequestHead, RequestRefused
from rae_trigger_webhook.origins import check_origin


@pytest.mark.parametrize(
    ("local", "host", "is_accepted"),
    [
        ("127.0.0.1", "localhost:8787", True),
        ("::1", "localhost", True),
        ("::1", "[::1]:8787", True),
        ("192.0.2.7", "192.0.2.7:8787", True),
        ("192.0.2.7", "hooks.example.org", True),
        ("192.0.2.7", "localhost", False),
        ("127.0.0.1", "192.0.2.7", False),
        ("127.0.0.1", "127.0.0.1.evil.example.org", False),
        ("127.0.0.1", "", False),
    ],
)
def test_check_origin_accepts_own_address_and_given_names(local, host, is_accepted):
    head = RequestHead("POST", "/deploy", "", {"host": (host,)}, "127.0.0.1", local)
    if is_accepted:
        check_origin(head, ["hooks.example.org"])
    else:
        with pytest.raises(RequestRefused, match="unknown host name"):
            check_origin(head, ["hooks.example.org"])
