"""The machine's zone is recognized by one link, and only where that says it for sure."""

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.support.platforms import posix

from rae_auto.cli.plain.machine_zone import is_machine_zone

pytestmark = posix

Link = Callable[[str], str]


@pytest.fixture
def link(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Link:
    """Return what links a localtime in a folder of its own to a file below `zoneinfo`, and returns its path."""
    monkeypatch.delenv("TZ", raising=False)
    for name in ("Europe/Berlin", "posix/Europe/Berlin", "UTC", "Etc/UTC"):
        file = tmp_path / "zoneinfo" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"TZif2")
    localtime = tmp_path / "localtime"

    def make(target: str) -> str:
        localtime.symlink_to(tmp_path / target)
        return str(localtime)

    return make


def test_link_names_the_zone(link: Link) -> None:
    localtime = link("zoneinfo/Europe/Berlin")
    assert is_machine_zone("Europe/Berlin", localtime)
    assert not is_machine_zone("Europe/Paris", localtime)
    assert not is_machine_zone("", localtime)


@pytest.mark.parametrize("linked", ["UTC", "Etc/UTC"])
def test_utc_has_two_names(link: Link, linked: str) -> None:
    localtime = link(f"zoneinfo/{linked}")
    assert all(is_machine_zone(name, localtime) for name in ("UTC", "Etc/UTC"))
    assert not is_machine_zone("Europe/Berlin", localtime)


def test_variable_is_stronger_than_the_link(link: Link, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC")
    assert not is_machine_zone("Europe/Berlin", link("zoneinfo/Europe/Berlin"))


@pytest.mark.parametrize("target", ["zoneinfo/Europe/Paris", "zoneinfo/posix/Europe/Berlin"])
def test_link_to_nothing_or_to_another_name_says_nothing(link: Link, target: str) -> None:
    localtime = link(target)
    assert not is_machine_zone("Europe/Paris", localtime)
    assert not is_machine_zone("Europe/Berlin", localtime)


def test_file_and_absence_say_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TZ", raising=False)
    localtime = tmp_path / "localtime"
    assert not is_machine_zone("UTC", str(localtime))
    localtime.write_bytes(b"TZif2")
    assert not is_machine_zone("UTC", str(localtime))
