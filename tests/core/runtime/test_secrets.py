"""Secrets come by reference, reach the job, and are found nowhere else."""

import asyncio
import os
from pathlib import Path

import pytest

from rae_auto import Job, Scheduler
from rae_auto.model.run import Result
from rae_auto.runtime.secrets import mask_result, resolve_job
from rae_auto.toolkit.secrets.masking import mask_secrets, sort_secrets

CANARY = "canary-in-the-mine"


def resolve_secrets(env, inherited):
    """The values of the variables, and the secrets among them."""
    resolved = resolve_job(Job(id="job", command="true", env=env), inherited)
    return dict(resolved.env), resolved.secrets


@pytest.fixture
def private(tmp_path):
    """A file that only its owner can read."""
    path = tmp_path / "token"
    path.write_text(CANARY + "\n")
    path.chmod(0o600)
    return path


@pytest.mark.requirement("S17")
def test_references_are_replaced_wherever_they_stand(private):
    env = {"URL": "https://${env:WHO}:${file:" + str(private) + "}@host", "PLAIN": "$HOME ${HOME} ${x:y}"}
    assert resolve_secrets(env, {"WHO": "alice"}) == (
        {"URL": f"https://alice:{CANARY}@host", "PLAIN": "$HOME ${HOME} ${x:y}"},
        (CANARY,),
    )


@pytest.mark.requirement("S17")
@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("${env:NOBODY}", "refers to ${env:NOBODY}, which is not set in the daemon's environment"),
        ("${file:/does/not/exist}", "refers to /does/not/exist, which can't be read: No such file or directory"),
        ("${file:/}", "refers to /, which can't be read: Is a directory"),
        ("${file:/dev/null}", "refers to /dev/null, which other users can read; run 'chmod 600 /dev/null'"),
    ],
)
def test_secret_reference_without_a_target_is_reported(reference, message):
    with pytest.raises(ValueError) as caught:
        resolve_secrets({"TOKEN": reference}, {})
    assert message in str(caught.value)


@pytest.mark.requirement("S17")
def test_a_file_that_others_may_read_holds_no_secret(private):
    private.chmod(0o640)
    with pytest.raises(ValueError, match="other users can read; run 'chmod 600"):
        resolve_secrets({"TOKEN": f"${{file:{private}}}"}, {})


def test_secret_in_a_pipe_is_refused_without_waiting(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe, 0o600)
    with pytest.raises(ValueError, match="is not a regular file; write the secret to one"):
        resolve_secrets({"TOKEN": f"${{file:{pipe}}}"}, {})


def test_binary_secret_file_is_reported(private):
    private.write_bytes(b"\xff\xfe")
    with pytest.raises(ValueError, match="it is not UTF-8 text"):
        resolve_secrets({"TOKEN": f"${{file:{private}}}"}, {})


@pytest.mark.requirement("S17")
def test_a_secret_that_begins_with_another_is_masked_whole():
    assert mask_secrets("longer and long", sort_secrets(["long", "longer", "no"])) == "*** and ***"


@pytest.mark.requirement("S17")
@pytest.mark.parametrize(
    "name",
    ["GITHUB_TOKEN", "DB_PASSWORD", "PGPASSWORD", "API_KEY", "AWS_SECRET_ACCESS_KEY", "apiKey", "SMTP_PASS", "key"],
)
def test_variable_with_the_name_of_a_secret_is_one(name):
    assert resolve_secrets({"X": f"${{env:{name}}}"}, {name: CANARY}) == ({"X": CANARY}, (CANARY,))


@pytest.mark.requirement("S17")
def test_url_with_a_password_is_a_secret():
    url = "postgres://me:hidden@db/main"
    assert resolve_secrets({"X": "${env:DATABASE_URL}"}, {"DATABASE_URL": url})[1] == (url,)


@pytest.mark.parametrize(
    "name", ["PATH", "HOME", "USER", "LANG", "MONKEY", "KEYBOARD", "COMPASS", "AUTHOR", "SSH_AUTH_SOCK", "KEY_FILE"]
)
def test_variable_with_another_name_is_shown(name):
    assert resolve_secrets({"X": f"${{env:{name}}}"}, {name: CANARY}) == ({"X": CANARY}, ())


@pytest.mark.requirement("S17")
def test_a_result_keeps_no_secret():
    result = Result(exit_code=1, error=f"bad token {CANARY}", value={"token": CANARY})
    assert mask_result(result, [CANARY]) == Result(exit_code=1, error="bad token ***", value="***")
    harmless = Result(exit_code=0, value=[1, "x"])
    assert mask_result(harmless, [CANARY]) == harmless


@pytest.mark.requirement("S17")
@pytest.mark.skipif(os.name == "nt", reason="needs POSIX processes")
@pytest.mark.parametrize("store", ["sqlite", "json"])
def test_a_secret_reaches_its_job_and_no_file(tmp_path, private, monkeypatch, store):
    monkeypatch.setenv("DAEMONS_TOKEN", "other-" + CANARY)
    state = tmp_path / "state"
    # The job proves that it has both, and prints them.
    script = 'test "$ONE" = "$EXPECTED" && echo "$ONE and $TWO" && cat /proc/$$/cmdline 2>/dev/null || exit 9'
    env = {"ONE": f"${{file:{private}}}", "TWO": "${env:DAEMONS_TOKEN}", "EXPECTED": f"${{file:{private}}}"}

    async def main():
        async with asyncio.timeout(60):
            async with Scheduler(directory=state, store=store) as scheduler:
                await scheduler.add_job(Job(name="uses", shell=script, env=env))
                ran = await scheduler.wait(await scheduler.trigger("uses"))
                await scheduler.add_job(Job(name="lacks", shell="true", env={"ONE": "${env:NOBODY}"}))
                lacked = await scheduler.wait(await scheduler.trigger("lacks"))
                return ran, lacked

    ran, lacked = asyncio.run(main())
    assert ran.exit_code == 0
    assert "which is not set in the daemon's environment" in lacked.attempts[0].result.error
    output = (state / "output" / ran.job / f"{ran.id}.1.log").read_text()
    assert output.startswith("*** and ***\n")
    holding = [p for p in Path(state).rglob("*") if p.is_file() and CANARY.encode() in p.read_bytes()]
    assert holding == []
