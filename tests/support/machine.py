"""Shared state of the machine: a test that changes it has it alone, or changes a copy.

Two workers run tests at once, and so may another session in another checkout.
"""

import functools
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import pytest

ROOT = Path(__file__).resolve().parents[2]

_WITHIN = "RAE_TESTS_NAMESPACE"

Test = TypeVar("Test", bound=Callable[..., None])


@contextmanager
def alone(name: str) -> Iterator[None]:
    """No other test of this user's, in whatever process, is here at the same time."""
    import fcntl  # where there are namespaces

    path = Path(tempfile.gettempdir()) / f"rae-auto-tests-{os.geteuid()}-{name}.lock"
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def in_namespaces(*kinds: str) -> Callable[[Test], Test]:
    """Run a test as root of a user namespace of its own and of these kinds: its changes are visible only there.

    `user` alone has limits of inotify of its own, `net` a network, `mount` mounts.
    """

    def decorate(test: Test) -> Test:
        @functools.wraps(test)
        def run(*args: object, **options: object) -> None:
            if _WITHIN in os.environ:
                test(*args, **options)
                return
            _again(os.environ["PYTEST_CURRENT_TEST"].removesuffix(" (call)"), kinds)

        return run  # type: ignore[return-value]  # of the same signature

    return decorate


def _again(test: str, kinds: tuple[str, ...]) -> None:
    unshare = ["unshare", "--map-root-user", *(f"--{kind}" for kind in kinds)]
    try:
        subprocess.run([*unshare, "true"], check=True, capture_output=True, text=True)
    except FileNotFoundError:
        pytest.skip("needs unshare, of util-linux")
    except subprocess.CalledProcessError as error:
        pytest.skip(f"no namespaces may be made here: {error.stderr.strip()}")
    pytest_ = [sys.executable, "-m", "pytest", "-q", "-p", "no:randomly", "-p", "no:xdist", "-rs", test]
    # Not what the one without has told its plugins and its workers.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    environment[_WITHIN] = " ".join(kinds)
    done = subprocess.run([*unshare, *pytest_], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    if reasons := [line for line in done.stdout.splitlines() if line.startswith("SKIPPED")]:
        pytest.skip(reasons[0])
