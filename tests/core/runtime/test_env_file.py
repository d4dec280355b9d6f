"""`env_file`: the grammar, what is a secret, and that it is read for each attempt."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rae_auto.checks.check import check_file
from rae_auto.model.job import Job
from rae_auto.model.primitives.names import JobId
from rae_auto.registry import Registry
from rae_auto.runtime.execution.environment import expected_environment
from rae_auto.runtime.secrets import resolve_job
from rae_auto.toolkit.secrets.env_files import parse_env_file, read_env_file


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("", {}),
        ("# a comment\n\n   \n", {}),
        ("A=1\nB=2", {"A": "1", "B": "2"}),
        ("export A=1\n  B = two words  \n", {"A": "1", "B": "two words"}),
        ("A=\nB=''\nC=\"\"", {"A": "", "B": "", "C": ""}),
        ("A=x # a comment\nB=x#y\nC=#z\nD= # y", {"A": "x", "B": "x#y", "C": "#z", "D": ""}),
        ("A='x # y' # a comment", {"A": "x # y"}),
        ('A=\'\\n $B\'\nB="\\n\\t\\\\\\"\\$"', {"A": "\\n $B", "B": '\n\t\\"$'}),
        ("A='one\ntwo'\nB=\"three\nfour\"", {"A": "one\ntwo", "B": "three\nfour"}),
        ("A=$HOME ${HOME} ${env:HOME}", {"A": "$HOME ${HOME} ${env:HOME}"}),
        ('A=it\'s\nB=say "hi"', {"A": "it's", "B": 'say "hi"'}),
        ("A=1\nA=2", {"A": "2"}),
        ("\ufeffA=1\r\nB='2'\r\n", {"A": "1", "B": "2"}),
        ("URL=postgres://me:pw@host/db?a=b", {"URL": "postgres://me:pw@host/db?a=b"}),
    ],
)
def test_grammar_of_the_file(text: str, values: dict[str, str]) -> None:
    assert parse_env_file(text, ".env") == values


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("A=1\nB", ".env:2: this is not a variable; write NAME=value"),
        ("1A=1", ".env:1: this is not a variable; write NAME=value"),
        ("A-B=1", ".env:1: this is not a variable; write NAME=value"),
        ("\n\nA='x\n", ".env:3: A has no closing '; add it"),
        ('A="x', '.env:1: A has no closing "; add it'),
        ("A='x' y", ".env:1: A has text after its closing '; put all of the value between the quotes"),
        ('A="\\d"', ".env:1: A has an unknown escape; write \\\\ for a backslash, or use single quotes"),
        ("A=\0", ".env:1: A has a null character; remove it"),
    ],
)
def test_anything_else_is_an_error_with_its_line(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=r"^\.env:") as caught:
        parse_env_file(text, ".env")
    assert str(caught.value) == problem


@given(st.text(max_size=200))
def test_any_text_gives_variables_or_one_error(text: str) -> None:
    try:
        values = parse_env_file(text, ".env")
    except ValueError as error:
        assert "\n" not in str(error)
    else:
        assert all(name.isidentifier() for name in values)


@given(st.dictionaries(st.from_regex("[A-Z_][A-Z0-9_]{0,9}", fullmatch=True), st.text(max_size=50)))
def test_quoted_values_are_read_as_they_are(values: dict[str, str]) -> None:
    values = {name: value.replace("\r", "").replace("\0", "").replace("'", "") for name, value in values.items()}
    text = "".join(f"{name}='{value}'\n" for name, value in values.items())
    assert parse_env_file(text, ".env") == values


@pytest.fixture
def job(tmp_path: Path) -> Job:
    path = tmp_path / ".env"
    path.write_text("A=plain\nAPI_TOKEN=hunter22\nDB=postgres://me:pw@host/db\nB=file\n")
    path.chmod(0o600)
    return Job(id=JobId("a"), command="true", env_file=str(path), env={"B": "env"})


def test_values_that_look_secret_are_masked_and_env_comes_first(job: Job) -> None:
    resolved = resolve_job(job, {})
    assert resolved.env == {"A": "plain", "API_TOKEN": "hunter22", "DB": "postgres://me:pw@host/db", "B": "env"}
    assert set(resolved.secrets) == {"hunter22", "postgres://me:pw@host/db"}
    environment, secrets = expected_environment(job, {})
    assert (environment["A"], environment["B"], set(secrets)) == ("plain", "env", set(resolved.secrets))


def test_file_is_read_again_for_each_attempt(job: Job) -> None:
    assert resolve_job(job, {}).env["A"] == "plain"
    Path(job.env_file or "").write_text("A=other\n")
    assert resolve_job(job, {}).env["A"] == "other"


def test_missing_file_fails_the_attempt_by_name(job: Job) -> None:
    Path(job.env_file or "").unlink()
    with pytest.raises(ValueError, match=r"^env_file .*\.env does not exist; create it, or correct the path$"):
        resolve_job(job, {})
    assert "A" not in expected_environment(job, {})[0]


@pytest.mark.parametrize(
    ("content", "mode", "problem"),
    [
        (b"A=1\n", 0o646, "can be written by everyone; run 'chmod o-w "),
        (b"A=\xff\n", 0o600, "is not UTF-8 text; save it as UTF-8"),
        (b"#" * (1 << 20) + b"\nA=1", 0o600, "is larger than 1 MiB; name a file of variables"),
    ],
)
def test_file_that_can_not_be_trusted_or_read_is_refused(
    tmp_path: Path, content: bytes, mode: int, problem: str
) -> None:
    (tmp_path / ".env").write_bytes(content)
    (tmp_path / ".env").chmod(mode)
    with pytest.raises(ValueError, match=problem):
        read_env_file(tmp_path / ".env")


def test_check_names_a_missing_and_a_bad_file(tmp_path: Path) -> None:
    path = tmp_path / "rae.toml"
    path.write_text(
        '[jobs.a]\ncommand = ["true"]\nenv_file = "a.env"\n[jobs.b]\ncommand = ["true"]\nenv_file = "b.env"\n'
    )
    path.chmod(0o600)
    (tmp_path / "b.env").write_text("A=1\n\nB\n")
    errors = [line.replace(f"{tmp_path}/", "") for line in check_file(path, Registry()).errors]
    assert errors == [
        "rae.toml:3: jobs.a.env_file: a.env does not exist; create it, or correct the path",
        "rae.toml:6: jobs.b.env_file: b.env:3: this is not a variable; write NAME=value",
    ]
    (tmp_path / "a.env").touch()
    (tmp_path / "b.env").write_text("A=1\n")
    assert check_file(path, Registry()).errors == ()
