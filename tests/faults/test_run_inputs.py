"""Values that one run was given are part of it: its retries have them, also after the daemon was killed."""

from collections.abc import Callable

from tests.support.daemons import Daemons
from tests.support.waiting import eventually

JOB = """
[jobs.greet]
command = ["sh", "-c", 'echo "$NAME $@" >> {home}/said; test -e {home}/go', "greet"]
env = { NAME = "nobody" }
retry = { attempts = 50, delay = "100ms", backoff = "constant" }
"""


def test_inputs_of_a_run_survive_retries_and_a_crash(daemons: Callable[..., Daemons]) -> None:
    d = daemons(JOB)
    d.serve()
    d.ask("trigger", job="greet", env={"NAME": "Ann"}, args=["a b", "ä"], event={"x": 1})
    said = d.home / "said"
    eventually(lambda: said.exists() and len(said.read_text().splitlines()) > 1)
    d.kill()
    before = len(said.read_text().splitlines())
    d.serve()
    eventually(lambda: len(said.read_text().splitlines()) > before + 1)
    (d.home / "go").touch()
    eventually(lambda: d.ask("history", job="greet")[0]["state"] == "succeeded")
    d.ask("trigger", job="greet")
    eventually(lambda: len(d.ask("history", job="greet", states=["succeeded"])) == 2)
    *first, last = said.read_text().splitlines()
    assert set(first) == {"Ann a b ä"}
    assert last == "nobody "
