"""The world log of a running daemon, as a script for a simulation."""

from rae_auto.control.client import Client


def test_world_log_of_a_daemon_is_played_by_a_simulation(cli, daemon, home):
    cli("event", "send", "coffee.made", "--field", "cups=2")
    with Client(home / "state") as client:
        found = client.call("world_log")
    (event,) = [one for one in found if one.get("name") == "coffee.made"]
    assert event["data"] == {"cups": "2"}
    assert cli("simulate", "--config", str(home / "rae.toml"), "--events", "recorded", "--json").code == 0
