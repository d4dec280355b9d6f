"""The ways in which commands reach the daemon: a Unix socket, or a port of the loopback interface.

Connections are opened and accepted through `choice.control_transport`; nothing above knows which transport it is.
Windows has the loopback interface: Python has no Unix sockets there, and asyncio creates named pipes with rights that
can't be chosen, has no timeouts for them, and none of it could be tested on another platform.
"""
