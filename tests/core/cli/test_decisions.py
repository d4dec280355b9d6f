"""`history --decisions`: what did not run, and why, beside what ran, with a daemon and without."""

from tests.support.waiting import eventually

from rae_auto.cli.entry import run

JOBS = """
[jobs.slow]
command = ["sleep", "600"]
trigger = { type = "interval", every = "1s" }
"""


def test_history_shows_what_did_not_run_beside_what_ran(daemons, capsys):
    def call(*arguments):
        capsys.readouterr()
        assert run(["history", "slow", *arguments]) == 0
        said = capsys.readouterr()
        return said.out.splitlines(), said.err

    daemons.serve()
    eventually(lambda: len(call("--decisions")[0]) >= 3)
    daemons.kill()
    for daemon_is_running in (False, True):
        if daemon_is_running:
            daemons.serve()
        lines, said = call("--decisions")
        assert "skipped" in lines[0]
        assert "overlap = skip" in lines[0] or "another run" in lines[0] or "open" in lines[0]
        assert "skipped" not in lines[-1]
        assert said == ""
        assert len(call()[0]) == 1
        assert call("--decisions", "--state", "running")[0] == call("--state", "running")[0]
        lines, said = call("--decisions", "--limit", "1")
        assert len(lines) == 1
        assert "showing the newest 1; 'rae-auto history --limit N' shows more" in said
