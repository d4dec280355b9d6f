"""Entry points read from the files of distributions, as Python's own library finds them."""

import os
import sys
import zipfile
from importlib.abc import MetaPathFinder
from importlib.metadata import distributions
from pathlib import Path
from typing import TYPE_CHECKING

import importlib_metadata
import pytest

from rae_auto import entry_points
from rae_auto.entry_points import InstalledPoint, parse_entry_points, read_entry_points

if TYPE_CHECKING:
    from conftest import Site

# It puts its own finder where Python's was. A test that puts `sys.meta_path` back must not be the first to import it.
assert importlib_metadata


def found_by_python() -> set[InstalledPoint]:
    return {
        InstalledPoint(point.group, point.name, point.value, one.metadata["Name"], one.metadata["Version"])
        for one in distributions()
        for point in one.entry_points
        if point.group.startswith("rae_auto")
    }


def found_in(distribution: str) -> list[InstalledPoint]:
    return [point for point in read_entry_points() if point.distribution == distribution]


def test_entry_points_are_those_that_python_finds(site: "Site") -> None:
    site.lay_out("pager")
    site.lay_out("bell", distribution="Rae.Notifier.Bell")
    found = read_entry_points()
    assert set(found) == found_by_python()
    assert {"rae-auto", "rae_notifier_pager", "Rae.Notifier.Bell"} <= {point.distribution for point in found}


def test_first_of_two_distributions_with_one_name_counts(
    site: "Site", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.lay_out("pager")
    other = tmp_path / "other" / "Rae.Notifier.Pager-2.0.dist-info"
    other.mkdir(parents=True)
    (other / "METADATA").write_text("Name: rae_notifier_pager\nVersion: 2.0\n")
    (other / "entry_points.txt").write_text("[rae_auto.notifiers]\npager = elsewhere\n")
    assert [point.version for point in found_in("rae_notifier_pager")] == ["1.0"]
    monkeypatch.syspath_prepend(other.parent)
    assert [point.version for point in found_in("rae_notifier_pager")] == ["2.0"]


def test_distribution_without_metadata_has_the_name_of_its_folder(site: "Site") -> None:
    site.lay_out("pager")
    (site.path / "rae_notifier_pager-1.0.dist-info" / "METADATA").unlink()
    assert found_in("rae_notifier_pager")[0].version == "1.0"


def test_distribution_of_a_source_tree_is_found(site: "Site") -> None:
    info = site.path / "rae_old.egg-info"
    info.mkdir()
    (info / "PKG-INFO").write_text("Name: rae-old\nVersion: 0.1\n\nText: of it\n")
    (info / "entry_points.txt").write_text("[rae_auto.guards]\nold = rae_old\n")
    assert found_in("rae-old") == [InstalledPoint("rae_auto.guards", "old", "rae_old", "rae-old", "0.1")]


def test_distribution_in_an_archive_is_found(site: "Site", monkeypatch: pytest.MonkeyPatch) -> None:
    site.lay_out("pager")
    archive = site.path.parent / "site.zip"
    with zipfile.ZipFile(archive, "w") as zipped:
        for file in site.path.rglob("*-info/*"):
            zipped.write(file, file.relative_to(site.path))
    monkeypatch.setattr(sys, "path", [str(archive), *(path for path in sys.path if path != str(site.path))])
    assert [point.module for point in found_in("rae_notifier_pager")] == ["rae_notifier_pager"]


def test_distribution_of_another_finder_is_found(site: "Site", monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []

    class Finder(MetaPathFinder):
        def find_distributions(self, context: object = None) -> list[object]:  # type: ignore[override]
            asked.append(context)
            return []

        def find_spec(self, *_: object) -> None:
            pass

    monkeypatch.setattr(sys, "meta_path", [Finder(), *sys.meta_path])
    assert "rae-auto" in {point.distribution for point in read_entry_points()}
    assert asked


def test_folder_that_cannot_be_read_has_no_distributions(site: "Site", monkeypatch: pytest.MonkeyPatch) -> None:
    before = read_entry_points()
    monkeypatch.setattr(sys, "path", [*sys.path, str(site.path / "no-such-folder")])
    assert read_entry_points() == before


def test_files_of_distributions_without_plugins_are_read_once(site: "Site", monkeypatch: pytest.MonkeyPatch) -> None:
    (site.path / "other-1.0.dist-info").mkdir()
    (site.path / "other-1.0.dist-info" / "entry_points.txt").write_text("[console_scripts]\nother = other:main\n")
    read: list[str] = []
    read_file = entry_points._read

    def note(folder: str, name: str) -> bytes:
        if folder.startswith(str(site.path)):
            read.append(name)
        return read_file(folder, name)

    monkeypatch.setattr(entry_points, "_read", note)
    read_entry_points()
    assert read == ["entry_points.txt"]


def test_lines_that_are_no_entry_points_are_passed_over() -> None:
    text = "early = x\n[rae_auto.guards]\n# comment = y\n\nnonsense\n a = b : c [extra]\n[console_scripts]\nd=e\n"
    assert list(parse_entry_points(text)) == [("rae_auto.guards", "a", "b : c [extra]"), ("console_scripts", "d", "e")]
    assert InstalledPoint("", "", "b : c [extra]", "", "").module == "b"


def test_bytes_that_are_no_text_lose_no_other_distribution(site: "Site") -> None:
    site.lay_out("pager")
    info = site.path / "odd-1.0.dist-info"
    info.mkdir()
    (info / "entry_points.txt").write_bytes(b"[rae_auto.guards]\nodd = \xff\xfe" + os.linesep.encode())
    assert found_in("rae_notifier_pager")
