"""What a running daemon has on record of the world, for a simulation."""

from rae_auto.control.client import Client


def test_a_daemon_tells_what_was_recorded_and_a_simulation_plays_it(cli, daemon, home):
    cli("event", "send", "coffee.made", "--field", "cups=2")
    with Client(home / "state") as client:
        found = client.call("world_log")
    (event,) = [one for one in found if one.get("name") == "coffee.made"]
    assert event["data"] == {"cups": "2"}
    assert cli("simulate", "--config", str(home / "rae.toml"), "--events", "recorded", "--json").code == 0
