"""Command lines and environments of Windows, as they are built on any platform."""

import subprocess

import pytest

from rae_auto.model.job import Job
from rae_plugins.executors.process.job_checks import find_windows_problem
from rae_plugins.executors.process.keeper.windows.command_line import (
    MAX_BATCH_LINE_CHARACTERS,
    CommandRefused,
    build_command,
    build_shell_command,
)
from rae_plugins.executors.process.keeper.windows.environment import complete_environment, keeper_environment
from rae_plugins.executors.process.keeper.windows.exit_status import explain_status

ENVIRONMENT = {
    "Path": 'C:\\tools;"D:\\more tools";relative;',
    "PathExt": ".COM;.EXE;.BAT;.CMD",
    "SystemRoot": "C:\\Windows",
    "ComSpec": "C:\\Windows\\System32\\cmd.exe",
}
FILES = {
    "C:\\tools\\tool.exe",
    "C:\\tools\\both.exe", "C:\\tools\\both.cmd", "D:\\more tools\\far.exe", "C:\\work\\here.exe",
    "C:\\tools\\npm.cmd", "C:\\work\\job.bat", "C:\\work\\job.py", "C:\\work\\job.ps1", "C:\\work\\bin\\deep.exe",
    "C:\\Windows\\py.exe", "C:\\tools\\pwsh.exe", "C:\\tools\\bash.exe", "C:\\work\\relative\\odd.exe",
}  # fmt: skip


def build(*argv: str, files: set[str] = FILES, python: str | None = None) -> tuple[str, str]:
    return build_command(argv, ENVIRONMENT, "C:\\work", python, files.__contains__)


@pytest.mark.parametrize(
    ("name", "program"),
    [
        ("tool", "C:\\tools\\tool.exe"),
        ("tool.exe", "C:\\tools\\tool.exe"),
        ("both", "C:\\tools\\both.exe"),
        ("far", "D:\\more tools\\far.exe"),
        ("odd", "C:\\work\\relative\\odd.exe"),
        (".\\here", "C:\\work\\here.exe"),
        ("bin/deep.exe", "C:\\work\\bin\\deep.exe"),
        ("C:\\tools\\tool.exe", "C:\\tools\\tool.exe"),
    ],
)
def test_program_is_found_by_path_and_pathext(name, program):
    assert build(name)[0] == program


@pytest.mark.parametrize("name", ["here", "missing", ".\\missing", "C:\\missing.exe", "bin\\here"])
def test_program_is_never_taken_from_where_it_was_not_asked_for(name):
    """The working directory is no part of the PATH, as it would be for CreateProcess."""
    with pytest.raises(FileNotFoundError):
        build(name)


def test_program_gets_its_arguments_as_the_c_library_reads_them():
    arguments = ["a b", 'q"q', "back\\", "", "%PATH%", "&calc", "ünï"]
    assert build("tool", *arguments)[1] == subprocess.list2cmdline(["C:\\tools\\tool.exe", *arguments])


@pytest.mark.parametrize(
    ("argument", "quoted"),
    [
        ("plain-1.2_/:\\x", "plain-1.2_/:\\x"),
        ("a b", '"a b"'),
        ("", '""'),
        ("&calc", '"&calc"'),
        ("a|b>c<d^e(f)!", '"a|b>c<d^e(f)!"'),
        ("a,b;c=d", '"a,b;c=d"'),
        ("100%", '"100%%cd:~,%"'),
        ("%PATH%", '"%%cd:~,%PATH%%cd:~,%"'),
        ("dir\\", '"dir\\\\"'),
        ("two words\\\\", '"two words\\\\\\\\"'),
        ("ünï", "ünï"),
        ("\x85", '"\x85"'),
    ],
)
def test_batch_file_gets_quoted_arguments(argument, quoted):
    program, line = build(".\\job.bat", argument)
    assert program == "C:\\Windows\\System32\\cmd.exe"
    assert line == f'"{program}" /e:ON /v:OFF /d /c ""C:\\work\\job.bat" {quoted}"'


def test_batch_file_is_known_by_what_is_found():
    assert build("npm", "install")[1].endswith('""C:\\tools\\npm.cmd" install"')


@pytest.mark.parametrize("argument", ['"&calc', "a\nb", "a\rb", '\\"', '"'])
@pytest.mark.parametrize("name", [".\\job.bat", "npm"])
def test_batch_file_refuses_what_can_not_be_quoted(name, argument):
    """BatBadBut: CVE-2024-24576."""
    with pytest.raises(CommandRefused, match=r"can't be passed to the batch file .* safely; set it in env"):
        build(name, argument)


def test_python_script_runs_by_the_launcher_or_by_this_interpreter():
    assert build(".\\job.py", "a b") == ("C:\\Windows\\py.exe", 'C:\\Windows\\py.exe C:\\work\\job.py "a b"')
    without = FILES - {"C:\\Windows\\py.exe"}
    assert build(".\\job.py", files=without, python="C:\\py\\python.exe")[0] == "C:\\py\\python.exe"
    with pytest.raises(CommandRefused, match="needs Python; install it"):
        build(".\\job.py", files=without)


def test_file_that_is_not_a_program_is_refused():
    with pytest.raises(CommandRefused, match=r"job.ps1\" is not a program of Windows; begin the command with what"):
        build(".\\job.ps1")


def test_command_line_that_is_too_long_is_refused():
    with pytest.raises(CommandRefused, match="Windows passes at most 32766"):
        build("tool", "x" * 40_000)
    with pytest.raises(CommandRefused, match="Windows passes at most 8191"):
        build("npm", "x" * MAX_BATCH_LINE_CHARACTERS)


def test_command_line_with_a_nul_is_refused():
    with pytest.raises(ValueError, match="embedded null character"):
        build("tool", "a\0b")


@pytest.mark.parametrize(
    ("shell", "line"),
    [
        (None, '"C:\\Windows\\System32\\cmd.exe" /d /s /c "echo "a b" & exit 3"'),
        ("pwsh", 'C:\\tools\\pwsh.exe -NoProfile -NonInteractive -Command "echo \\"a b\\" & exit 3"'),
        ("bash", 'C:\\tools\\bash.exe -c "echo \\"a b\\" & exit 3"'),
    ],
)
def test_shell_gets_its_line_by_its_own_rules(shell, line):
    text = 'echo "a b" & exit 3'
    assert build_shell_command(text, shell, ENVIRONMENT, "C:\\work", FILES.__contains__).line == line


def test_shell_of_several_lines_is_refused_by_cmd_alone():
    with pytest.raises(CommandRefused, match=r"of which cmd.exe runs the first only; join them with &&"):
        build_shell_command("cd x\ndir", None, ENVIRONMENT, "C:\\work", FILES.__contains__)
    assert build_shell_command("cd x\ndir", "pwsh", ENVIRONMENT, "C:\\work", FILES.__contains__).line.endswith('dir"')


@pytest.mark.parametrize(
    ("work", "expected"),
    [
        ({"shell": "cd x\ndir"}, "shell has several lines"),
        ({"command": ["missing-tool"]}, 'program "missing-tool" not found on the PATH of the job; install it'),
        ({"command": [".\\missing"]}, 'correct its path, or "cwd"'),
        ({"shell": "dir"}, None),
        ({"python": "platform:system"}, None),
    ],
)
def test_check_says_what_can_not_be_started(tmp_path, work, expected):
    problem = find_windows_problem(Job(id="job", **work), ENVIRONMENT, str(tmp_path))
    assert problem is None if expected is None else expected in problem


def test_environment_is_completed_with_what_programs_expect():
    own = {"SYSTEMROOT": "C:\\Windows", "TEMP": "C:\\Temp", "SECRET": "x", "WINDIR": "C:\\Windows"}
    assert complete_environment({"Temp": "D:\\own", "A": "1"}, own) == {
        "Temp": "D:\\own",
        "A": "1",
        "SYSTEMROOT": "C:\\Windows",
        "WINDIR": "C:\\Windows",
    }


def test_environment_has_each_name_once():
    assert complete_environment({"PATH": "1", "Path": "2", "path": "3"}, {}) == {"PATH": "3"}


def test_environment_of_the_keeper_has_no_secrets():
    own = {"SystemRoot": "C:\\Windows", "PATH": "C:\\", "API_TOKEN": "x", "PYTHONPATH": "x"}
    assert keeper_environment(own) == {"SYSTEMROOT": "C:\\Windows"}


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (0, None),
        (1, None),
        (0xC0000005, "ended by Windows with 0xC0000005: it accessed memory that it may not (access violation)"),
        (0xC0001234, "ended by Windows with 0xC0001234"),
    ],
)
def test_exit_code_of_the_kernel_is_explained(code, text):
    assert explain_status(code) == text
