"""The keeper on Windows: job objects in place of sessions, tags and control groups.

Nothing in here needs more than the standard library and kernel32.dll, as the keeper runs without site packages.


Job objects
===========

A job object is a kernel object that holds processes. A process that is created by a member is a member too, whatever
its parent does afterwards, so a job object is what sessions, tags and the subreaper are on Linux, without their gaps.
It bounds its members as a whole (memory, user-mode CPU time, number of processes), counts what they have used, the
ended ones included, and ends all of them by one call. When it says that it has no active process, none is left.

*Kill-on-close is off.* With JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE the kernel ends all members when the last handle of the
job object is closed, for whatever reason: also when the keeper is killed. A run would then depend on the keeper's life,
and a daemon that comes back would find it ended with no status. So a job object ends its members only when it is told
to; what a keeper that was killed leaves behind is found by its pid and its time of creation.

*Breakaway is off* (no JOB_OBJECT_LIMIT_BREAKAWAY_OK), so no member can leave. What a member has created for it by
another process is none: a service, a task of the Task Scheduler, a process started through WMI or COM.

*The race at the start.* A process can be put into a job object only once it exists. If it ran at once, it could start
another process before that, which would be outside for ever. So it is created suspended, put into its job object, and
only then resumed. Where any of this fails, it is ended before it has run.

*The name.* Each job object has a random name in the namespace of this logon session, which the start record holds. By
it another daemon ends an attempt that it has adopted. The name is gone once the last handle is closed; the main
process therefore inherits a handle, with the right to ask only.

*Limits.* An allocation beyond the memory limit fails, and a process beyond the limit of processes is ended at once. In
both cases the kernel sends a message to the job object's completion port; the keeper reads it and ends the whole tree,
as on the other platforms, so that the run says which limit it was.


The polite signal
=================

There is no SIGTERM. A console program can be sent Ctrl-Break, by a process that is attached to the same console, and
each main process leads a process group of its own (CREATE_NEW_PROCESS_GROUP), which gets it alone. So the keeper has a
console without a window (CREATE_NO_WINDOW), which its jobs share; with DETACHED_PROCESS it would have none, and could
only kill. The console is not that of the daemon, so that closing the terminal ends neither keeper nor jobs. Programs
without a console (GUI programs, and what was started with a console of its own) don't get it, and are ended after
`kill_after`.


Threads
=======

A pipe can't be waited for together with a socket here. So each pipe has a thread that reads it, and each main process
one that waits for its end. They hand over what they have, and wake the loop through a socket; nothing else is done in
them.


Sources (learn.microsoft.com): "Job Objects", "JOBOBJECT_BASIC_LIMIT_INFORMATION",
"JOBOBJECT_ASSOCIATE_COMPLETION_PORT", "Process Creation Flags", "GenerateConsoleCtrlEvent", "Nested Jobs".
"""
