"""Fixtures of the tests that render whole guests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from cloudinit import PLATFORMS, SeedDocuments
from tests.render.authority import Authority, Pair
from tests.render.backends import Backends, started
from tests.render.served import Served, network_of_its_own, running
from tests.render.sites import Site, rendered_case
from tests.tables import slow
from toolchain.distribution_nginx import unpacked

DEBIANS = (slow("debian-12"), "debian-13")
"""The platforms of tests that take their time: what differs between them is in quick ones, of both."""

Serve = Callable[..., AbstractContextManager[Served]]


@pytest.fixture(scope="session")
def roots() -> dict[str, Path]:
    """Where each Debian suite's own nginx is unpacked."""
    return {suite: unpacked(suite) for suite in ("bookworm", "trixie")}


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.make(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="session")
def pair(authority: Authority) -> Pair:
    """What the gateways under test show to their clients."""
    return authority.issue("DNS:api.example.test", "DNS:www.example.test", "IP:127.0.0.1")


@pytest.fixture(scope="module")
def serve(roots: dict[str, Path], authority: Authority, pair: Pair, tmp_path_factory: pytest.TempPathFactory) -> Serve:
    """Serves documents by the nginx of a platform, inside `network_of_its_own`."""

    @contextmanager
    def serving(documents: SeedDocuments, platform: str, backends: Backends, port: int = 443) -> Iterator[Served]:
        folder = tmp_path_factory.mktemp("served")
        folder.chmod(0o755)
        site = Site.make(roots[PLATFORMS[platform].suite], folder / "site", documents.files, pair)
        with running(site, backends, documents.config_hash, authority.certificate, port) as gateway:
            yield gateway

    return serving


@pytest.fixture(scope="module", params=["debian-12", "debian-13"])
def served(request: pytest.FixtureRequest, serve: Serve) -> Iterator[Served]:
    """The case `served`, by both versions of nginx, with its backends."""
    documents = rendered_case("served", request.param)
    with network_of_its_own(), started() as backends, serve(documents, request.param, backends) as gateway:
        yield gateway
