"""What a deployment sees of a host before it decides anything."""

from __future__ import annotations

import pytest

from nordgate.errors import HypervisorError
from nordgate.hypervisor.observation import observe_host
from nordgate.hypervisor.virsh import Hypervisor

ANSWERS = {
    ("capabilities",): "<capabilities><host><uuid>m1</uuid></host></capabilities>",
    ("list", "--all", "--name"): "oslo-gw1\nforeign\n",
    ("list", "--name"): "",
    (
        "dumpxml",
        "--inactive",
        "oslo-gw1",
    ): "<domain><devices><disk><source file='/srv/a.raw'/></disk></devices></domain>",
    ("pool-refresh", "ours"): "",
    ("vol-list", "ours"): "oslo-gw1-data.raw  /srv/oslo-gw1-data.raw\na.raw  /srv/a.raw\n",
    (
        "vol-dumpxml",
        "oslo-gw1-data.raw",
        "--pool",
        "ours",
    ): "<volume><capacity unit='bytes'>134217728</capacity></volume>",
    ("pool-dumpxml", "ours"): "<pool><target><path>/srv</path></target></pool>",
}


def test_sizes_and_folders_are_those_of_what_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    def virsh(_: Hypervisor, *words: str, **__: float) -> str:
        if words not in ANSWERS:
            raise HypervisorError(f"failed to get {'pool' if 'gone' in words else 'vol'} 'x'")
        return ANSWERS[words]

    monkeypatch.setattr(Hypervisor, "virsh", virsh)
    wanted = [("ours", "oslo-gw1-data.raw"), ("ours", "oslo-gw2-data.raw"), ("gone", "oslo-gw1-data.raw")]
    seen = observe_host("qemu:///system", ["oslo-gw1", "oslo-gw2"], ["gone", "ours"], wanted)
    assert seen.machine == "m1"
    assert seen.in_use == {"oslo-gw1": frozenset(["a.raw"])}
    assert seen.volumes == {"oslo-gw1-data.raw", "a.raw"}
    assert seen.sizes == {("ours", "oslo-gw1-data.raw"): 128 << 20}
    assert seen.folders == {"ours": "/srv"}
