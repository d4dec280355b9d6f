"""Both sides of the control socket: protocol, requests, client."""
