"""Words that a shell would expand or obey, in places where no shell reads them."""

import re
from collections.abc import Iterator, Sequence
from pathlib import PurePath

from rae_auto.model.job import Job
from rae_auto.model.primitives.escaping import quote_short
from rae_auto.model.primitives.problems import Problem
from rae_auto.model.primitives.references import KINDS
from rae_auto.runtime.execution.event_path import explain_in_shell, has_placeholder

_OPERATORS = frozenset(
    {"|", "||", "&&", ";", "&", ">", ">>", "<", "<<", "2>", "2>>", "2>&1", "&>", "|&", ">&2", "1>&2"}
)
_VARIABLE = re.compile(r"\$(?:[A-Za-z_]\w*|\{([A-Za-z_]\w*)(?::?[-=?+][^}]*)?\})")
_SUBSTITUTION = re.compile(r"\$\([^)]*\)?|`[^`]+`")
_HOME = re.compile(r"(?:^|=)~[\w.-]*(?:/|$)")
_REFERENCE = re.compile(rf"\$\{{(?:{'|'.join(KINDS)}):")
_GLOB = re.compile(r"[*?]|\[.+\]")

_INTERPRETERS = re.compile(
    r"(?:(?:ba|da|z|k|fi|c|tc|a)?sh|pwsh|cmd|env|ssh|su|sudo|doas|runuser|docker|podman|kubectl|xargs|parallel|watch|"
    r"[gmn]?awk|sed|perl|ruby|php|node|jq|python[\d.]*|envsubst|tmux|screen|nix(?:-shell)?)(?:\.exe)?"
)
"""Programs whose arguments are programs themselves, in which dollars, pipes and the rest mean something."""

_PROGRAMS_WITHOUT_PATTERNS = {
    "cat",
    "chgrp",
    "chmod",
    "chown",
    "cp",
    "cut",
    "du",
    "gunzip",
    "gzip",
    "head",
    "ls",
    "md5sum",
    "mv",
    "rm",
    "sha256sum",
    "sort",
    "stat",
    "tail",
    "touch",
    "wc",
}


def find_shell_words(job: Job) -> Iterator[Problem]:
    """Yield a warning for each word of a command, of a variable and of a path that only a shell would expand."""
    if job.command:
        yield from _find_in_command(job.command)
    if job.shell is not None and has_placeholder(job.shell):
        yield Problem(("shell",), explain_in_shell("shell"))
    for name, value in job.env.items():
        if text := _describe_value(value):
            yield Problem(("env", name), text)
    if job.cwd is not None and (match := _VARIABLE.search(job.cwd)):
        yield Problem(("cwd",), f"{match[0]} is not expanded here; write the whole path, or begin it with ~")


def _find_in_command(words: Sequence[str]) -> Iterator[Problem]:
    first, *arguments = words
    if not arguments and re.search(r"\s", first.strip()) and "/" not in first.split()[0][1:]:
        listed = ", ".join(quote_short(word, 20) for word in first.split()[:4])
        more = ", …" if len(first.split()) > 4 else ""
        yield Problem(
            ("command", 0), f'is one word with blanks; write [{listed}{more}], or shell = "…" if a shell must read it'
        )
        return
    program = PurePath(first).name
    if _INTERPRETERS.fullmatch(program):
        return
    for index, word in enumerate(words):
        if text := _describe_word(word, program, is_argument=index > 0):
            yield Problem(("command", index), text)


def _describe_word(word: str, program: str, *, is_argument: bool) -> str | None:
    shown, hint = quote_short(word, 40), 'write shell = "…" to have a shell read it'
    if is_argument and word in _OPERATORS:
        return f"{shown} is passed as it is, because no shell reads a command; {hint}"
    if (match := _SUBSTITUTION.search(word)) and is_argument:
        return f"{quote_short(match[0], 20)} in {shown} is not run, because no shell reads a command; {hint}"
    if match := _VARIABLE.search(word):
        return f"{match[0]} in {shown} is not expanded, because no shell reads a command; {hint}"
    if _HOME.search(word):
        return f"~ in {shown} is not expanded, because no shell reads a command; write the whole path, or use shell"
    if is_argument and program in _PROGRAMS_WITHOUT_PATTERNS and not word.startswith("-") and _GLOB.search(word):
        return f"{shown} is not expanded, because no shell reads a command; {hint}"
    return None


def _describe_value(value: str) -> str | None:
    plain = _REFERENCE.sub("", value)
    if match := _VARIABLE.search(plain):
        name = match[1] or match[0].removeprefix("$")
        return f'{match[0]} is not expanded in env; write "${{env:{name}}}" for the variable of the daemon'
    if _SUBSTITUTION.search(plain):
        return 'a command is not run in env; set the variable in shell = "…"'
    if re.match(r"~(?:/|$)", value):
        return "~ is not expanded in env; write the whole path, or ${env:HOME}"
    return None
