"""Both sides of the control connection: protocol, requests, client."""
