"""The part that runs on the other machine, with nothing but Python 3.9 and its standard library.

One process per connection, the *agent*, answers the daemon over the line. For each attempt it forks a *keeper*, which
leaves the connection behind: it spawns the job, holds its pipe, enforces limits and timeout, and writes the exit status
into the run directory. The keeper is the built-in process executor's, with another channel. Nothing in this package may
import anything but that and its neighbours.

The run directory and the states that a connection can find are explained in `rae_plugins.executors.remote.host`.
"""
