"""The keeper: a small process that spawns a daemon's jobs, holds their pipes, ends their trees and notes how they end.

Since the jobs are its children and not the daemon's, a daemon that is killed takes nothing with it: the keeper reads
on, writes each exit status to disk, and goes when its last job has ended. Standard library only, one thread, and run
without site packages, so nothing in here may import anything of rae-auto but its neighbours.

Requests and reports are JSON lines over the socket that is its standard input:

    {"key": …, "run": …, "argv": […], "env": {…}, "cwd": …, "output": PATH, "cap": BYTES, "hide": […],
     "limits": {…}, "orphans": "kill", "kill_after": SECONDS}
    {"end": KEY, "grace": SECONDS}
    {"started": KEY, "pid": …, "ticks": …, …}     {"failed": KEY, "error": …}     {"ended": KEY, "exit": {…}}

Beside an output file `NAME.log` it writes `NAME.start` (what `started` reports) when the job has been spawned and
`NAME.exit` (the exit record) when it has ended, each whole or not at all.
"""
