"""Rules on names, docstrings and rooms. `python tests/architecture/names.py --where` lists the places."""

import ast
from pathlib import Path

import pytest
from tests.architecture import names

MAX_MODULES = 15
MAX_TEST_NAME = 70


def test_names_hold_no_literary_words() -> None:
    assert list(map(str, names.literary_places(tops=names.TOPS))) == []


def test_docstrings_open_with_a_verb_or_a_noun() -> None:
    assert list(map(str, names.docstring_openings(tops=names.TOPS))) == []


def test_docstrings_and_comments_hold_no_refused_words() -> None:
    assert list(map(str, names.refused_comments(tops=names.TOPS))) == []


def test_functions_are_not_called_by_participles() -> None:
    assert list(map(str, names.participle_functions(tops=names.TOPS))) == []


def test_class_names_are_unique_in_the_distribution() -> None:
    assert names.classes_twice() == {}


def test_rooms_hold_at_most_fifteen_modules() -> None:
    assert {room: size for room, size in names.room_sizes().items() if size > MAX_MODULES} == {}


def test_modules_import_each_other_in_no_circle() -> None:
    assert names.circles(names.import_graph()) == []


def test_a_circle_of_imports_is_found() -> None:
    graph = {"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}, "e": set()}
    assert names.circles(graph) == [["a", "b", "c"]]


def test_test_names_are_short_and_hold_no_requirement() -> None:
    long, numbered = names.unfit_test_names(MAX_TEST_NAME)
    assert list(map(str, [*long, *numbered])) == []


def test_each_kind_of_unfit_name_is_found(tmp_path: Path) -> None:
    module = tmp_path / "core" / "upshot.py"
    module.parent.mkdir()
    module.write_text(
        'def f(mailBox: int) -> None:\n    """\n    Whether it is."""\n    x.told = 1\ndef _seen(): ...\n'
    )
    assert [place.text for place in names.literary_places(tmp_path, ("core",))] == ["module upshot", "attribute told"]
    assert [place.text for place in names.docstring_openings(tmp_path, ("core",))] == ["Whether it is."]
    assert [place.text for place in names.participle_functions(tmp_path, ("core",))] == ["_seen"]


@pytest.mark.parametrize(
    ("name", "words"),
    [("is_left_over", ["is", "left", "over"]), ("HTMLPage", ["html", "page"]), ("aB2", ["a", "b", "2"])],
)
def test_words_of_a_name_are_split(name: str, words: list[str]) -> None:
    assert names.words_of(name) == words


def test_refused_phrases_are_read_from_their_list() -> None:
    page = "# Page\n\n- **One**: alpha, beta,\n  gamma.\n- **Two**: delta.\n\nText.\n"
    assert names.refused_phrases("One", page) == {"alpha", "beta", "gamma"}
    assert names.refused_phrases("Two", page) == {"delta"}
    with pytest.raises(ValueError, match="no list called 'Three'"):
        names.refused_phrases("Three", page)


def test_docstrings_of_constants_and_attributes_are_read() -> None:
    source = '"""Module."""\nA = 1\n"""Constant."""\nclass B:\n    c: int = 2\n    """Attribute."""\n'
    assert sorted(text for _, text in names.docstrings(ast.parse(source))) == ["Attribute.", "Constant.", "Module."]
