"""`include`: jobs in several files, each with its own folder, defaults and line numbers."""

from pathlib import Path

import pytest

from rae_auto.config import check, load, load_usable_part
from rae_auto.config.files.fragments import find_job_file, identify_files
from rae_auto.errors import ConfigError
from rae_auto.registry import Registry

MAIN = 'include = ["conf.d/*.toml"]\n[defaults]\ntimeout = "1h"\n'


class Files:
    """A folder with a main file and others."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.main = folder, folder / "rae.toml"

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        path.chmod(0o600)
        return path

    def errors(self) -> list[str]:
        return [line.replace(f"{self.folder}/", "") for line in check(self.main, Registry()).errors]

    def warnings(self) -> list[str]:
        return [line.replace(f"{self.folder}/", "") for line in check(self.main, Registry()).warnings]


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def test_jobs_of_all_files_are_loaded_in_order(files: Files) -> None:
    files.write("rae.toml", f'{MAIN}[jobs.a]\ncommand = ["true"]\n')
    files.write("conf.d/20.toml", '[jobs.c]\ncommand = ["true"]\nneeds = ["a", "b"]\n')
    files.write("conf.d/10.toml", '[jobs.b]\ncommand = ["true"]\n')
    config = load(files.main, Registry())
    assert [job.id for job in config.jobs] == ["a", "b", "c"]
    assert list(config.files) == [files.main, files.folder / "conf.d/10.toml", files.folder / "conf.d/20.toml"]
    assert config.files == identify_files(files.main, config.include)


def test_each_file_has_its_own_folder_and_defaults(files: Files) -> None:
    files.write("rae.toml", f'{MAIN}[jobs.a]\ncommand = ["true"]\n')
    text = '[defaults]\npriority = "high"\n[jobs.b]\ncommand = ["true"]\ncwd = "work"\n'
    files.write("conf.d/b.toml", text + 'trigger = { type = "file", paths = ["in"] }\n')
    first, second = load(files.main, Registry()).jobs
    assert (first.directory, second.directory) == (str(files.folder), str(files.folder / "conf.d"))
    assert second.cwd == str(files.folder / "conf.d/work")
    assert second.schedule[0].options["paths"] == [str(files.folder / "conf.d/in")]
    assert (first.priority.name, second.priority.name) == ("NORMAL", "HIGH")
    assert first.timeout == second.timeout is not None


def test_notifiers_and_resources_of_a_file_serve_all(files: Files) -> None:
    job = '[jobs.a]\ncommand = ["true"]\nresources = ["db"]\nnotify = { on = ["failure"], via = ["ops"] }\n'
    files.write("rae.toml", MAIN + job)
    text = '[resources]\ndb = 2\n[notifiers.ops]\ntype = "command"\ncommand = ["true"]\n'
    files.write("conf.d/shared.toml", text)
    config = load(files.main, Registry())
    assert (config.resources, list(config.notifiers)) == ({"db": 2}, ["ops"])
    # The working directory of its command is the folder of its file.
    assert config.notifiers["ops"].options["cwd"] == str(files.folder / "conf.d")


def test_errors_name_the_file_and_the_line(files: Files) -> None:
    files.write("rae.toml", f'{MAIN}[jobs.a]\ncommand = ["true"]\nneeds = ["in-c"]\n')
    files.write("conf.d/b.toml", '# a comment\n[jobs.b]\ncommand = ["true"]\ntimeuot = 3\n')
    files.write("conf.d/c.toml", "[jobs.c\n")
    files.write("conf.d/d.toml", 'timezone = "UTC"\nnonsense = 1\n[jobs.d]\ncommand = ["true"]\nneeds = ["d"]\n')
    errors = files.errors()
    assert [line.partition(": ")[0] for line in errors] == [
        "conf.d/b.toml:4", "conf.d/d.toml:1", "conf.d/d.toml:2", "conf.d/d.toml:5", "conf.d/c.toml:1",
    ]  # fmt: skip
    assert errors[1].endswith("timezone: can't be set in an included file; move it to rae.toml")
    assert errors[2].endswith("unknown key; an included file has [defaults], [jobs], [notifiers], [resources]")
    with pytest.raises(ConfigError):
        load(files.main, Registry())


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ('[jobs.a]\ncommand = ["false"]\n', "jobs.a"),
        ("[resources]\ndb = 1\n", "resources.db"),
        ('[notifiers.ops]\ntype = "command"\ncommand = ["true"]\n', "notifiers.ops"),
    ],
)
def test_name_that_is_defined_twice_names_both_places(files: Files, text: str, key: str) -> None:
    files.write("rae.toml", f'{MAIN}[jobs.x]\ncommand = ["true"]\n{text}')
    files.write("conf.d/b.toml", f"\n{text}")
    (error,) = files.errors()
    place = "conf.d/b.toml:3" if key == "resources.db" else "conf.d/b.toml:2"
    first = 7 if key == "resources.db" else 6
    assert error == f"{place}: {key}: is defined in rae.toml:{first} too; rename or remove one of them"


def test_cycle_over_files_is_an_error(files: Files) -> None:
    files.write("rae.toml", f'{MAIN}[jobs.a]\ncommand = ["true"]\nneeds = ["b"]\n')
    files.write("conf.d/b.toml", '[jobs.b]\ncommand = ["true"]\nneeds = ["a"]\n')
    (error,) = files.errors()
    assert error.endswith("jobs need each other in a cycle: a → b → a; remove one of them")


def test_plain_name_must_exist_and_a_pattern_may_match_nothing(files: Files) -> None:
    files.write("rae.toml", 'include = ["more.toml", "none/*.toml"]\n[jobs.a]\ncommand = ["true"]\n')
    missing = 'file "more.toml" does not exist; create it, or correct the name'
    assert files.errors() == [f"rae.toml:1: include[0]: {missing}"]
    assert files.warnings() == ["rae.toml:1: include[1]: matches no file; correct it, or add files"]


def test_file_that_others_can_write_is_refused(files: Files) -> None:
    files.write("rae.toml", MAIN)
    files.write("conf.d/b.toml", '[jobs.b]\ncommand = ["true"]\n').chmod(0o666)
    (error,) = files.errors()
    assert error.startswith("conf.d/b.toml: is writable by everyone; run 'chmod go-w ")


def test_file_that_is_included_twice_counts_once(files: Files) -> None:
    files.write("rae.toml", 'include = ["b.toml", "*.toml"]\n')
    files.write("b.toml", '[jobs.b]\ncommand = ["true"]\n')
    config = load(files.main, Registry())
    assert [job.id for job in config.jobs] == ["b"]
    assert config.files == identify_files(files.main, config.include)


def test_include_that_is_text_gets_a_hint(files: Files) -> None:
    files.write("rae.toml", 'include = "conf.d/*.toml"\n[jobs.a]\ncommand = ["true"]\n')
    (error,) = files.errors()
    assert 'write ["conf.d/*.toml"]' in error


def test_broken_file_leaves_the_records_readable(files: Files) -> None:
    files.write("rae.toml", f'{MAIN}[jobs.a]\ncommand = ["true"]\n')
    files.write("conf.d/c.toml", "[jobs.c\n")
    config, lines = load_usable_part(files.main, Registry())
    assert [job.id for job in config.jobs] == ["a"]
    assert len(lines) == 1


def test_file_of_a_job_is_found_for_the_editor(files: Files) -> None:
    files.write("rae.toml", f'{MAIN}[jobs.a]\ncommand = ["true"]\n')
    there = files.write("conf.d/b.toml", '[jobs.b]\ncommand = ["true"]\n')
    assert [find_job_file(files.main, job) for job in "abz"] == [files.main, there, files.main]
