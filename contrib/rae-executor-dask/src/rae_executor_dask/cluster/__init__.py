"""The helper: a process beside the daemon that talks to the cluster, so that the daemon needn't import `distributed`.

JSON lines over standard input and output; `__main__` begins. Requests of the daemon:

    {"do": "ready", "id": N, "labels": […], "resources": {…}}       is there a worker that could take such an attempt?
    {"do": "spawn", "token": T, "run": ID, "request": {…}, "name": TEXT, "labels": […], "resources": {…}, "priority": N}
    {"do": "follow", "token": T, "run": ID, "offset": N}             an attempt of an earlier daemon or helper
    {"do": "end", "token": T, "grace": SECONDS}
    {"do": "done", "token": T}

Reports:

    {"open": BOOL, "problem": TEXT}                                  the scheduler is there, or why not
    {"id": N, "problem": TEXT or null}                               the answer to "ready"
    {"token": T, "taken": true}                                      a worker has taken it: it is queued no more
    {"token": T, "away": BOOL}                                       whether its worker answers
    {"token": T, "alive": …}, "data", "ended", "never", "lost", "failed": as in `rae_plugins.executors.remote.attempt`


At most one start
=================

Dask runs a task again whenever it takes its worker for dead, and when a result is lost: tasks are at least once. So the
task starts nothing. It asks (the *claim*), and the helper answers, once:

    task, on any worker                 helper                                  worker's relay and keeper
    ───────────────────                 ──────                                  ─────────────────────────
    claim(token, relay, place) ────────► no file for the token: writes
                                         it, O_EXCL and fsync, with who
                                         and where; then the permission ──────► directory of the token made, job spawned
    claim from another worker  ────────► refused

The file is in the daemon's own state directory, because that outlives scheduler, workers and the daemon's processes:

    no file             it may not be started yet, and never if the next daemon writes "never" into it first
    file, "never"       it never starts
    file, a place       if it started, then there, on that machine, in the directory of its name

Failures that this covers: a worker that is killed, stopped, cut off or restarted; a task run twice, on one worker or on
several; a permission that arrives twice or late; a scheduler that is killed and comes back with nothing in memory; a
daemon or helper killed at any moment, also between the file and the permission; two helpers at once. It doesn't cover
a daemon's state directory that is lost or restored from a copy: then runs are as uncertain as for any executor.


Proof of an end
===============

An attempt is lost, so that `on_crash` decides, when one of these is proven, and never because something is silent:

- another worker on the same machine (or a new one, as a nanny starts it) finds the run directory without a keeper. It
  ends what is left, and reads the exit status if there is one. If the keeper is alive, as when the worker was stopped
  or cut off, the attempt is followed through that worker.
- no worker is on that machine, and the scheduler has not known the attempt's worker for a lease and a margin. A job
  runs only while its keeper has a lease, which the worker gets from the scheduler for as long as that knows it. So its
  keeper has ended it by then. This needs a keeper that runs: one that is stopped together with its worker, on a machine
  with no other worker, can go on after it wakes, for the moment until it looks at the clock.
"""
