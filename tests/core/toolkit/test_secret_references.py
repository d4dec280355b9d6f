"""References to secrets in other places than files and variables: the keyring, commands, and credentials of systemd."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rae_auto.toolkit.extras import install_command
from rae_auto.toolkit.secrets import programs
from rae_auto.toolkit.secrets.programs import allow_programs
from rae_auto.toolkit.secrets.references import resolve_references

CANARY = "canary in the mine"

pytestmark = pytest.mark.requirement("S17")


@pytest.fixture(autouse=True)
def nothing_allowed():
    yield
    allow_programs(())


@pytest.fixture
def keyring(tmp_path):
    """The environment of a process with a keyring of its own: a file, as there is no desktop here."""
    pytest.importorskip("keyrings.alt")
    environment = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(tmp_path),
        "XDG_DATA_HOME": str(tmp_path),
        "PYTHON_KEYRING_BACKEND": "keyrings.alt.file.PlaintextKeyring",
    }
    save = "import keyring; keyring.set_password('https://example.org/db', 'me', 'canary in the mine')"
    subprocess.run([sys.executable, "-c", save], env=environment, check=True)
    return environment


def test_keyring_is_read_by_a_child(keyring):
    text = "${keyring:https://example.org/db/me}"
    assert resolve_references(text, keyring, "env") == (CANARY, {CANARY})
    assert "keyring" not in sys.modules


@pytest.mark.parametrize(
    ("target", "problem"),
    [
        ("db", "which is not SERVICE/USER; write ${keyring:SERVICE/USER}"),
        ("db/you", 'but the keyring has no password of "you" for "db"; run \'keyring set db you\''),
    ],
)
def test_keyring_without_the_password_is_reported(keyring, target, problem):
    with pytest.raises(ValueError) as caught:
        resolve_references(f"${{keyring:{target}}}", keyring, "env")
    assert str(caught.value) == f"env refers to ${{keyring:{target}}}, {problem}"


def test_keyring_that_is_not_installed_is_reported_with_the_command(tmp_path):
    (tmp_path / "keyring.py").write_text("raise ImportError")
    with pytest.raises(ValueError, match="but the keyring can't be read: keyring is not installed; run '") as caught:
        resolve_references("${keyring:db/me}", {**os.environ, "PYTHONPATH": str(tmp_path)}, "env")
    assert str(caught.value).endswith(f"run '{install_command('keyring')}'")


def test_keyring_without_a_backend_is_reported(keyring):
    keyring["PYTHON_KEYRING_BACKEND"] = "keyring.backends.fail.Keyring"
    with pytest.raises(ValueError, match="but the keyring can't be read: NoKeyringError"):
        resolve_references("${keyring:db/me}", keyring, "env")


@pytest.fixture
def tool(tmp_path):
    """Write a program that tells a secret as `tool`, and return its directory."""

    def write(script: str) -> dict[str, str]:
        path = tmp_path / "tool"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        return {"PATH": f"{tmp_path}:/usr/bin:/bin", "TOLD": CANARY}

    return write


def test_command_runs_without_a_shell_and_is_read_each_time(tool, tmp_path):
    environment = tool('echo "$TOLD $# $1"; date +%s%N >> calls')
    allow_programs(["tool"])
    for _ in range(2):
        text, secrets = resolve_references("<${cmd:tool 'a; b'}>", environment, "env", str(tmp_path))
        assert text == f"<{CANARY} 1 a; b>"
        assert secrets == {text[1:-1]}
    assert len((tmp_path / "calls").read_text().splitlines()) == 2


def test_command_that_is_not_allowed_never_runs(tool, tmp_path):
    environment = tool("touch ran")
    with pytest.raises(ValueError, match=r'does not allow it; set secret_commands = \["tool"\]'):
        resolve_references("${cmd:tool}", environment, "env", str(tmp_path))
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("script", "problem"),
    [
        ("echo canary in the mine >&2; echo canary in the mine; exit 3", "failed with exit code 3; run the command by"),
        ("head -c 2000000 /dev/zero", "prints no secret: it prints more than 1 MB"),
        ("printf '\\377'", "what it prints is not UTF-8 text"),
    ],
)
def test_command_that_fails_is_reported_without_its_output(tool, tmp_path, script, problem):
    environment = tool(script)
    allow_programs(["tool"])
    with pytest.raises(ValueError) as caught:
        resolve_references("${cmd:tool}", environment, "password", str(tmp_path))
    assert problem in str(caught.value)
    assert "canary" not in str(caught.value)


def test_command_that_asks_for_something_is_ended(tool, tmp_path, monkeypatch):
    environment = tool("sleep 600 & sleep 600")
    monkeypatch.setattr(programs, "PROGRAM_SECONDS", 0.3)
    allow_programs(["tool"])
    began = time.monotonic()
    with pytest.raises(ValueError, match=r"did not end within 0.3 s; it must answer without asking"):
        resolve_references("${cmd:tool}", environment, "env", str(tmp_path))
    assert time.monotonic() - began < 30


def test_missing_command_is_reported(tmp_path):
    allow_programs(["no-such-tool"])
    with pytest.raises(ValueError, match=r'"no-such-tool" can\'t be started: No such file or directory; install it'):
        resolve_references("${cmd:no-such-tool}", {"PATH": "/usr/bin"}, "env")


@pytest.fixture
def credentials(tmp_path):
    """The environment of a service with a credential, readable by a group as systemd's access lists make it seem."""
    path = tmp_path / "token"
    path.write_text(CANARY + "\n")
    path.chmod(0o440)
    return {"CREDENTIALS_DIRECTORY": str(tmp_path)}


def test_credential_of_the_service_is_read(credentials):
    assert resolve_references("${credential:token}", credentials, "env") == (CANARY, {CANARY})
    assert resolve_references("${credential:token}", credentials, "stdin", strip=False) == (CANARY + "\n", {CANARY})


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("other", "can't be read: No such file or directory; add LoadCredential=other:PATH to the systemd unit"),
        ("../token", "is not the name of a credential"),
        ("/etc/passwd", "is not the name of a credential"),
    ],
)
def test_credential_that_is_not_there_is_reported(credentials, name, problem):
    with pytest.raises(ValueError) as caught:
        resolve_references(f"${{credential:{name}}}", credentials, "env")
    assert problem in str(caught.value)


def test_credential_outside_of_a_service_is_reported():
    with pytest.raises(ValueError, match="the daemon has no credentials; add LoadCredential=token:PATH to its systemd"):
        resolve_references("${credential:token}", {}, "env")


def test_check_runs_no_program(tool, tmp_path: Path):
    environment = tool("touch ran")
    allow_programs(["tool"])
    text = "${cmd:tool} ${keyring:a/b} ${credential:c} ${env:TOLD}"
    shown, _ = resolve_references(text, environment, "env", str(tmp_path), run_programs=False)
    assert shown == f"${{cmd:tool}} ${{keyring:a/b}} ${{credential:c}} {CANARY}"
    assert not (tmp_path / "ran").exists()
