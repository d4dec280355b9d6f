"""Runs a plugin without a daemon, for `plugins try`, again at each save of its file.

Theory
======

The plugin runs in a process of its own, the *worker*, so that nothing that it does can harm what shows it: a loop, an
exit, a crash, prints, threads that are left behind. A worker is used for one save. Two more of them stand by, in which
all of rae-auto that a trial needs is imported already; so a save costs the import of the plugin alone, and is shown
within 300 ms.

    the viewer (session)                         a worker (worker, trial)
        TrialRequest  ───────────────────────►   imports the plugin, and tries it
        "move", "again", …  ─────────────────►   moves its clock, asks it again
        ◄───────────────────────────────────     secrets, to mask what it prints; frames; a sign of life

Requests, keys and frames are lines of JSON on standard input and output. The plugin's own output goes to standard
error, which the viewer reads, masks and shows. A worker whose viewer is gone ends itself and what it has started.

*Hangs.* A quick method that loops is interrupted and named by `call_within_seconds`. Whatever else blocks the worker
(a coroutine, a loop in C) keeps it from sending signs of life; faulthandler, which needs no turn of the interpreter,
writes the place into a file beside, and the viewer shows that. After `GIVE_UP_SECONDS` the worker is killed.

*The clock* is virtual, goes on with the real one, and is moved by keys; see `clock`.
"""
