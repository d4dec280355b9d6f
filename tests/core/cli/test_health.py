"""The commands health and metrics, against a real daemon and without one."""

import threading
import urllib.error
import urllib.request
from contextlib import contextmanager

import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.support.waiting import eventually

from rae_auto.cli.upkeep.metrics_server import make_server, parse_address
from rae_auto.errors import DaemonUnreachable


@pytest.mark.usefixtures("daemon")
def test_health_of_a_daemon_is_one_line_and_an_exit_code(cli):
    answer = cli("health", "--json")
    # A slow machine may make the loop late, which is a warning.
    assert (answer.code, answer.json["level"]) in [(0, "ok"), (1, "warning")]
    jobs = answer.json["facts"]["jobs"]
    assert jobs == len(cli("list", "--json").json)
    assert answer.json["facts"]["loop"]["turns"] > 0
    assert answer.json["facts"]["store"]["commits"] > 0
    said = cli("health")
    assert said.out.startswith((f"rae-auto OK: {jobs} jobs; longest commit ", "rae-auto WARNING: "))
    assert said.out.count("\n") == 1


@pytest.mark.usefixtures("daemon")
def test_metrics_of_a_daemon_count_its_runs(cli):
    def count_runs():
        said = cli("metrics")
        assert said.code == 0, said.err
        families = {family.name: family for family in text_string_to_metric_families(said.out)}
        assert families["process_resident_memory_bytes"].samples[0].value > 10 << 20
        samples = families["rae_auto_job_runs"].samples if "rae_auto_job_runs" in families else ()
        labels = {"job": "hello", "state": "succeeded"}
        return next((sample.value for sample in samples if sample.labels == labels), 0)

    before = count_runs()
    cli("trigger", "hello")
    eventually(lambda: count_runs() == before + 1)


def test_health_without_a_daemon_is_critical(offline):
    answer = offline("health")
    assert answer.code == 2
    assert answer.out.startswith("rae-auto CRITICAL: no daemon is running for ")
    assert offline("health", "--json").json["level"] == "critical"
    assert offline("metrics").code == 3


def test_health_that_cannot_be_known_is_unknown(offline, tmp_path):
    answer = offline("health", "--config", str(tmp_path / "missing.toml"))
    assert answer.code == 3
    assert answer.out.startswith("rae-auto UNKNOWN: ")


@contextmanager
def serving(read):
    server = make_server("127.0.0.1", 0, read)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def fetch(url, **headers):
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=60) as answer:
            return answer.status, answer.headers["Content-Type"], answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers["Content-Type"], error.read().decode()


def test_server_answers_this_machine_alone():
    with serving(lambda: "a 1\n") as url:
        assert fetch(f"{url}/metrics") == (200, "text/plain; version=0.0.4; charset=utf-8", "a 1\n")
        assert fetch(f"{url}/metrics", Host="localhost:9464")[0] == 200
        assert fetch(f"{url}/")[0] == 404
        assert fetch(f"{url}/metrics", Host="evil.example")[0] == 421
        assert fetch(f"{url}/metrics", Host="127.0.0.1.evil.example:80")[0] == 421


def test_server_without_a_daemon_says_that_it_is_critical():
    def fail():
        raise DaemonUnreachable("no daemon is running")

    with serving(fail) as url:
        assert "rae_auto_health_level 2\n" in fetch(f"{url}/metrics")[2]


@pytest.mark.parametrize(
    ("text", "address"),
    [("9464", ("127.0.0.1", 9464)), ("localhost:1", ("127.0.0.1", 1)), ("[::1]:80", ("::1", 80))],
)
def test_address_to_serve_is_one_of_this_machine(text, address):
    assert parse_address(text) == address


@pytest.mark.parametrize("text", ["", "x", "0.0.0.0:9464", "192.0.2.1:9464", "example.org:80", "127.0.0.1:99999"])
def test_address_that_others_can_reach_is_refused(offline, text):
    answer = offline("metrics", "--serve", text)
    assert answer.code == 2
    assert answer.err.startswith("rae-auto: --serve")


@pytest.mark.usefixtures("daemon")
def test_status_as_a_badge_is_a_picture(cli):
    assert cli("status", "--badge").out.startswith('<svg xmlns="http://www.w3.org/2000/svg" ')
    assert "<title>after: not run yet</title>" in cli("status", "--badge", "after").out
    assert (cli("status", "--badge", "nope").code, cli("status", "--badge", "--json").code) == (1, 2)


def test_badge_without_a_daemon_says_so(offline):
    answer = offline("status", "--badge")
    assert answer.code == 3
    assert "<title>rae-auto: not running</title>" in answer.out
    assert answer.err.startswith("rae-auto: no daemon is running for ")
