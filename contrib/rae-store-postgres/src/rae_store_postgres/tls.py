"""Problems of encrypted connections that time doesn't heal, in words with a remedy."""

import ssl
from collections.abc import Mapping
from pathlib import Path

import asyncpg

FILE_PARAMETERS = ("sslrootcert", "sslcert", "sslkey", "sslcrl", "passfile")

HOST_MISMATCH_CODES, EXPIRED_CODE = (62, 64), 10
"""Codes of OpenSSL's verification: a wrong host name or address, and a certificate that has expired."""

REJECTED = "rejected SSL upgrade"
"""The answer of asyncpg about a server without TLS."""


def describe_tls_problem(error: BaseException) -> str | None:
    """Return what is wrong, if the error is about certificates or a server without TLS; None for any other."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return _describe_refusal(error)
    if isinstance(error, ssl.SSLError) and error.library in ("X509", "PEM"):
        return f"a file of sslrootcert, sslcert or sslkey has no certificate or key in PEM format ({error.reason})"
    if isinstance(error, asyncpg.ClientConfigurationError):
        return f"{error}; see 'Options' and 'TLS' in the README of rae-store-postgres"
    if isinstance(error, ConnectionError) and REJECTED in str(error):
        return "the server has no TLS, which the dsn demands; set ssl = on there, or another sslmode"
    return None


def _describe_refusal(error: ssl.SSLCertVerificationError) -> str:
    if error.verify_code in HOST_MISMATCH_CODES:
        return f"its certificate is not valid for this host ({error.verify_message}); use a name that it has"
    if error.verify_code == EXPIRED_CODE:
        return "its certificate has expired; renew it on the server"
    return (
        f"its certificate is not signed by the authority in sslrootcert ({error.verify_message}); "
        "name the file with the certificate of its authority"
    )


def find_missing_file(parameters: Mapping[str, str]) -> str | None:
    """Return which file that the parameters of a dsn name can't be read, and why; None if all can."""
    for name in FILE_PARAMETERS:
        if name in parameters:
            try:
                with Path(parameters[name]).open("rb"):
                    pass
            except (OSError, ValueError) as error:
                return f"{name} = {parameters[name]}: {getattr(error, 'strerror', None) or error}"
    return None
