"""Findings of `check` that are the same for several jobs."""

from rae_auto.checks.alike_findings import merge_alike

WARNING = "f.toml:{}: jobs.{}.command: refers to a program that is missing"


def merge(*names: str) -> list[tuple[str, str]]:
    return list(merge_alike([WARNING.format(number, name) for number, name in enumerate(names)]))


def test_findings_of_two_jobs_stay_two_lines() -> None:
    assert merge("a", "b") == [(WARNING.format(0, "a"), ""), (WARNING.format(1, "b"), "")]


def test_findings_of_several_jobs_are_one_line_with_the_other_names() -> None:
    assert merge("a", '"b.c"', "d") == [(WARNING.format(0, "a"), '; the same for "b.c" and d')]


def test_names_of_many_jobs_are_counted() -> None:
    assert merge(*"abcdefgh") == [(WARNING.format(0, "a"), "; the same for b, c, d, e, f and 2 more jobs")]


def test_other_findings_are_kept_in_their_order() -> None:
    lines = [
        "f.toml: timezone: is wrong",
        *(WARNING.format(n, n) for n in "abc"),
        "f.toml:9: jobs.a.env.X: is wrong",
        "f.toml:9: jobs.a.env.Y: is wrong",
    ]
    assert [line for line, _ in merge_alike(lines)] == [lines[0], lines[1], *lines[4:]]
