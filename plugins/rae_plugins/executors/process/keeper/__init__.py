"""The keeper: a small process between the daemon and its jobs, which survives the daemon.

It spawns the jobs, holds their pipes, ends their process trees and writes their exit statuses to disk. Only the parent
of a process learns its exit status, and only the reader of a pipe keeps its writer alive. Because the keeper, not the
daemon, is both, a daemon that is killed takes nothing with it: the keeper carries on and exits after its last job.

The keeper uses the standard library only, has one thread and runs without site packages, so that it starts in
milliseconds and has little that could fail. Nothing in this package may import anything of rae-auto but its neighbours.
What differs between platforms is behind one shape, `control`; what Windows has instead is explained in `windows`.


The protocol
============

JSON lines over a socket pair; the keeper's end is its standard input (on Windows it is described there, and the keeper
writes a byte to its standard output once it has opened it). Requests of the daemon:

    {"key": KEY, "run": ID, "argv": […], "env": {…}, "cwd": PATH, "output": PATH, "cap": BYTES, "hide": [SECRET, …],
     "limits": {…}, "orphans": "kill" | "allow", "kill_after": SECONDS,
     "user": {"uid": N, "gid": N, "groups": [N, …]},
     "umask": N, "watches_stderr": BOOL, "stdin": TEXT, "private": PATH}    spawn a job; "private" is a folder that
                                                                            is removed when the job has ended;
                                                                            on Windows also "shell", "shell_program"
                                                                            and "python", of which it makes its line
    {"end": KEY, "grace": SECONDS}                                         terminate a job; again: shorten the grace
    {"stored": [KEY, …]}                                                   these ends are durable in the store
    {"expect": N, "folders": [PATH, …]}                                    so many starts are due soon, with output in
                                                                            these folders, as far as they are new

Reports of the keeper:

    {"started": KEY, "pid": N, "ticks": N, "spawned": [FROM, TO], "boot": ID, "keeper": [PID, TICKS],
     "keeper_spawned": [FROM, TO], "tag": N, "group": PATH}
    {"failed": KEY, "error": TEXT}       the job was never spawned
    {"ended": KEY, "exit": {"exit_code": N, "signal": N, "error": TEXT, "remark": TEXT, "stderr": TEXT,
                            "cpu": SECONDS, "memory": BYTES, "started_at": N, "ended_at": N, "tree": {…}}}

"tree" is there only where the exit of the main process was not the end of all: {"exited": SECONDS,
"requested": SECONDS, "killed": SECONDS, "left": true}. The times are counted back from the report: of the exit, of the
first SIGTERM and of the first SIGKILL. "left" says that a process may still be alive, because `orphans` allows it or
nothing could end it. Without "left" the tree was verified to be empty before the report.

For each spawn request there is exactly one `started` or `failed`, and for each `started` exactly one `ended`. A request
to end an unknown key is ignored: its job has ended, and the report is on its way. End of file on the socket means that
the other side has gone; the keeper then sends no more reports and finishes its work.


The files
=========

    NAME.log     created, as if by O_EXCL, by the process that decides; then the job's output, at most `cap` bytes.
                 A daemon creates it with mode 0400, a keeper with 0600. A job that prints nothing leaves none:
                 its file is removed once its end is durable in the store, or recorded.
                 On Windows the file of a daemon has a line that says so, instead of a mode.
    NAME.start   the `started` report, once the job has been spawned
    NAME.exit    the exit record, once the job has ended or could not be spawned
    NAME.index   when what came, of a job that prints for longer than a second; stays beside the output. See
                 `output_index`

Creating files is what costs most of a short job, so a record is deferred for as long as a daemon is there to take the
reports: it is written if the daemon goes, or if the job runs, or its end isn't confirmed, for DEFERRAL_SECONDS. The
daemon removes the records of an attempt once its end is durable in the store.

Only the death of the keeper *and* the daemon within that time loses a deferred record. The output file then says that
the attempt was started, so nothing runs twice; its end is unknown, as it is whenever a keeper is killed.

Start and exit records are replaced atomically, so that a reader sees them whole or not at all. What they mean to the
next daemon:

    .log   .start  .exit   state of the attempt
    ----   ------  -----   ------------------------------------------------------------------------------------------
    no     no      no      not spawned; the process that creates the log file decides whether it ever is
    0400   no      no      claimed by a daemon: not spawned, and never will be
    0600   no      no      a keeper is about to spawn it (wait while any is alive), or was killed doing so
    yes    yes     no      running while its process is alive; otherwise its keeper was killed: end unknown
    any    any     yes     ended, with this status


States of a job
===============

    spawned ──exit──► exited ──pipe closed or drain time over, no orphans──► finished (record, report)
       │                 │
       │                 └─orphans left, `orphans = "kill"`─┐
       └─`end` request, or limit exceeded───────────────────┴─► terminating ──tree empty or not killable──► finished

A job is finished exactly once, and only then leaves `Keeper.jobs`. The keeper exits when it has no jobs and no daemon.


Races, and how they are closed
==============================

*The daemon dies between its commit "starting" and the request.* The next daemon can't tell this from a request that
the keeper has yet to read. So the first act of both is the same: create the log file with O_EXCL. Only one can. If the
daemon wins, the keeper finds the file and spawns nothing (and writes no exit record, as the attempt is not its own);
the run is started again. If the keeper wins, the daemon finds a record, or waits for one while a keeper lives. After a
reboot the file system may have lost either file, so the rule holds only within one boot; otherwise the end is unknown.

*The next daemon looks before the keeper has seen the end of file, and written what it had deferred.* The output file
keeps it from claiming the attempt, and it waits for a record for as long as the keeper is alive.

*The store goes back in time within two seconds of a start, and the daemon is killed.* The run is then unknown to the
next daemon. If that looks before the keeper has written what it deferred, it finds an output file alone, and may count
the attempt as ended while it is alive. Not closed: it takes a damaged store and a kill in these two seconds.

*The keeper is killed with requests that it has yet to carry out.* The daemon reaps it, then creates each log file
itself. Where it can, and there is no record, nothing was spawned: it removes its file, and the next keeper gets the
request (see `keeper_client`). Otherwise the attempt fails, and what there is of it is ended.

*A quiet job ends just as the next daemon looks.* Its log file is removed, so the daemon could claim an attempt that is
over. The exit record is written first, so the daemon looks for records before its claim and after it.

*A pid is used again.* A process is identified by pid, start time and boot id; without /proc by pid and the moments
between which it was spawned, with which the daemon compares the time of creation. A signal goes through a pidfd, and
only after the start time was compared through that pidfd's process, so it reaches the process that was meant or none.

*A process exits between two looks.* The keeper reaps a child only in `reap`, and reads its owner while it is still a
zombie: until then its pid can't be used again and /proc still describes it. Before a job is declared free of orphans,
the keeper reaps again, so that what died meanwhile is counted as its CPU time and not seen as alive.

*A process forks while its tree is being killed.* Each process is stopped before any is killed, and the tree is listed
again until nothing new appears (see `termination`). A process that changes parents between two reads of /proc may be
missed once; an empty list is therefore read twice.

*Output arrives after the exit.* A job's descendant may hold the pipe open for ever. After the exit the pipe is read
for OUTPUT_DRAIN_SECONDS at most.

*The adopting daemon sees the process gone, but the record not yet written.* It looks first at the processes, then for
the record, and gives a living keeper some more looks (see `adopted_attempt`).
"""
