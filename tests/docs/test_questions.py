"""Forty questions, each answered by a page that is two clicks from the index."""

import re
from pathlib import Path

import pytest
from tests.docs.test_links import DOCS, MAX_CLICKS, ROOT, links_of

LINES = [line for line in (Path(__file__).with_name("questions.txt")).read_text().splitlines() if "|" in line]
QUESTIONS = [tuple(part.strip() for part in line.split("|")) for line in LINES]


def test_there_are_forty_questions() -> None:
    assert len({question for question, _, _ in QUESTIONS}) == len(QUESTIONS) >= 40


@pytest.mark.parametrize(("question", "page", "words"), QUESTIONS, ids=lambda part: part[:40])
def test_a_question_is_answered_two_clicks_from_the_index(question: str, page: str, words: str) -> None:
    assert words in re.sub(r"\s+", " ", (ROOT / page).read_text()), f"{page} no longer answers: {question}"
    reached = {DOCS / "index.md"}
    for _ in range(MAX_CLICKS):
        reached |= {target for found in reached if found.suffix == ".md" for target in links_of(found)}
    assert ROOT / page in reached
