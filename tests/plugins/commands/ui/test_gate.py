"""The gate of the page: each refusal, on every route."""

import asyncio
import json
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.types import ASGIApp, Message
from tests.plugins.commands.ui.conftest import Page

from rae_auto.testing.commands import FakeContext
from rae_plugins.commands.ui.application import build_application
from rae_plugins.commands.ui.assets import load_assets
from rae_plugins.commands.ui.gate import Door
from rae_plugins.commands.ui.json_api import ROUTES
from rae_plugins.commands.ui.sessions import MAX_LINKS, MAX_SESSIONS, BrowserSessions

FORM = "application/x-www-form-urlencoded"


def every_path(page: Page) -> list[str]:
    """Return an address for every route that answers GET, and one that leads nowhere."""
    names = {"job": "bad", "run": page.runs["bad"], "name": "app.css", "date": "2026-01-05", "code": "need_failed"}
    gate = build_application(FakeContext(Path("/nowhere")), Door("127.0.0.1", 1), BrowserSessions())
    pages = gate._app.app.routes  # type: ignore[attr-defined]
    routes = [*(route for route in pages if not route.path.startswith("/api/")), *ROUTES]
    paths = [re.sub(r"{(\w+)}", lambda found: names[found[1]], route.path) for route in routes]
    static = [asset.path for asset in load_assets().values()]
    return [*(path for path in paths if path not in ("/do", "/api/do", "/login")), *static, "/nowhere", "/do"]


def answer_of(gate: ASGIApp, method: str, headers: dict[str, str], body: bytes = b"") -> tuple[int, str]:
    """Return status and text of the answer of an application that is asked directly."""
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    named = [(name.encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "method": method, "path": "/do", "query_string": b"", "headers": named}
    asyncio.run(gate(scope, receive, send))  # type: ignore[arg-type]
    return sent[0]["status"], b"".join(one.get("body", b"") for one in sent[1:]).decode()


@pytest.fixture(scope="module", autouse=True)
def silent(page: Page) -> Iterator[socket.socket]:
    """Half a request; while it is waited for, the other tests go on."""
    with socket.create_connection(("127.0.0.1", page.port), timeout=60) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHo")
        yield connection


@pytest.mark.requirement("S8")
@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.org", "localhost"])
def test_page_listens_on_no_address_that_others_reach(host: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "rae_auto", "ui", "--host", host, "--port", "0"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=60)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("rae-auto: host must be an address of this machine alone")


@pytest.mark.parametrize(
    ("port", "host", "status"),
    [(80, "127.0.0.1", 401), (80, "localhost:80", 401), (80, "[::1]", 401), (80, "evil.example", 421),
     (8080, "127.0.0.1", 421), (8080, "localhost:8080", 401)],
)  # fmt: skip
def test_host_has_no_port_where_it_is_that_of_http(port: int, host: str, status: int) -> None:
    sessions = BrowserSessions()
    gate = build_application(FakeContext(Path("/nowhere")), Door("127.0.0.1", port), sessions)
    assert answer_of(gate, "GET", {"host": host})[0] == status
    if status == 421:
        return
    session = sessions.sign_in(sessions.create_link_token())
    change = {"cookie": f"rae_ui_{port}={session}", "content-type": FORM, "host": host}
    own = f"http://{host}".removesuffix(":80")
    for origin, text in ((own, "not come from a page of this session"), ("http://evil.example", "of this address")):
        found = answer_of(gate, "POST", {**change, "origin": origin}, b"csrf=wrong")
        assert (found[0], text in found[1]) == (403, True)


@pytest.mark.requirement("S9")
@pytest.mark.parametrize("cookie", ["", "rae_ui_{port}=", "rae_ui_{port}=wrong", "rae_ui_1=x", "=;\x7f"])
def test_every_route_needs_a_session(page: Page, cookie: str) -> None:
    for path in every_path(page):
        answer = page.ask(path, signed_in=False, Cookie=cookie.format(port=page.port))
        assert answer.status == 401, path
        assert "sign in with the link" in answer.text
        assert "set-cookie" not in answer.headers


@pytest.mark.requirement("S9")
@pytest.mark.parametrize("token", ["", "wrong", "{token}", "%00", "%C3%BC"])
def test_link_works_once_and_no_other_token_does(page: Page, token: str) -> None:
    answer = page.ask(f"/login?token={token.format(token=page.token)}", signed_in=False)
    assert answer.status == 401
    assert "set-cookie" not in answer.headers


@pytest.mark.requirement("S9")
def test_session_is_kept_from_scripts_and_other_sites(page: Page) -> None:
    name, value = page.set_cookie.partition(";")[0].split("=", 1)
    attributes = {part.strip().lower() for part in page.set_cookie.split(";")[1:]}
    assert name == f"rae_ui_{page.port}"
    assert len(value) >= 43
    assert attributes == {"httponly", "path=/", "samesite=strict"}


@pytest.mark.requirement("S9")
def test_link_ends_after_its_time_and_links_and_sessions_are_bounded() -> None:
    now = 0.0
    sessions = BrowserSessions(lambda: now)
    token = sessions.create_link_token()
    now = 901.0
    assert sessions.sign_in(token) is None
    first = sessions.create_link_token()
    for _ in range(MAX_LINKS):
        sessions.create_link_token()
    assert sessions.sign_in(first) is None
    ids = [sessions.sign_in(sessions.create_link_token()) for _ in range(MAX_SESSIONS + 1)]
    assert [sessions.find(str(one)) is not None for one in ids] == [False, *[True] * MAX_SESSIONS]


@pytest.mark.requirement("S10")
@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1", "127.0.0.1:1", "localhost.evil.example:{port}", ""])
def test_other_hosts_are_refused_before_anything_else(page: Page, host: str) -> None:
    for path in ("/", "/login?token=x", "/nowhere"):
        assert page.ask(path, Host=host.format(port=page.port)).status in (400, 421)


@pytest.mark.requirement("S10")
def test_two_hosts_or_none_are_refused(page: Page) -> None:
    own = f"Host: 127.0.0.1:{page.port}\r\n"
    for hosts in ("", own * 2, f"{own}Host: evil.example\r\n"):
        request = f"GET / HTTP/1.1\r\n{hosts}Cookie: {page.cookie}\r\nConnection: close\r\n\r\n"
        assert page.raw(request.encode()).split()[1] in (b"400", b"421")


@pytest.mark.requirement("S10")
def test_absolute_address_of_another_host_is_not_served(page: Page) -> None:
    head = f"Host: evil.example\r\nCookie: {page.cookie}\r\nConnection: close"
    request = f"GET http://evil.example/ HTTP/1.1\r\n{head}\r\n\r\n"
    assert page.raw(request.encode()).split()[1] in (b"400", b"421")


@pytest.mark.requirement("S11")
@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_what_another_site_asks_for_is_refused(page: Page, site: str) -> None:
    for path in every_path(page):
        assert page.ask(path, Sec_Fetch_Site=site).status == 403, path


@pytest.mark.requirement("S11")
@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "TRIGGER"])
def test_other_methods_are_refused(page: Page, method: str) -> None:
    assert page.ask("/", method).status == 405
    assert page.ask("/do", method, X_HTTP_Method_Override="POST").status == 405


@pytest.mark.requirement("S11")
def test_nothing_changes_by_reading(page: Page) -> None:
    before, token = page.daemons.ask("list"), page.csrf()
    for path in every_path(page):
        for method in ("GET", "HEAD"):
            if not path.endswith(("/follow", "/events")):
                page.ask(f"{path}?kind=pause&target=good&csrf={token}", method)
    assert [job["paused"] for job in page.daemons.ask("list")] == [job["paused"] for job in before]


@pytest.mark.requirement("S11")
@pytest.mark.parametrize(
    ("headers", "token", "status"),
    [
        ({}, True, 403),
        ({"Origin": "null"}, True, 403),
        ({"Origin": "http://evil.example"}, True, 403),
        ({"Origin": "http://localhost:{port}"}, True, 403),
        ({"Origin": "http://127.0.0.1:{port}"}, False, 403),
        ({"Origin": "http://127.0.0.1:{port}", "Content_Type": "text/plain"}, True, 415),
        ({"Origin": "http://127.0.0.1:{port}", "Content_Type": "multipart/form-data; boundary=x"}, True, 415),
        ({"Origin": "http://127.0.0.1:{port}", "Sec_Fetch_Site": "cross-site"}, True, 403),
    ],
)
def test_change_from_elsewhere_is_refused(page: Page, headers: dict[str, str], token: bool, status: int) -> None:
    given = {"Content_Type": FORM, **{name: value.format(port=page.port) for name, value in headers.items()}}
    body = f"csrf={page.csrf() if token else 'wrong'}&kind=pause&target=good"
    assert page.ask("/do", "POST", body, **given).status == status
    assert not page.daemons.ask("show", job="good")["info"]["paused"]


@pytest.mark.requirement("S11")
def test_json_change_needs_the_token_as_a_header(page: Page) -> None:
    given = {"Origin": page.origin, "Content_Type": "application/json"}
    change, token = {"kind": "pause", "target": "good"}, page.csrf()
    assert page.ask("/api/do", "POST", json.dumps({**change, "csrf": token}), **given).status == 403
    assert page.ask("/api/do", "POST", json.dumps(change), X_CSRF_Token=token, **given).status == 200
    assert page.daemons.ask("show", job="good")["info"]["paused"]
    page.daemons.ask("resume", job="good")


def test_change_from_a_page_is_carried_out_and_reported(page: Page) -> None:
    answer = page.change(kind="pause", target="good", note="holiday", back="/jobs/good")
    assert (answer.status, answer.headers["location"]) == (303, "/jobs/good")
    assert page.daemons.ask("show", job="good")["info"]["pause_note"] == "holiday"
    assert "&#34;good&#34; is paused" in page.ask("/jobs/good").text
    assert "&#34;good&#34; is paused" not in page.ask("/jobs/good").text
    page.change(kind="resume", target="good")
    assert not page.daemons.ask("show", job="good")["info"]["paused"]


def test_refused_change_shows_the_error_of_the_daemon(page: Page) -> None:
    page.change(kind="run", target="nothing")
    assert re.search(r'<p class="banner bad" role="status">[^<]*&#34;nothing&#34;', page.ask("/").text)


@pytest.mark.requirement("S11")
@pytest.mark.parametrize(
    "back", ["//evil.example", "http://evil.example/", "/\\evil.example", "javascript:x", "\r\nX:1"]
)
def test_change_leads_back_to_own_pages_only(page: Page, back: str) -> None:
    answer = page.change(kind="resume", target="good", back=back)
    assert (answer.status, answer.headers["location"]) == (303, "/")


@pytest.mark.requirement("S11")
def test_read_only_page_refuses_every_change_and_offers_none(read_only_page: Page) -> None:
    for path in ("/", "/jobs", "/jobs/good", "/health"):
        text = read_only_page.ask(path).text
        assert "Read-only" in text
        assert 'action="/do"' not in text
    token = next(iter(re.findall(r'csrf="([^"]+)"', read_only_page.ask("/").text)), "")
    body = f"csrf={token}&kind=pause&target=good"
    answer = read_only_page.ask("/do", "POST", body, Origin=read_only_page.origin, Content_Type=FORM)
    assert answer.status == 403
    assert not read_only_page.daemons.ask("show", job="good")["info"]["paused"]


@pytest.mark.requirement("S12")
def test_every_answer_has_the_policy_and_is_kept_nowhere(page: Page) -> None:
    for path in [*every_path(page), "/login?token=x"]:
        if path.endswith(("/follow", "/events")):
            continue
        headers = page.ask(path).headers
        policy = headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'")
        assert "unsafe" not in policy
        needed = {
            "frame-ancestors 'none'",
            "trusted-types 'none'",
            "require-trusted-types-for 'script'",
            "base-uri 'none'",
        }
        assert needed <= set(policy.split("; "))
        assert headers["x-content-type-options"] == "nosniff"
        is_kept = path in [asset.path for asset in load_assets().values()]
        assert headers["cache-control"] == ("private, max-age=31536000, immutable" if is_kept else "no-store")
        assert "access-control-allow-origin" not in headers


@pytest.mark.requirement("S12")
def test_data_never_becomes_markup(page: Page) -> None:
    hostile = ["/", "/jobs", "/jobs/hostile", "/jobs?q=%22%3E%3Cscript%3E", f"/runs/{page.runs['hostile']}"]
    hostile += [
        f"/runs/{page.runs['bad']}",
        f"/runs/{page.runs['bad']}/output",
        "/jobs/%3Cscript%3Ealert(1)%3C/script%3E",
    ]
    hostile += [f"/runs/{page.runs['bad']}/output?pattern=%3Cscript%3E", "/jobs/bad/why?at=%3Cscript%3Ex"]
    for path in hostile:
        text = page.ask(path).text
        assert re.findall(r"<script(?! src=\"/static/)", text) == [], path
        assert re.findall(r"<[^>]* on\w+=", text) == [], path
        assert re.findall(r"<[^>]*\sstyle=", text) == [], path
    assert "&lt;script&gt;alert(1)" in page.ask(f"/runs/{page.runs['bad']}/output").text


@pytest.mark.requirement("S13")
@pytest.mark.parametrize(
    "request_bytes",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * (1 << 20) + b"\r\n\r\n",
        b"POST /do HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST /do HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET / HTTP/9.9\r\n\r\n",
    ],
)
def test_bad_request_is_answered_without_a_trace(page: Page, request_bytes: bytes) -> None:
    answer = page.raw(request_bytes)
    assert answer == b"" or answer.split()[1][:1] == b"4"
    assert b"Traceback" not in answer
    assert page.ask("/").status == 200


@pytest.mark.requirement("S13")
def test_body_that_is_too_large_is_refused(page: Page) -> None:
    body = "csrf=" + "x" * (1 << 21)
    try:
        status = page.ask("/do", "POST", body, Origin=page.origin, Content_Type=FORM).status
    except ConnectionError:
        status = 413
    assert status == 413
    assert page.ask("/").status == 200


@pytest.mark.requirement("S13")
def test_connection_that_never_asks_is_closed(silent: socket.socket) -> None:
    assert silent.recv(1) == b""


@pytest.mark.requirement("S13")
@pytest.mark.parametrize("query", ["start=x", "start=1e9", "limit=99999999999999999999", "attempt=-1", "pattern=("])
def test_bad_parameter_is_one_line(page: Page, query: str) -> None:
    answer = page.ask(f"/api/runs/{page.runs['bad']}/output{'/search' if 'pattern' in query else ''}?{query}")
    assert answer.status == 400
    assert answer.text.startswith('{"error":"')


@pytest.mark.requirement("S14")
@pytest.mark.parametrize(
    "path",
    [
        "/static/../gate.py", "/static/..%2fgate.py", "/static/%2e%2e%2fgate.py", "/static//etc/passwd",
        "/static/%2fetc%2fpasswd", "/static/app.css", "/static/app.000000000000.css",
        "/runs/..%2f..%2fstate/output", "/runs/%2e%2e/output/download", "/runs/x/output?attempt=../..",
        "/jobs/..%2f..%2fetc%2fpasswd",
    ],
)  # fmt: skip
def test_no_path_leads_out_of_its_root(page: Page, path: str) -> None:
    answer = page.ask(path)
    assert answer.status in (400, 404)
    assert "root:" not in answer.text
    assert "import" not in answer.text


@pytest.mark.requirement("S12")
def test_output_is_downloaded_and_never_shown_as_a_page(page: Page) -> None:
    answer = page.ask(f"/runs/{page.runs['bad']}/output/download")
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"].startswith('attachment; filename="bad-')
    assert "<script>alert(1)</script>" in answer.text
