"""Which files the file trigger means, and the options by which people say so."""

import os
import subprocess
import sys
from fnmatch import fnmatchcase
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rae_auto.config.structure import structure
from rae_plugins.triggers.file import FileTrigger
from rae_plugins.triggers.file.matcher import Selection


def means(paths: str | list[str], *, recursive: bool = False, ignore: tuple[str, ...] = (), never: str | None = None):
    return Selection.of([paths] if isinstance(paths, str) else paths, recursive=recursive, ignore=ignore, never=never)


@pytest.mark.parametrize(
    ("path", "meant", "others"),
    [
        ("/in", ["/in", "/in/a", "/in/.hidden"], ["/in/sub/a", "/inn/a", "/a", "/"]),
        ("/in/*.pdf", ["/in/a.pdf", "/in/.pdf"], ["/in/a.txt", "/in/sub/a.pdf", "/a.pdf"]),
        ("/in/**/*.pdf", ["/in/a.pdf", "/in/x/y/a.pdf"], ["/in/x/y/a.txt", "/out/a.pdf"]),
        ("/in/**", ["/in/a", "/in/x/y/a"], ["/out/a"]),
        (
            "/in/*/done/[ab]?.txt",
            ["/in/x/done/a1.txt"],
            ["/in/done/a1.txt", "/in/x/y/done/a1.txt", "/in/x/done/c1.txt"],
        ),
        ("/**/a", ["/a", "/x/y/a"], ["/x/b"]),
    ],
)
def test_a_path_means_a_file_the_files_of_a_folder_or_those_that_match(
    path: str, meant: list[str], others: list[str]
) -> None:
    selection = means(path)
    assert [file for file in meant if not selection.holds(file)] == []
    assert [file for file in others if selection.holds(file)] == []


def test_a_folder_means_all_below_it_only_when_it_is_recursive() -> None:
    assert means("/in", recursive=True).holds("/in/x/y/z")
    assert not means("/in").holds("/in/x/y/z")


def test_a_tilde_is_the_home_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ada")
    assert means("~/in").holds("/home/ada/in/a")


@pytest.mark.parametrize(
    ("ignore", "ignored", "counted"),
    [
        ("*.log", ["/in/a.log", "/in/x/a.log", "/in/x.log/a"], ["/in/a.txt", "/in/alog"]),
        ("build", ["/in/build", "/in/build/a", "/in/x/build/y/a"], ["/in/building/a"]),
        ("build/", ["/in/build/a"], ["/in/building/a"]),
        ("x/*.txt", ["/in/x/a.txt", "/in/y/x/a.txt"], ["/in/x/z/a.txt", "/in/a.txt"]),
        ("/in/x", ["/in/x", "/in/x/a"], ["/in/y/x", "/in/xx"]),
        ("/in/**/z", ["/in/z/a", "/in/x/y/z/a"], ["/in/zz"]),
    ],
)
def test_what_is_ignored_does_not_count(ignore: str, ignored: list[str], counted: list[str]) -> None:
    selection = means("/in", recursive=True, ignore=(ignore,))
    assert [file for file in ignored if selection.holds(file)] == []
    assert [file for file in counted if not selection.holds(file)] == []


def test_what_is_called_by_its_whole_name_is_not_ignored() -> None:
    selection = means("/home/.cache/notes~", ignore=(".*", "*~"))
    assert selection.holds("/home/.cache/notes~")
    assert not means("/home/.cache", ignore=("*~",)).holds("/home/.cache/notes~")


def test_the_directory_that_is_out_of_bounds_holds_nothing() -> None:
    selection = means("/home", recursive=True, never="/home/state")
    assert selection.holds("/home/stately")
    assert not selection.holds("/home/state/a")


def test_directories_count_that_lead_to_a_file_which_is_meant() -> None:
    selection = means("/in/*/done/*.txt")
    assert selection.concerns("/in")
    assert selection.concerns("/in/x/done")
    assert not selection.concerns("/in/x/other")
    assert not selection.concerns("/out")


_names = st.text("ab.~", min_size=1, max_size=3).filter(lambda name: name not in (".", ".."))
_segments = st.lists(_names | st.sampled_from(["*", "**", "a*", "?", "[ab]"]), min_size=1, max_size=4)


@given(_segments, st.lists(_names, min_size=1, max_size=4))
def test_a_glob_matches_what_its_segments_match_one_by_one(pattern: list[str], names: list[str]) -> None:
    """Against a matcher so simple that it is plainly right."""

    def matches(segments: list[str], left: list[str]) -> bool:
        if not segments or not left:
            return not segments and not left
        if segments[0] == "**":
            return matches(segments[1:], left) or (len(left) > 0 and matches(segments, left[1:]))
        return fnmatchcase(left[0], segments[0]) and matches(segments[1:], left[1:])

    pattern = [*pattern, "*"] if pattern[-1] == "**" else pattern
    selection = means("/" + "/".join(["*", *pattern]))
    assert selection.holds("/" + "/".join(["x", *names])) == matches(pattern, names)


@given(_segments, st.lists(_names, min_size=1, max_size=4))
def test_no_directory_is_passed_by_that_leads_to_a_file_which_is_meant(pattern: list[str], names: list[str]) -> None:
    selection = means("/" + "/".join(pattern), ignore=("b~",))
    path = "/" + "/".join(names)
    if selection.holds(path):
        while (path := os.path.dirname(path)) != "/":
            assert selection.concerns(path)


@pytest.mark.parametrize(
    ("options", "remedy"),
    [
        ({"paths": []}, "paths is empty; name files"),
        ({"paths": ["inbox"]}, "no absolute path; begin it with / or ~"),
        ({"paths": ["/in/../etc"]}, "without [.][.]"),
        ({"paths": [""]}, "no absolute path"),
        ({"paths": ["/in/\0"]}, "no absolute path"),
        ({"paths": ["~nobody-of-that-name/in"]}, "begins with a user who is not known here; write the whole path"),
        ({"paths": ["/in"], "ignore": ["~nobody-of-that-name/in"]}, "begins with a user who is not known here"),
        ({"paths": ["in", "/in", "out"]}, "'in' is no absolute path.*; 'out' is no absolute path"),
        ({"paths": "/in"}, "must be a list"),
        ({"paths": ["/in"], "ignore": ["/"]}, "pattern without a name; write one such as"),
        ({"paths": ["/in"], "events": []}, "events must be a list with some of created, modified, deleted, moved"),
        ({"paths": ["/in"], "events": ["renamed"]}, "must be one of|is none of created"),
        ({"paths": ["/in"], "quiet": "1m"}, "max_wait is shorter than quiet; make it longer"),
        ({"paths": ["/in"], "ignore": "*.log"}, "must be a list"),
        ({"paths": ["/in"], "poll": "1ms"}, "poll: must be at least 100ms"),
        ({"paths": ["/in"], "batch": "some"}, "must be one of all, each"),
        ({"paths": ["/in"], "polling": "some"}, "must be one of auto, always, never"),
    ],
)
def test_options_that_make_no_sense_are_refused_in_one_line(options: dict[str, object], remedy: str) -> None:
    with pytest.raises(ValueError, match=remedy) as caught:
        structure(options, FileTrigger)
    assert "\n" not in str(caught.value)


def test_options_are_read_as_people_write_them() -> None:
    trigger = structure(
        {"paths": ["/in"], "events": ["deleted", "created"], "batch": "each", "stable": "5s"}, FileTrigger
    )
    assert trigger == FileTrigger(paths=["/in"], events=["created", "deleted"], batch="each", stable=5)


def test_the_leftovers_of_editors_do_not_count_by_default() -> None:
    selection = Selection.of(["/in"], recursive=True, ignore=FileTrigger(paths=["/in"]).ignore)
    leftovers = ["a.txt~", ".a.txt.swp", ".#a.txt", "#a.txt#", "movie.part", "setup.crdownload", "a.tmp"]
    assert [name for name in leftovers if selection.holds(f"/in/{name}")] == []
    assert selection.holds("/in/a.txt")


def test_nothing_of_watchdog_is_imported_before_it_is_needed() -> None:
    code = "import sys, rae_plugins.triggers.file; sys.exit('watchdog' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_paths_that_can_only_be_polled_are_doubtful(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text("1 0 8:1 / / rw - ext4 /dev/a rw\n2 1 0:9 / /far rw shared:1 - nfs4 host:/x rw\n")
    monkeypatch.setattr("rae_auto.toolkit.mounts.MOUNT_TABLE", mounts)
    (doubt,) = FileTrigger(paths=["/far/in", "/near"]).warnings()
    assert doubt.startswith("/far/in is on a file system whose changes can't all be seen")
    assert FileTrigger(paths=["/far/in"], polling="always").warnings() == ()
