"""The pure part: commands and events in, changes and effects out. No clock, no I/O, no threads, no randomness.

A way to read it:

1. `engine` handles an input and returns a step; `commands`, `events` and `effects` are its vocabulary.
2. `state` has all that it knows, with the theory. `turn` and `undo_log` make each part of a turn whole or nothing.
3. A run from its occurrence to its end: `due_instants` and `runs.admission` decide it, `runs.waiting` and
   `runs.dispatch` start it when nothing blocks it (`runs.dependencies`, `runs.guards`), `runs.attempts` follows its
   attempts, `runs.retry` repeats them, `runs.ending` ends it.
4. Time: `time_passing` handles clocks and alarms, `time.catch_up` and `time.cursors` decide on missed instants.
5. Requests of people: `jobs`, `renaming`, `by_hand`, `lifecycle`. Reports to people: `notices`, `runs.expectations`.
"""
