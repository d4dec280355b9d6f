"""Secrets reach their jobs, whatever happens to the daemon, and are found in no other place."""

import hashlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.support.daemons import Daemons
from tests.support.waiting import eventually

pytestmark = [
    pytest.mark.requirement("S17"),
    pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="looks for secrets in /proc"),
]

CANARIES = {"file": "canary-of-a-file", "input": "canary-of-the-input", "tool": "canary-of-a-tool"}

HEAD = 'secret_commands = ["sh"]\n'

JOB = """
[notifiers.note]
type = "command"
command = ["sh", "-c", "cat >> {home}/notices; tr '\\\\0' '\\\\n' < /proc/$$/environ >> {home}/notices"]

[jobs.uses]
command = ["sh", "{home}/job.sh"]
env = { TOOL = "${cmd:sh {home}/tool}" }
stdin = "${file:{home}/input}"
secret_files = { TOKEN_FILE = "${file:{home}/token}" }
notify = { on = ["success", "failure"], via = ["note"] }
"""

SCRIPT = """
read given
stat -c '%a' "$TOKEN_FILE" "$(dirname "$TOKEN_FILE")" > modes
{ echo "$given"; cat "$TOKEN_FILE"; echo "$TOOL"; } | sha256sum > got
echo "I have $given, $(cat "$TOKEN_FILE") and $TOOL"
echo "$TOKEN_FILE" > where
while [ ! -e go ]; do sleep 0.05; done
echo "failed with $TOOL" >&2
exit 3
"""


@pytest.fixture
def busy(daemons: Callable[..., Daemons], tmp_path: Path) -> Iterator[Daemons]:
    """A daemon whose job has all its secrets, and waits."""
    (tmp_path / "job.sh").write_text(SCRIPT)
    private = {"token": CANARIES["file"] + "\n", "input": CANARIES["input"] + "\n"}
    for name, text in {**private, "tool": f"echo {CANARIES['tool']}\n"}.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o600)
    d = daemons(JOB, HEAD)
    d.serve()
    d.ask("trigger", job="uses")
    eventually(lambda: (tmp_path / "where").exists() and (tmp_path / "where").read_text().endswith("\n"))
    yield d


def where(d: Daemons) -> Path:
    return Path((d.home / "where").read_text().strip())


def files_with_canaries(*places: Path) -> list[Path]:
    files = [file for place in places for file in ([place] if place.is_file() else place.rglob("*"))]
    wanted = [canary.encode() for canary in CANARIES.values()]
    return [file for file in files if file.is_file() and any(one in file.read_bytes() for one in wanted)]


def arguments_with_canaries() -> list[bytes]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            arguments = path.read_bytes()
        except OSError:
            continue
        if any(canary.encode() in arguments for canary in CANARIES.values()):
            found.append(arguments)
    return found


def test_secrets_reach_the_job_and_no_place_to_look(busy: Daemons) -> None:
    expected = hashlib.sha256("".join(f"{CANARIES[name]}\n" for name in ("input", "file", "tool")).encode())
    assert (busy.home / "got").read_text().split()[0] == expected.hexdigest()
    assert (busy.home / "modes").read_text().split() == ["600", "700"]
    # While it runs, its private file is the only place.
    assert files_with_canaries(busy.state) == [where(busy)]
    assert arguments_with_canaries() == []
    (busy.home / "go").touch()
    eventually(lambda: (busy.home / "notices").exists() and "PATH=" in (busy.home / "notices").read_text())
    assert not where(busy).parent.exists()
    busy.stop()
    notices = (busy.home / "notices").read_text()
    assert "I have ***, *** and ***" in notices
    assert files_with_canaries(busy.state, busy.home / "notices") == []
    assert not [canary for canary in CANARIES.values() if canary in busy.output()]


def test_private_files_go_with_a_job_that_ends_without_a_daemon(busy: Daemons) -> None:
    busy.kill()
    assert where(busy).exists()
    (busy.home / "go").touch()
    eventually(lambda: not where(busy).parent.exists())


def test_private_files_stay_with_an_adopted_job(busy: Daemons) -> None:
    busy.kill()
    leftover = where(busy).parent.parent / "01ARZ3NDEKTSV4RRFFQ69G5FAV.1"
    leftover.mkdir()
    (leftover / "TOKEN_FILE").write_text("left by a crash")
    busy.serve()
    eventually(lambda: not leftover.exists())
    assert where(busy).read_text() == CANARIES["file"] + "\n"
    (busy.home / "go").touch()
    eventually(lambda: busy.ask("history", job="uses")[0]["state"] == "failed")
    assert not where(busy).parent.exists()
    assert files_with_canaries(busy.state) == []


def test_changed_secret_is_used_by_the_next_attempt(daemons: Callable[..., Daemons], tmp_path: Path) -> None:
    (tmp_path / "token").touch(0o600)
    (tmp_path / "token").write_text("first-secret")
    job = """
[jobs.reads]
command = ["sh", "-c", 'printf %s "$TOKEN" | wc -c >> {home}/sizes; test -e {home}/go']
env = { TOKEN = "${file:{home}/token}" }
retry = { attempts = 100, delay = "50ms", backoff = "constant" }
"""
    d = daemons(job)
    d.serve()
    d.ask("trigger", job="reads")
    sizes = tmp_path / "sizes"
    eventually(lambda: sizes.exists() and "12" in sizes.read_text())
    replacement = tmp_path / "new"
    replacement.touch(0o600)
    replacement.write_text("the second secret")
    os.replace(replacement, tmp_path / "token")
    eventually(lambda: "17" in sizes.read_text())


def test_secret_argument_is_refused_with_a_hint(daemons: Callable[..., Daemons]) -> None:
    d = daemons('[jobs.shows]\ncommand = ["curl", "-H", "Authorization: ${env:TOKEN}"]\n')
    code, lines = d.refused()
    assert code == 2
    line = "command refers to ${env:TOKEN}, but other users can read arguments; pass it in env, stdin or secret_files"
    assert line in lines
