"""Suggestions for misspelled names."""

import pytest

from rae_auto.config.hints.synonyms import KEY_SYNONYMS
from rae_auto.model.primitives.names import did_you_mean

COMMANDS = ("status", "stats", "restore", "resume", "reload", "remove", "history", "schedule", "retry", "kill_after")


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("stauts", "status"),
        ("stat", "stats"),
        ("Status", "status"),
        ("histroy", "history"),
        ("hist", "history"),
        ("sched", "schedule"),
        ("kill-after", "kill_after"),
        ("relod", "reload"),
        ("remvoe", "remove"),
    ],
)
def test_did_you_mean_suggests_what_is_near(word, meant):
    assert did_you_mean(word, COMMANDS) == f'; did you mean "{meant}"?'


@pytest.mark.parametrize("word", ["restart", "every", "after", "start", "qqq", "re", "", "x" * 64])
def test_did_you_mean_suggests_nothing_that_is_far(word):
    assert did_you_mean(word, COMMANDS) == ""


def test_did_you_mean_suggests_only_synonyms_that_are_known():
    synonyms = {"begin": ("start", "run")}
    assert did_you_mean("begin", ["run", "bean"], synonyms) == '; did you mean "run"?'
    assert did_you_mean("Begin", ["run", "start"], synonyms) == '; did you mean "start" or "run"?'
    assert did_you_mean("begin", ["begni"], synonyms) == '; did you mean "begni"?'


def test_key_synonyms_are_no_keys_of_their_own():
    ours = {name for names in KEY_SYNONYMS.values() for name in names}
    assert ours.isdisjoint(KEY_SYNONYMS)
