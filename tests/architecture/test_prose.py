"""The pages keep the rules of prose, and the rules find what they are made for."""

import pytest

# Skipped where the checkers are not installed; `tests/run_all.py prose` fails there, as pytest then collects nothing.
pytest.importorskip("proselint", reason="needs proselint and codespell: pip install -e '.[dev]'")
pytest.importorskip("codespell_lib", reason="needs proselint and codespell: pip install -e '.[dev]'")

from tests.architecture import prose

TWENTY = "  one two three four five six seven eight nine ten\n" * 2


def findings(text: str, path: str = "docs/page.md") -> list[str]:
    return [f"{place.line}: {place.text}" for place in prose.check({path: text})]


def test_pages_keep_the_rules_of_prose() -> None:
    assert list(map(str, prose.check(prose.pages()))) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("The daemon tells why.", '"tells"', id="dialect"),
        pytest.param("A missed run is made\nup for at start.", '"made up for"', id="dialect-over-two-lines"),
        pytest.param("Leave it, since it is safe.", "because", id="causal-since"),
        pytest.param("That word is\nno duration.", "say what it is", id="is-no"),
        pytest.param("The job is running since noon.", "has been", id="is-running-since"),
        pytest.param("It ran 1 time(s).", "plural", id="plural"),
        pytest.param("A\n" + TWENTY * 2, "41 words", id="long-sentence"),
        pytest.param("- A\n" + TWENTY * 2, "41 words", id="long-item"),
        pytest.param("x" * 101, "101 characters", id="long-line"),
        pytest.param("It is a very good tool.", "weasel_words", id="style"),
        pytest.param("It runs the the job.", "lexical_illusions", id="repeated-word"),
        pytest.param("The daemon recieves an event.", "receives", id="spelling"),
        pytest.param("| key | it tells why |", '"tells"', id="cell-of-a-table"),
    ],
)
def test_bad_prose_is_found(text: str, expected: str) -> None:
    (finding,) = findings(f"# Page\n\n{text}\n")
    assert finding.startswith("3: ")
    assert expected in finding


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("Use `tells` and\n`it is no job`.", id="code"),
        pytest.param(f"```toml\n# {'tells ' * 50}\n```", id="block"),
        pytest.param("<!-- it tells -->", id="comment"),
        pytest.param("See [the page](https://example.org/tells/recieve).", id="address"),
        pytest.param("The job is no longer there. There is no job. It has run since noon.", id="idiom"),
        pytest.param("| key |" + " one two |" * 20, id="cells-are-sentences"),
        pytest.param(f"- First\n{TWENTY}- Second\n{TWENTY}", id="items-are-sentences"),
    ],
)
def test_good_prose_passes(text: str) -> None:
    assert findings(text) == []


def test_help_texts_are_prose() -> None:
    text = "```text\nUsage: rae-auto why JOB\n\n  The daemon tells why.\n```\n"
    assert findings(text, prose.HELP_PAGE) == ['4: "tells": use a word of docs/design/vocabulary.md']
    assert findings(text) == []


def test_pages_include_each_page_of_the_documentation() -> None:
    found = prose.pages()
    assert {"README.md", "CONTRIBUTING.md", "CHANGELOG.md", prose.HELP_PAGE, *prose.VOCABULARY_PAGES} <= found.keys()
