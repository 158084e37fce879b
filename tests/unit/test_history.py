"""What follows for a deployment from the last one and from what is there: proofs, guests made anew, refusals."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from nordgate.deployment.history import FoundGateway, check_number, deployed, guest_number, refusals, unfinished
from nordgate.deployment.transition import GatewayRecord

DATA = {"gw1": "oslo-gw1-data.raw"}
LAST: dict[str, Any] = {
    "generation": 3,
    "boot": "b1",
    "volumes": ["root-a.qcow2", "seed-a.raw"],
    "hypervisor": "host1",
    "machine": "m1",
}


def present(**changed: Any) -> FoundGateway:
    found: dict[str, Any] = {
        "hypervisor": "host1",
        "machine": "m1",
        "boot": "b1",
        "in_use": ["root-a.qcow2", "seed-a.raw", DATA["gw1"]],
        "volumes": ["root-a.qcow2", "seed-a.raw", DATA["gw1"]],
        "data_bytes": 128 << 20,
        "pool_path": "/srv/nvme",
    }
    return FoundGateway(**(found | changed))


def test_the_guest_that_was_proved_last_is_not_proved_again() -> None:
    assert check_number(LAST, present()) == 3


@pytest.mark.parametrize("boot", ["b2", None])
def test_another_boot_and_a_guest_that_is_silent_are_proved_again(boot: str | None) -> None:
    assert check_number(LAST, present(boot=boot)) == 4


def test_a_guest_that_is_not_what_was_declared_is_proved_again() -> None:
    assert check_number(LAST, present(differs=["files on disk is 26 as rendered"])) == 4


def own(mark: str) -> Callable[[int], frozenset[str]]:
    def names(number: int) -> frozenset[str]:
        full = f"{mark}-{number}" if number else mark
        return frozenset((f"root-{full}.qcow2", f"seed-{full}.raw"))

    return names


def number(mark: str, last: dict[str, Any] | None = LAST, anew: bool = False, **changed: Any) -> int:
    return guest_number(last, present(**changed), own(mark), ("root-", "seed-"), anew)


A, B = ["root-a.qcow2", "seed-a.raw"], ["root-b.qcow2", "seed-b.raw"]


def test_the_declared_guest_that_is_there_stays() -> None:
    assert number("a") == 0
    assert number("a", in_use=["root-a-2.qcow2", "seed-a-2.raw"], volumes=["root-a-2.qcow2", "seed-a-2.raw"]) == 2


def test_the_first_guest_and_another_declared_one_begin_at_nought() -> None:
    assert number("a", last=None, in_use=None, volumes=[]) == 0
    assert number("b") == 0


@pytest.mark.parametrize(
    "lost", [{"in_use": None}, {"volumes": ["seed-a.raw", DATA["gw1"]]}, {"volumes": ["root-a.qcow2", DATA["gw1"]]}]
)
def test_a_guest_that_lost_its_domain_root_or_seed_is_made_anew(lost: dict[str, Any]) -> None:
    assert number("a", **lost) == 1


def test_a_guest_that_is_as_declared_is_made_anew_when_asked_for_and_then_stays() -> None:
    assert number("a", anew=True) == 1
    again: Any = {"in_use": ["root-a-1.qcow2", "seed-a-1.raw"], "volumes": ["root-a-1.qcow2", "seed-a-1.raw"]}
    assert number("a", **again) == 1
    assert number("a", anew=True, **again) == 0


def test_a_guest_whose_check_failed_is_checked_again_and_not_made_anew() -> None:
    assert number("b", in_use=B, volumes=[*A, *B]) == 0


def test_taking_back_what_failed_before_the_guests_turn_uses_no_name_that_waits_for_its_deletion() -> None:
    assert number("a", in_use=A, volumes=[*A, *B]) == 1


def test_taking_back_a_guest_that_did_not_start_uses_no_name_that_waits_for_its_deletion() -> None:
    assert number("a", in_use=B, volumes=[*A, *B]) == 1


def test_the_first_deployment_asks_nothing() -> None:
    nothing = present(in_use=None, volumes=[], boot=None)
    assert check_number(None, nothing) == 1
    assert refusals({}, {"gw1": nothing}, DATA) == []


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"machine": "m2"}, "gw1 stands on host1, which was the machine m1; its URI now leads to m2."),
        ({"volumes": ["root-a.qcow2"]}, "gw1 has lost its data volume: oslo-gw1-data.raw is not on host1 any more."),
        (
            {"data_bytes": None},
            "gw1 would lose its data volume: oslo-gw1-data.raw is on host1, but not in the pool that is declared.",
        ),
    ],
)
def test_a_gateway_is_never_left_without_its_data(changed: dict[str, Any], said: str) -> None:
    assert refusals({"gw1": LAST}, {"gw1": present(**changed)}, DATA) == [said]


def test_another_host_moves_nothing() -> None:
    assert refusals({"gw1": LAST}, {"gw1": present(), "gw2": present(hypervisor="host2", machine="m2")}, DATA) == []


def test_what_an_older_program_exported_is_completed_by_what_the_host_shows() -> None:
    found = deployed({"gw1": LAST}, {"gw1": "10.0.0.1"}, {"gw1": present()})
    assert found == {
        "gw1": GatewayRecord(hypervisor="host1", address="10.0.0.1", pool_path="/srv/nvme", data_bytes=128 << 20)
    }


def test_what_was_exported_of_a_gateway_is_read_whatever_else_a_newer_program_added() -> None:
    standing = GatewayRecord(hypervisor="host1", address="10.0.0.1", mac="02:00:00:00:00:01", protected=True)
    last = LAST | {"standing": standing.known() | {"invented": [1]}, "invented": 2}
    assert deployed({"gw1": last}, {}, {}) == {"gw1": standing}


@pytest.mark.parametrize(("group", "size"), [("", 192), ("vg0", 130)])
def test_a_logical_volume_is_as_large_as_it_was_declared_and_another_as_it_is(group: str, size: int) -> None:
    last = LAST | {"standing": {"volume_group": group, "data_bytes": 130 << 20}}
    assert deployed({"gw1": last}, {}, {"gw1": present(data_bytes=192 << 20)})["gw1"].data_bytes == size << 20


def test_what_a_record_lacks_stops_no_deployment() -> None:
    assert check_number({}, present()) == 1
    assert refusals({"gw1": {}}, {"gw1": present()}, DATA) == []
    assert refusals({"gw1": {"hypervisor": "host1"}}, {"gw1": present()}, DATA) == []
    assert guest_number({}, present(), own("a"), ("root-", "seed-")) == 0


def test_no_guest_is_made_beside_one_of_a_deployment_that_failed() -> None:
    new = present(in_use=None)
    (said,) = unfinished({"gw1": LAST}, {"gw1": present(), "gw3": new}, {"gw2": "host1"})
    assert said == (
        "gw2 stands on host1, from a deployment that failed, and is not declared any more: its address may be that of "
        "gw3, and it would be deleted with its data: deploy without gw3 first, which deletes gw2, and add gw3 with the "
        "next."
    )
    (said,) = unfinished({}, {"gw3": new}, {"gw2": "host1"})
    assert said.endswith("declare gw2 again, or begin anew after `pulumi destroy`.")


def test_what_is_taken_out_after_a_failure_goes_and_what_stood_before_is_known() -> None:
    assert not list(unfinished({"gw1": LAST}, {"gw1": present()}, {"gw2": "host1"}))
    assert not list(
        unfinished({"gw1": LAST, "gw2": LAST}, {"gw1": present(), "gw3": present(in_use=None)}, {"gw2": "host1"})
    )
    # It failed too, and is tried again.
    assert not list(unfinished({}, {"gw3": present()}, {"gw2": "host1"}))
