"""rae-trigger-webhook as a third-party plugin: installed, listed, documented, and used by a real daemon."""

import json
import re
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from http.client import HTTPConnection
from pathlib import Path

import pytest
from tests.support.contrib_plugins import install_contrib_plugin
from tests.support.daemons import Daemons
from tests.support.packages import need
from tests.support.waiting import eventually

from rae_auto.testing.harness.ports import free_port

ROOT = Path(__file__).resolve().parents[2]
PROJECT = ROOT / "contrib" / "rae-trigger-webhook"
README = (PROJECT / "README.md").read_text()
TOKEN = "0123456789abcdef0123456789abcdef"


def run(*command: object, cwd: Path) -> str:
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, cwd=cwd)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def python(*command: object, cwd: Path) -> str:
    return run(sys.executable, "-m", *command, cwd=cwd)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder in which it is installed."""
    return install_contrib_plugin(PROJECT.name, tmp_path_factory.mktemp("plugin"))


@pytest.fixture(autouse=True)
def _installed(site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(site))
    monkeypatch.setenv("RAE_STATE_DIR", str(tmp_path / "state"))
    # Its own tests are no part of what is measured here, nor of how these tests are run.
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)


def configuration(path: Path, text: str) -> Path:
    path.write_text(text)
    path.chmod(0o600)
    return path


def test_webhook_option_errors_name_the_line(tmp_path: Path) -> None:
    config = configuration(
        tmp_path / "rae.toml",
        '[jobs.a]\ncommand = ["true"]\n[jobs.a.trigger]\ntype = "webhook"\npath = "deploy"\nport = "x"\n'
        'token = "${env:X}"\n',
    )
    check_pattern = subprocess.run(
        [sys.executable, "-m", "rae_auto", "check", "--config", config], capture_output=True, text=True
    )
    assert check_pattern.returncode == 2
    assert '/rae.toml:5: jobs.a.trigger.path: must be the path of a URL, such as "/deploy"' in check_pattern.stdout
    assert "/rae.toml:6: jobs.a.trigger.port: must be a whole number" in check_pattern.stdout


# At work

Start = Callable[[str], tuple[Daemons, int]]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Return a function that starts a daemon with a configuration, in which `{port}` is a free port."""
    started: list[Daemons] = []

    def make(text: str) -> tuple[Daemons, int]:
        port = free_port()
        daemons = Daemons(tmp_path, text.replace("{port}", str(port)))
        started.append(daemons)
        daemons.serve()
        eventually(lambda: can_connect(port))
        return daemons, port

    yield make
    for daemons in started:
        daemons.end()


def can_connect(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def post(port: int, path: str, body: str, **headers: str) -> tuple[int, dict[str, str]]:
    connection = HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("POST", path, body, {name.replace("_", "-"): text for name, text in headers.items()})
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


CONFIGURATION = (
    """
[jobs.deploy]
shell = 'printf %s "$RAE_EVENT" > "{home}/$RAE_RUN_ID"'
overlap = "allow"
trigger = {{ type = "webhook", path = "/deploy", port = {port}, token = "{token}" }}
""".replace("{{", "{")
    .replace("}}", "}")
    .replace("{token}", TOKEN)
)


def test_webhook_request_starts_the_job_with_its_event(start: Start, tmp_path: Path) -> None:
    _, port = start(CONFIGURATION)
    headers = {"Authorization": f"Bearer {TOKEN}", "Content_Type": "application/json", "Idempotency_Key": "one"}
    status, answer = post(port, "/deploy?from=test", '{"branch": "main"}', **headers)

    assert status == 202
    (known,) = json.loads(python("rae_auto", "history", "--json", cwd=tmp_path))
    assert (known["run_id"], known["job"], known["trigger"]) == (answer["run_id"], "deploy", known["trigger"])
    eventually(lambda: json.loads(python("rae_auto", "history", "--json", cwd=tmp_path))[0]["state"] == "succeeded")
    event = json.loads((tmp_path / answer["run_id"]).read_text())
    assert (event["body"], event["query"]) == ({"branch": "main"}, {"from": "test"})
    assert TOKEN not in json.dumps(event)


@pytest.mark.requirement("R3", "S15")
def test_webhook_request_repeated_after_a_kill_is_the_same_run(start: Start, tmp_path: Path) -> None:
    daemons, port = start(CONFIGURATION)
    headers = {"Authorization": f"Bearer {TOKEN}", "Idempotency_Key": "one"}
    before = post(port, "/deploy", "", **headers)
    daemons.kill()
    daemons.serve()
    eventually(lambda: can_connect(port))
    assert post(port, "/deploy", "", **headers) == before
    assert len(json.loads(python("rae_auto", "history", "--json", cwd=tmp_path))) == 1


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def test_webhook_readme_examples_work(start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    need({"curl": "curl", "openssl": "openssl"})
    make_secret, send = [text for text in blocks("sh") if "openssl" in text]
    example = blocks("toml")[0]
    (tmp_path / "deploy.sh").write_text('#!/bin/sh\nprintf %s "$RAE_EVENT" > event\n')
    (tmp_path / "deploy.sh").chmod(0o700)
    monkeypatch.setenv("HOME", str(tmp_path))
    run("bash", "-ec", make_secret, cwd=tmp_path)
    check_pattern = configuration(tmp_path / "checked.toml", example)
    python("rae_auto", "check", "--config", check_pattern, cwd=tmp_path)

    _, port = start(example.replace("path =", "port = {port}, path =") + 'cwd = "{home}"\n')
    send = send.replace("8787", str(port))
    first, again = (json.loads(run("bash", "-ec", send, cwd=tmp_path)) for _ in range(2))

    assert first == again
    assert first["run_id"] == json.loads(python("rae_auto", "history", "--json", cwd=tmp_path))[0]["run_id"]
    event = json.loads(eventually(lambda: (tmp_path / "event").exists() and (tmp_path / "event").read_text()))
    assert event["body"] == {"branch": "main"}
    assert set(event) == set(json.loads(blocks("text")[0]))
