"""Encrypted connections to a cluster: the certificates, and what is wrong with them, in words with a remedy."""

import re
import ssl
from collections.abc import Iterator
from pathlib import Path

from distributed.security import Security

from rae_executor_dask.cluster.settings import TlsFiles

REASON = re.compile(r"\[SSL: (\w+)\]")
"""The reason in the text of an error of TLS."""


class UnusableFile(Exception):
    """A file that has no certificate or key."""


def build_security(tls: TlsFiles | None) -> Security | None:
    """Return the certificates as Dask takes them; None for those of its own configuration.

    Errors: OSError for a file that can't be read, UnusableFile for one that has no certificate or key.
    """
    if tls is None:
        return None
    for path in filter(None, tls):
        # Dask's own error names no file.
        with Path(path).open("rb"):
            pass
    # As Dask does it later, where an error would not be passed on.
    try:
        ssl.create_default_context(cafile=tls.ca).load_cert_chain(tls.cert, tls.key)
    except ssl.SSLError as error:
        raise UnusableFile from error
    return Security(
        tls_ca_file=tls.ca, tls_client_cert=tls.cert, tls_client_key=tls.key or tls.cert, require_encryption=True
    )


def explain_failure(error: BaseException, tls: TlsFiles | None) -> str:
    """Return one line that says why the connection failed, and what to change."""
    for cause in _list_causes(error):
        if isinstance(cause, UnusableFile):
            return "a file of ca_file, cert_file or key_file has no certificate, or no key, in PEM format"
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"the cluster's certificate is not signed by the authority in ca_file ({cause.verify_message})"
        # What the cluster refuses comes as the text of another error.
        if found := REASON.search(str(cause)):
            return f"TLS fails ({found[1]}); compare ca_file and cert_file with the certificates of the cluster"
        if isinstance(cause, FileNotFoundError | PermissionError):
            return f"{cause.filename}: {cause.strerror}; see ca_file, cert_file and key_file"
    certificates = "" if tls is None else ", and whether it has certificates of the same authority"
    return f"{first_line(error)}; see whether the scheduler is up{certificates}"


def _list_causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def first_line(error: BaseException) -> str:
    """Return the first line of an error's text."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
