"""The machine's time zone: as the C library has it, by whatever way it is set; what isn't understood is an error."""

import shutil
import subprocess
import zoneinfo
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from rae_auto.checks.check import check_file
from rae_auto.model.primitives.zone_sources.local_zone import find_local_zone, find_other_name
from rae_auto.model.primitives.zone_sources.zone_files import read_named_file
from rae_auto.registry import Registry

SYSTEM = Path("/usr/share/zoneinfo")
RULE = "CET-1CEST,M3.5.0,M10.5.0/3"


class FakeRoot:
    """A machine with settings of its own below a folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "etc").mkdir()

    def link(self, path: str, target: str) -> None:
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).symlink_to(target)

    def write(self, path: str, content: bytes | str) -> None:
        (self.root / path).write_bytes(content if isinstance(content, bytes) else content.encode())

    def find(self, **environment: str) -> tuple[str, str]:
        """Return the key of the zone, and its source without the path of the root."""
        found = find_local_zone(self.root, environment)
        return found.key, found.source.replace(str(self.root), "")


@pytest.fixture
def machine(tmp_path: Path) -> FakeRoot:
    return FakeRoot(tmp_path)


def zone_bytes(name: str) -> bytes:
    content = read_named_file(name)
    assert content
    return content


@pytest.mark.parametrize(
    ("variable", "key"),
    [
        ("Asia/Tokyo", "Asia/Tokyo"),
        (":Asia/Tokyo", "Asia/Tokyo"),
        ("/usr/share/zoneinfo/Asia/Tokyo", "Asia/Tokyo"),
        (":/usr/share/zoneinfo/Asia/Tokyo", "Asia/Tokyo"),
        ("right/Asia/Tokyo", "Asia/Tokyo"),
        ("posix/Asia/Tokyo", "Asia/Tokyo"),
        ("utc", "UTC"),
        ("GMT", "UTC"),
        ("", "UTC"),
        ("EST5EDT", "EST5EDT"),
        (RULE, RULE),
        ("<+0330>-3:30", "<+0330>-3:30"),
    ],
)
def test_variable_tz_is_read_as_the_c_library_does(machine: FakeRoot, variable: str, key: str) -> None:
    machine.link("etc/localtime", "/usr/share/zoneinfo/Europe/Rome")
    assert machine.find(TZ=variable) == (key, f"TZ={variable}")
    assert find_local_zone(machine.root, {"TZ": variable}).load().key == key


def test_variable_tz_may_lead_to_localtime(machine: FakeRoot) -> None:
    machine.write("etc/localtime", zone_bytes("Asia/Tokyo"))
    path = machine.root / "etc/localtime"
    assert find_local_zone(machine.root, {"TZ": f":{path}"}).key == "Asia/Tokyo"


@pytest.mark.parametrize(
    "text", ["CET-1CEST", "europe/berlin", "Middle/Earth", "/etc/passwd", "/no/file", "CET-1CEST,x"]
)
def test_variable_tz_that_is_not_understood_is_an_error(machine: FakeRoot, text: str) -> None:
    with pytest.raises(ValueError, match="the machine's time zone is unknown") as caught:
        machine.find(TZ=text)
    message = str(caught.value)
    assert text in message
    assert message.endswith('set timezone = "Europe/Berlin" in the configuration')
    assert message.isprintable()


@pytest.mark.parametrize(
    "target",
    ["/usr/share/zoneinfo/America/Argentina/Ushuaia", "/var/db/timezone/zoneinfo/America/Argentina/Ushuaia"],
)
def test_link_names_the_zone_beside_a_stale_timezone_file(machine: FakeRoot, target: str) -> None:
    machine.link("etc/localtime", target)
    machine.write("etc/timezone", "Europe/Rome\n")
    assert machine.find() == ("America/Argentina/Ushuaia", f"/etc/localtime → {target}")
    assert find_other_name(find_local_zone(machine.root, {}), machine.root) == "Europe/Rome"


def test_other_name_of_the_same_zone_is_not_another_zone(machine: FakeRoot) -> None:
    machine.link("etc/localtime", "/usr/share/zoneinfo/Etc/UTC")
    machine.write("etc/timezone", "UTC\n")
    assert find_other_name(find_local_zone(machine.root, {}), machine.root) is None


def test_chain_of_links_is_followed_to_the_name(machine: FakeRoot) -> None:
    machine.link("etc/localtime", "alternatives/clock")
    machine.link("etc/alternatives/clock", "../mine")
    machine.link("etc/mine", "/usr/share/zoneinfo/right/Europe/Rome")
    key, source = machine.find()
    assert key == "Europe/Rome"
    assert source == "/etc/localtime → /usr/share/zoneinfo/right/Europe/Rome"


@pytest.mark.parametrize("name", ["Asia/Tokyo", "Europe/Berlin", "America/New_York", "Africa/Casablanca", "UTC"])
def test_copy_of_a_zone_file_has_the_name_of_its_bytes(machine: FakeRoot, name: str) -> None:
    machine.write("etc/localtime", zone_bytes(name))
    machine.write("etc/timezone", "Europe/Rome\n")
    assert machine.find() == (name, "the bytes of /etc/localtime")


def test_link_to_a_copy_has_the_name_of_its_bytes(machine: FakeRoot) -> None:
    machine.link("etc/localtime", "clock")
    machine.write("etc/clock", zone_bytes("Asia/Tokyo"))
    assert machine.find() == ("Asia/Tokyo", "the bytes of /etc/localtime")


def test_copy_has_the_name_in_the_timezone_file_if_that_is_the_same_zone(machine: FakeRoot) -> None:
    machine.write("etc/localtime", zone_bytes("Europe/Oslo"))
    machine.write("etc/timezone", "# by hand\nEurope/Oslo\n")
    assert machine.find()[0] == "Europe/Oslo"


def test_copy_of_a_zone_without_a_name_is_read_itself(machine: FakeRoot) -> None:
    if shutil.which("zic") is None:
        pytest.skip("zic is not installed")
    source = machine.root / "source"
    source.write_text(
        "Rule EU 1996 max - Mar lastSun 1:00u 1:00 S\nRule EU 1996 max - Oct lastSun 1:00u 0 -\n"
        "Zone Mine 1:00 EU CE%sT\n"
    )
    subprocess.run(["zic", "-b", "fat", "-d", str(machine.root), str(source)], check=True)
    shutil.copy(machine.root / "Mine", machine.root / "etc/localtime")
    found = find_local_zone(machine.root, {})
    # No name has had this clock in 1990, so the bytes are all that is known of it.
    assert found.key == "local"
    zone = found.load()
    assert (zone.key, datetime(2026, 7, 1, tzinfo=zone).utcoffset()) == ("local", timedelta(hours=2))


@pytest.mark.parametrize("name", ["Asia/Tokyo", "right/Asia/Tokyo", "right/Europe/Berlin"])
def test_copy_in_another_form_has_the_name_of_its_clock(
    machine: FakeRoot, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    if not (SYSTEM / name).is_file():
        pytest.skip(f"this system has no file {name}")
    monkeypatch.setattr("rae_auto.model.primitives.zone_sources.zone_files.TZPATH", ())
    machine.write("etc/localtime", (SYSTEM / name).read_bytes())
    assert machine.find()[0] == name.removeprefix("right/")


@pytest.mark.parametrize("content", [b"", b"TZif", b"TZif2" + bytes(200), b"Europe/Berlin\n"])
def test_localtime_that_is_no_zone_file_is_an_error(machine: FakeRoot, content: bytes) -> None:
    machine.write("etc/localtime", content)
    machine.write("etc/timezone", "Europe/Rome\n")
    with pytest.raises(
        ValueError, match=r"/etc/localtime is not a time zone file; link it to a zone file, as in 'ln -sf"
    ):
        machine.find()


def test_localtime_that_leads_nowhere_is_an_error(machine: FakeRoot) -> None:
    machine.link("etc/localtime", "/no/where")
    with pytest.raises(ValueError, match=r"/etc/localtime can't be read \(No such file or directory\); link it"):
        machine.find()


@pytest.mark.parametrize(("path", "text"), [("etc/timezone", "Europe/Rome"), ("etc/TZ", RULE)])
def test_files_of_names_and_rules_count_without_localtime(machine: FakeRoot, path: str, text: str) -> None:
    machine.write(path, f"{text}\n")
    assert machine.find() == (text, f"/{path}")


def test_file_with_an_unknown_name_is_an_error(machine: FakeRoot) -> None:
    machine.write("etc/timezone", "Atlantis\n")
    with pytest.raises(ValueError, match=r"etc/timezone .*; correct .*etc/timezone, or link /etc/localtime"):
        machine.find()


def test_machine_without_any_setting_has_utc(machine: FakeRoot) -> None:
    assert machine.find() == ("UTC", "there is no /etc/localtime")


def test_check_names_the_variable_that_is_not_understood(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "rae.toml"
    path.write_text('[jobs.a]\ncommand = ["true"]\nschedule = "0 12 * * *"\n')
    path.chmod(0o600)
    monkeypatch.setenv("TZ", RULE)
    assert check_file(path, Registry()).errors == ()
    monkeypatch.setenv("TZ", "Middle/Earth")
    (error,) = check_file(path, Registry()).errors
    assert "TZ=Middle/Earth" in error


def test_all_zones_of_the_database_are_found_by_their_bytes(machine: FakeRoot) -> None:
    for name in sorted(zoneinfo.available_timezones())[::40]:
        machine.write("etc/localtime", zone_bytes(name))
        key = machine.find()[0]
        assert zone_bytes(key) == zone_bytes(name)
