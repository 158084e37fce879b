"""Options of the whole test suite."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Generator
from typing import Any

import pytest

from tests.strands import has_guest, order, scheduler, turn


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="also the long tables (make test-all)")
    parser.addoption("--update-golden", action="store_true", help="write tests/render/golden anew")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "long: part of `make test-all` only")
    config.addinivalue_line("markers", "slow: not part of `make test-fast`")
    config.addinivalue_line("markers", "alone: held to the clock, so no other worker runs a test meanwhile")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    return scheduler(config, log)


class Teller:
    """Names a test with a guest when it has ended, and one that failed: else there is a dot in many minutes."""

    def __init__(self, terminal: pytest.TerminalReporter) -> None:
        self._terminal = terminal
        self._seconds = defaultdict[str, float](float)
        self._failed = set[str]()

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._seconds[report.nodeid] += report.duration
        if report.failed:
            self._failed.add(report.nodeid)
        if report.when == "teardown" and (report.nodeid in self._failed or has_guest(report.nodeid)):
            ended = "FAILED" if report.nodeid in self._failed else "passed"
            self._terminal.write_line(f"\n{report.nodeid} {ended} after {self._seconds[report.nodeid]:.0f} s")


@pytest.hookimpl(trylast=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    terminal = session.config.pluginmanager.get_plugin("terminalreporter")
    if terminal and session.config.getoption("numprocesses", None):
        session.config.pluginmanager.register(Teller(terminal))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    with turn(item.config.rootpath / ".nordgate/tests", alone="alone" in item.keywords):
        return (yield)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: order(item.nodeid))
    if not config.getoption("--long"):
        kept = [item for item in items if "long" not in item.keywords]
        config.hook.pytest_deselected(items=[item for item in items if item not in kept])
        items[:] = kept
