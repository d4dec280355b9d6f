"""The proof, over a connection that every user of the machine can open, that both ends know the daemon's token.

    client                                server
    hello NONCE_C              ─►
                               ◄─         NONCE_S PROOF(server, NONCE_C, NONCE_S)
    PROOF(client, NONCE_C, NONCE_S), and at once the first request

A proof is the HMAC-SHA256 of the role and both nonces under the token (RFC 2104, hex). The token itself never leaves
its file: the port of a dead daemon may belong to a program of another user by now, and neither the token nor a request
must reach it. The role keeps one end from sending the proof of the other back, the nonces from repeating an old one.
"""

import hmac
import secrets

NONCE_BYTES = 32
MAX_LINE_BYTES = 256
_GREETING = b"rae-auto"


class HandshakeFailed(ConnectionError):
    """The other end doesn't know the token."""


class ClientHandshake:
    """The side of the client."""

    def __init__(self, token: str) -> None:
        self._token = token
        self._nonce = secrets.token_hex(NONCE_BYTES)

    def hello(self) -> bytes:
        """Return the first line to send."""
        return _GREETING + f" {self._nonce}\n".encode()

    def answer(self, line: bytes) -> bytes:
        """Return the line that answers the server's. Errors: HandshakeFailed, and nothing must be sent then."""
        nonce, _, proof = line.decode("ascii", "replace").strip().partition(" ")
        if not hmac.compare_digest(proof.encode(), _prove(self._token, "server", self._nonce, nonce).encode()):
            raise HandshakeFailed("the program that listens is not the daemon")
        return f"{_prove(self._token, 'client', self._nonce, nonce)}\n".encode()


class ServerHandshake:
    """The side of the server."""

    def __init__(self, token: str) -> None:
        self._token = token
        self._nonce = secrets.token_hex(NONCE_BYTES)
        self._client_nonce = ""

    def answer(self, line: bytes) -> bytes | None:
        """Return the line that answers a client's first one; None if it is no greeting."""
        greeting, _, nonce = line.decode("ascii", "replace").strip().partition(" ")
        if greeting.encode() != _GREETING or len(nonce) != 2 * NONCE_BYTES:
            return None
        self._client_nonce = nonce
        return f"{self._nonce} {_prove(self._token, 'server', nonce, self._nonce)}\n".encode()

    def is_proven(self, line: bytes) -> bool:
        """Return whether the second line of the client proves that it knows the token."""
        expected = _prove(self._token, "client", self._client_nonce, self._nonce)
        return hmac.compare_digest(line.strip(), expected.encode())


def _prove(token: str, role: str, client_nonce: str, server_nonce: str) -> str:
    message = f"{role} {client_nonce} {server_nonce}".encode()
    return hmac.new(token.encode(), message, "sha256").hexdigest()
