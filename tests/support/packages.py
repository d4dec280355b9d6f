"""Debian packages that tests need: installed where a test may, or the test is skipped and says why."""

import functools
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import pytest
from tests.support.machine import alone

_APT = (
    "apt-get", "-qq", "-o", "DPkg::Lock::Timeout=300", "-o", "Acquire::Retries=1", "-o", "Acquire::http::Timeout=20",
)  # fmt: skip
_WITHOUT_QUESTIONS = {"DEBIAN_FRONTEND": "noninteractive", "NEEDRESTART_SUSPEND": "1"}
_INSTALL_TIMEOUT_SECONDS = 300.0
"""Seconds for the network. What has been downloaded is installed however long it takes: dpkg isn't to be killed."""


def is_installed(name: str) -> bool:
    """Return whether there is a program of this name, or a file at this path."""
    return os.path.exists(name) if os.path.isabs(name) else shutil.which(name) is not None


def need(packages: Mapping[str, str], there_is: Callable[[str], bool] = is_installed) -> None:
    """Have programs and files, by the packages they come with, or skip the test."""
    if not (missing := [package for name, package in packages.items() if not there_is(name)]):
        return
    if why := _why_not() or _install(tuple(missing)):
        pytest.skip(f"needs {', '.join(missing)}: {why}")
    if absent := [name for name in packages if not there_is(name)]:
        pytest.skip(f"needs {', '.join(absent)}, and {', '.join(missing)} didn't bring it")


def _why_not() -> str:
    """The reason why nothing is installed here, or an empty text. On a developer's own machine nothing ever is."""
    if not os.environ.get("CI") or os.geteuid():
        return "not there, and installed only for root with CI set"
    return "" if shutil.which("apt-get") else "not there, and there is no apt-get"


@functools.cache
def _install(packages: tuple[str, ...]) -> str:
    """Why these can't be installed, or nothing."""
    with _no_timeout(), alone("apt"):
        _update()
        install = ("install", "-y", "--no-install-recommends", *packages)
        return _run(*install, "--download-only", within=_INSTALL_TIMEOUT_SECONDS) or _run(
            *install, "--no-download", within=None
        )


@functools.cache
def _update() -> None:
    """Have the lists of today; where they can't be had, those of before may still do."""
    _run("update", within=_INSTALL_TIMEOUT_SECONDS)


def _run(*arguments: str, within: float | None) -> str:
    """Return the error, or nothing."""
    try:
        done = subprocess.run(
            [*_APT, *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            env={**os.environ, **_WITHOUT_QUESTIONS},
            timeout=within,
        )
    except subprocess.TimeoutExpired:
        return f"apt-get {arguments[0]} took longer than {within:g} s"
    if done.returncode == 0:
        return ""
    return (done.stderr.strip().splitlines() or [f"apt-get {arguments[0]} ended with {done.returncode}"])[-1]


@contextmanager
def _no_timeout() -> Iterator[None]:
    """The test's time stands still meanwhile: it is pytest-timeout's alarm."""
    left, again = signal.setitimer(signal.ITIMER_REAL, 0)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, left, again)
