"""What follows for a deployment from the last one and from what is there: proofs, guests made anew, refusals."""

from __future__ import annotations

from typing import Any

import pytest

from stacks.history import Present, generation, incarnation, refusals

DATA = {"gw1": "oslo-gw1-data.raw"}
LAST: dict[str, Any] = {
    "generation": 3,
    "incarnation": 1,
    "boot": "b1",
    "volumes": ["root.qcow2", "seed.raw"],
    "hypervisor": "host1",
    "machine": "m1",
}


def present(**changed: Any) -> Present:
    found: dict[str, Any] = {
        "hypervisor": "host1",
        "machine": "m1",
        "boot": "b1",
        "defined": True,
        "volumes": ["root.qcow2", "seed.raw", DATA["gw1"]],
    }
    return Present(**(found | changed))


def test_the_guest_that_was_proved_last_is_not_proved_again() -> None:
    assert generation(LAST, present()) == 3


@pytest.mark.parametrize("boot", ["b2", None])
def test_another_boot_and_a_guest_that_is_silent_are_proved_again(boot: str | None) -> None:
    assert generation(LAST, present(boot=boot)) == 4


def test_a_guest_that_is_whole_is_not_made_anew() -> None:
    assert incarnation(LAST, present(boot=None)) == 1


@pytest.mark.parametrize(
    "lost", [{"defined": False}, {"volumes": ["seed.raw", DATA["gw1"]]}, {"volumes": ["root.qcow2", DATA["gw1"]]}]
)
def test_a_guest_that_lost_its_domain_root_or_seed_is_made_anew(lost: dict[str, Any]) -> None:
    assert incarnation(LAST, present(**lost)) == 2


def test_the_first_deployment_asks_nothing() -> None:
    nothing = present(defined=False, volumes=[], boot=None)
    assert (generation(None, nothing), incarnation(None, nothing)) == (1, 0)
    assert refusals(None, {"gw1": nothing}, DATA) == []


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"hypervisor": "host2"}, "gw1 stands on host1, and host2 is declared."),
        ({"machine": "m2"}, "gw1 stands on host1, which was the machine m1; its URI now leads to m2."),
        ({"volumes": ["root.qcow2"]}, "gw1 has lost its data volume: oslo-gw1-data.raw is not on host1 any more."),
    ],
)
def test_a_gateway_is_never_left_without_its_data(changed: dict[str, Any], said: str) -> None:
    assert refusals({"gw1": LAST}, {"gw1": present(**changed)}, DATA) == [said]


def test_another_host_moves_nothing() -> None:
    assert refusals({"gw1": LAST}, {"gw1": present(), "gw2": present(hypervisor="host2", machine="m2")}, DATA) == []
