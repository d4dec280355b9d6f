"""The files that match, and the options of the file trigger."""

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
from rae_plugins.triggers.file.matcher import Matcher

TEMPORARY = [
    *("a.txt~", ".a.txt.swp", ".a.txt.swx", "notes.swp", ".#a.txt", "#a.txt#", "4913", ".notes.kate-swp", "a.tmp"),
    *("movie.part", "setup.crdownload", "report.pdf.partial", "film.download", "film.opdownload", "film.aria2"),
    *("Unconfirmed 1234.crdownload", ".com.google.Chrome.abcdef", "film.mkv.!qB", ".abc.parts", "001.part.met"),
    *("report.pdf.filepart", ".report.pdf.Xa81kQ", ".a.mzRq7b", "~$plan.xlsx", ".~lock.plan.ods#"),
    *(".goutputstream-AB12C3", "._photo.jpg", ".DS_Store", "Thumbs.db", ".nfs000000012", ".fuse_hidden0001"),
    *("film.mp4.part-Frag12", "a.py___jb_tmp___", ".pureftpd-upload.5f.1", ".in.a.txt.", "a.pdf.sb-0a1b2c3d-Xy12Zq"),
]
ORDINARY = [
    *("a.txt", ".profile", ".env.sample", ".bashrc.backup", "film.swf", "part", "a.parts", "2026", "4913.txt"),
    *("apart", "report.partial.pdf", "nfs1", ".nfsconfig", "a~b", "x#1", "$a.xlsx", "lock.ods", "download", "A1B2C3D4"),
]


def make_matcher(
    paths: str | list[str], *, recursive: bool = False, ignore: tuple[str, ...] = (), excluded: str | None = None
):
    return Matcher.from_paths(
        [paths] if isinstance(paths, str) else paths, recursive=recursive, ignore=ignore, excluded_directory=excluded
    )


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
def test_path_means_a_file_a_folder_or_a_glob(path: str, meant: list[str], others: list[str]) -> None:
    matcher = make_matcher(path)
    assert [file for file in meant if not matcher.matches_path(file)] == []
    assert [file for file in others if matcher.matches_path(file)] == []


def test_folder_includes_lower_folders_only_if_recursive() -> None:
    assert make_matcher("/in", recursive=True).matches_path("/in/x/y/z")
    assert not make_matcher("/in").matches_path("/in/x/y/z")


def test_tilde_is_the_home_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ada")
    assert make_matcher("~/in").matches_path("/home/ada/in/a")


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
def test_matcher_skips_ignored_names_and_paths(ignore: str, ignored: list[str], counted: list[str]) -> None:
    matcher = make_matcher("/in", recursive=True, ignore=(ignore,))
    assert [file for file in ignored if matcher.matches_path(file)] == []
    assert [file for file in counted if not matcher.matches_path(file)] == []


def test_matcher_accepts_an_ignored_name_given_literally() -> None:
    matcher = make_matcher("/home/.cache/notes~", ignore=(".*", "*~"))
    assert matcher.matches_path("/home/.cache/notes~")
    assert not make_matcher("/home/.cache", ignore=("*~",)).matches_path("/home/.cache/notes~")


def test_matcher_skips_the_excluded_directory() -> None:
    matcher = make_matcher("/home", recursive=True, excluded="/home/state")
    assert matcher.matches_path("/home/stately")
    assert not matcher.matches_path("/home/state/a")


def test_directory_on_the_way_to_a_match_is_relevant() -> None:
    matcher = make_matcher("/in/*/done/*.txt")
    assert matcher.is_relevant("/in")
    assert matcher.is_relevant("/in/x/done")
    assert not matcher.is_relevant("/in/x/other")
    assert not matcher.is_relevant("/out")


_names = st.text("ab.~", min_size=1, max_size=3).filter(lambda name: name not in (".", ".."))
_segments = st.lists(_names | st.sampled_from(["*", "**", "a*", "?", "[ab]"]), min_size=1, max_size=4)


@given(_segments, st.lists(_names, min_size=1, max_size=4))
def test_glob_matches_segment_by_segment(pattern: list[str], names: list[str]) -> None:
    """Compared with a matcher so simple that it is plainly right."""

    def matches(segments: list[str], left: list[str]) -> bool:
        if not segments or not left:
            return not segments and not left
        if segments[0] == "**":
            return matches(segments[1:], left) or (len(left) > 0 and matches(segments, left[1:]))
        return fnmatchcase(left[0], segments[0]) and matches(segments[1:], left[1:])

    pattern = [*pattern, "*"] if pattern[-1] == "**" else pattern
    matcher = make_matcher("/" + "/".join(["*", *pattern]))
    assert matcher.matches_path("/" + "/".join(["x", *names])) == matches(pattern, names)


@given(_segments, st.lists(_names, min_size=1, max_size=4))
def test_matcher_enters_every_directory_with_a_match(pattern: list[str], names: list[str]) -> None:
    matcher = make_matcher("/" + "/".join(pattern), ignore=("b~",))
    path = "/" + "/".join(names)
    if matcher.matches_path(path):
        while (path := os.path.dirname(path)) != "/":
            assert matcher.is_relevant(path)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"paths": []}, "paths is empty; name files"),
        ({"paths": ["inbox"]}, "not an absolute path; begin it with / or ~"),
        ({"paths": ["/in/../etc"]}, "leave out [.][.]"),
        ({"paths": [""]}, "is empty; write the path of a file or folder"),
        ({"paths": ["/in/\0"]}, "not an absolute path"),
        ({"paths": ["~nobody-of-that-name/in"]}, "begins with an unknown user; write the whole path"),
        ({"paths": ["/in"], "ignore": ["~nobody-of-that-name/in"]}, "begins with an unknown user"),
        ({"paths": ["in", "/in", "out"]}, '"in" is not an absolute path.*; .*"out" is not an absolute path'),
        ({"paths": "/in"}, "must be a list"),
        ({"paths": ["/in"], "ignore": ["/"]}, "empty pattern; write one such as"),
        (
            {"paths": ["/in"], "events": []},
            "list with one or more of created, modified, deleted, moved",
        ),
        ({"paths": ["/in"], "events": ["renamed"]}, "must be one of|unknown event"),
        ({"paths": ["/in"], "quiet": "1m"}, "max_wait is shorter than quiet; raise max_wait"),
        ({"paths": ["/in"], "ignore": "*.log"}, "must be a list"),
        ({"paths": ["/in"], "poll": "1ms"}, "poll: must be at least 100ms"),
        ({"paths": ["/in"], "batch": "some"}, "must be one of all, each"),
        ({"paths": ["/in"], "polling": "some"}, "must be one of auto, always, never"),
    ],
)
def test_file_options_that_make_no_sense_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        structure(options, FileTrigger)
    assert "\n" not in str(caught.value)


def test_file_options_are_converted() -> None:
    trigger = structure(
        {"paths": ["/in"], "events": ["deleted", "created"], "batch": "each", "stable": "5s"}, FileTrigger
    )
    assert trigger == FileTrigger(paths=["/in"], events=["created", "deleted"], batch="each", stable=5)


def test_temporary_files_are_ignored_by_default() -> None:
    assert FileTrigger(paths=["/in"]).ignore_temporary
    matcher = Matcher.from_paths(["/in"], recursive=True, ignore_temporary=True)
    assert [name for name in TEMPORARY if matcher.matches_path(f"/in/{name}")] == []
    assert [name for name in ORDINARY if not matcher.matches_path(f"/in/{name}")] == []
    assert matcher.matches_path("/in/Downloads/a.txt")
    assert not matcher.matches_path("/in/film.download/a.txt")


def test_temporary_files_count_if_the_options_or_the_paths_say_so() -> None:
    everything = Matcher.from_paths(["/in"], recursive=True)
    assert [name for name in TEMPORARY if not everything.matches_path(f"/in/{name}")] == []
    assert Matcher.from_paths(["/in/Thumbs.db"], recursive=True, ignore_temporary=True).matches_path("/in/Thumbs.db")


def test_name_with_characters_of_a_glob_is_a_path_if_it_is_there(tmp_path: Path) -> None:
    folder = tmp_path / "[2024] bills?"
    (folder / "sub").mkdir(parents=True)
    for name in ("a.pdf", "*.pdf"):
        matcher = Matcher.from_paths([str(folder / name)], recursive=False)
        assert matcher.matches_path(f"{folder}/a.pdf")
        assert not matcher.matches_path(f"{tmp_path}/2 bills!/a.pdf")
    below = Matcher.from_paths([str(folder)], recursive=True)
    assert below.matches_path(f"{folder}/sub/a.pdf")
    assert below.literal_names(below.state_of(str(tmp_path))) == {"[2024] bills?"}
    glob = Matcher.from_paths([str(tmp_path / "[2] x" / "*.pdf")], recursive=False)
    assert glob.matches_path(f"{tmp_path}/2 x/a.pdf")
    assert FileTrigger(paths=[str(folder / "later.pdf")]).warnings() == ()


def test_loading_the_trigger_does_not_import_watchdog() -> None:
    code = "import sys, rae_plugins.triggers.file; sys.exit('watchdog' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_warnings_name_paths_that_must_be_polled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text("1 0 8:1 / / rw - ext4 /dev/a rw\n2 1 0:9 / /far rw shared:1 - nfs4 host:/x rw\n")
    monkeypatch.setattr("rae_auto.toolkit.mounts.MOUNT_TABLE", mounts)
    warnings = FileTrigger(paths=["/far", "/near"]).warnings()
    assert [text for text in warnings if "does not report all changes" in text] == [
        "/far is on a file system that does not report all changes; it is polled every 10s"
    ]
    assert FileTrigger(paths=["/far"], polling="always").warnings() == ()


def test_warnings_name_folders_that_do_not_exist(tmp_path: Path) -> None:
    paths = [tmp_path / "later.txt", tmp_path / "*.pdf", tmp_path / "in" / "later.txt", tmp_path / "in" / "*" / "x"]
    missing = f'folder "{tmp_path / "in"}" does not exist yet; create it, or correct the path'
    assert FileTrigger(paths=[str(path) for path in paths]).warnings() == (missing, missing)
