"""Options of the whole test suite."""

from __future__ import annotations

from typing import Any

import pytest

from tests.strands import order, scheduler


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="also the long tables (make test-all)")
    parser.addoption("--update-golden", action="store_true", help="write tests/render/golden anew")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "long: part of `make test-all` only")
    config.addinivalue_line("markers", "slow: not part of `make test-fast`")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    return scheduler(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: order(item.nodeid))
    if not config.getoption("--long"):
        kept = [item for item in items if "long" not in item.keywords]
        config.hook.pytest_deselected(items=[item for item in items if item not in kept])
        items[:] = kept
