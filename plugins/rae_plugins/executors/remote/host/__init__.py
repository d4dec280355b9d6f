"""The part that runs on another machine, with nothing but Python 3.9 and its standard library.

It is shipped there together with the keeper of the process executor and the parts that an executor adds. Nothing in
this package may import anything but the keeper and its neighbours.


The run directory
=================

`runs/TOKEN`, where TOKEN is RUN.ATTEMPT, so that each attempt has one name for ever:

    about.json   the boot in which it was made, the limit of the output, the run; durable before anything is spawned
    alive        locked (flock) by the keeper while it lives; the kernel lets go of it whatever ends the keeper
    control      a named pipe, by which any agent asks the keeper to end the attempt
    out.log      created with O_EXCL by the process that decides about the attempt: with mode 0600 by a keeper, which
                 then spawns the job; with 0400 by an agent that finds nothing started: then it never starts
    out.start, out.exit, out.index   records of the process executor's keeper (see its package)
    private/     secret files and large events; removed by the keeper at the end, or by who finds that it has gone
    done         the daemon has the result; the output is removed at once, the rest after some days


What a connection can find
==========================

    directory   keeper      out.exit    out.log    state
    ---------   ------      --------    -------    --------------------------------------------------------
    missing     -           -           -          made, and claimed by a log of mode 0400: never starts
    there       -           yes         any        ended, with this status
    there       alive       no          any        about to start, or running: it is followed
    there       gone        no          missing    claimed: never starts; in another boot: lost
    there       gone        no          0400       never starts
    there       gone        no          0600       what is left of it is ended, then it is lost

A lost connection proves nothing about an attempt. `mkdir` and `open(O_EXCL)` decide races between two agents, of which
one may talk to a daemon that is long gone.
"""
