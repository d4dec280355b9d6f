"""Encrypted connections to a real cluster, with authorities of the tests' own."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme
from dask_cluster import DaskCluster

from rae_auto.api import Assignment
from rae_auto.model.job import Job
from rae_auto.model.primitives.names import RunId
from rae_auto.model.run import Result

LIMIT_SECONDS = 100.0


def write_certificates(place: Path, name: str) -> tuple[str, str]:
    """Write the certificate of an authority, and one that it has signed, with its key in the same file."""
    authority = trustme.CA()
    made = authority.issue_cert("cluster")
    authority.cert_pem.write_to_path(place / f"{name}-ca.pem")
    made.private_key_and_cert_chain_pem.write_to_path(place / f"{name}.pem")
    return str(place / f"{name}-ca.pem"), str(place / f"{name}.pem")


@pytest.fixture(scope="module")
def own(cluster: DaskCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaskCluster]:
    """Return an encrypted cluster with a worker; `place` has the files of its authority, "own", and of "stranger"."""
    place = tmp_path_factory.mktemp("encrypted")
    write_certificates(place, "stranger")
    ca, cert = write_certificates(place, "own")
    made = DaskCluster(place, cluster, ("--tls-ca-file", ca, "--tls-cert", cert))
    made.start()
    made.add_worker()
    yield made
    made.close()


@pytest.fixture
def tls_executor(own: DaskCluster, make_executor: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that makes an executor for the encrypted cluster with files of these names."""

    def make(ca: str, cert: str) -> Any:
        files = {"ca_file": str(own.place / ca), "cert_file": str(own.place / cert)}
        return make_executor(scheduler=own.address, **files)

    return make


def test_attempt_runs_on_an_encrypted_cluster(tls_executor: Callable[..., Any], tmp_path: Path) -> None:
    job = Job(id="tls", shell="echo hello; exit 4", cwd=str(tmp_path))
    attempt = Assignment(run=RunId("tls-1"), attempt=1, job=job, environment={}, output=tmp_path / "output")

    async def scene() -> Any:
        executor = tls_executor("own-ca.pem", "own.pem")
        await executor.open(tmp_path)
        async with asyncio.timeout(LIMIT_SECONDS):
            result = await (await executor.start(attempt)).wait()
        await executor.close()
        return result

    result = asyncio.run(scene())
    assert isinstance(result, Result)
    assert (result.exit_code, attempt.output.read_text()) == (4, "hello\n")


@pytest.mark.parametrize(
    ("ca", "cert", "problem"),
    [
        ("own-ca.pem", "own.pem", ""),
        ("stranger-ca.pem", "own.pem", "not signed by the authority in ca_file"),
        ("own-ca.pem", "stranger.pem", "certificates of the"),
        ("own-ca.pem", "missing.pem", "No such file or directory; see ca_file, cert_file and key_file"),
        ("own-ca.pem", "own-ca.pem", "has no certificate, or no key, in PEM format"),
    ],
)
def test_doctor_names_what_is_wrong_with_certificates(
    tls_executor: Callable[..., Any], tmp_path: Path, ca: str, cert: str, problem: str
) -> None:
    assert problem in "".join(tls_executor(ca, cert).problems(tmp_path))
