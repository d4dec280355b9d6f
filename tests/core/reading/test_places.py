"""Where jobs are defined, found fast, and equal to what the scan of all keys finds."""

from pathlib import Path

import pytest

from rae_auto.config.toml.positions import job_lines_of, lines_of
from rae_auto.reading import places

TEXTS = (
    '[jobs.a]\ncommand = ["true"]\n[ jobs . b ] # a note\nshell = """\n[jobs.none]\n"""\n',
    "include = [\"more/*.toml\"]\njobs.a.shell = '''\n[jobs.x]'''\n[jobs]\nb = { shell = \"true\" }\nc.shell = 'x'\n",
    '[jobs."a"]\nshell = "[jobs.z]"\n[[jobs.b.triggers]]\ntype = "cron"\n[jobs.b]\nenv = { A = "[jobs.y]" }\n',
    '[defaults]\njobs = "no"\n["jobs".\'a-1\'.retry]\nattempts = 3\n[notifiers.jobs]\ntype = "x"\n',
    "jobs = { a = { shell = 'true' }, b = { shell = 'true' } }\nmax_parallel = 3\n",
    "[jobs.a]\nargs = [\n  [1],\n]\n\n[jobs.b]\n",
)


def find_place(config: Path, job: str) -> str | None:
    found = places.find_place(config, job)
    return None if found is None else found.text


@pytest.mark.parametrize("text", TEXTS)
def test_lines_of_jobs_are_those_of_the_scan_of_all_keys(text: str) -> None:
    expected = {key[1]: line for key, line in lines_of(text).items() if len(key) == 2 and key[0] == "jobs"}
    assert job_lines_of(text).lines == expected


def test_place_of_a_job_follows_the_files_as_they_change(tmp_path: Path) -> None:
    config, other = tmp_path / "rae.toml", tmp_path / "more.toml"
    config.write_text('include = ["*.toml"]\n[jobs.a]\nshell = "true"\n')
    other.write_text('[jobs.b]\nshell = "true"\n')
    assert (find_place(config, "a"), find_place(config, "b")) == ("rae.toml:2", f"{other}:1")
    other.write_text('\n\n[jobs.b]\nshell = "true"\n[jobs.c]\nshell = "true"\n')
    assert (find_place(config, "b"), find_place(config, "c")) == (f"{other}:3", f"{other}:5")


@pytest.mark.parametrize("content", ["[jobs.a\n", "a = 1 = 2\n[jobs.a]\n", "\xff"])
def test_place_in_a_file_that_is_no_toml_is_unknown(content: str, tmp_path: Path) -> None:
    config = tmp_path / "rae.toml"
    config.write_text(content, encoding="latin-1")
    assert find_place(config, "a") is None
    assert find_place(tmp_path / "none.toml", "a") is None
