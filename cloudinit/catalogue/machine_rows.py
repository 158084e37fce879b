"""Rows about the machine and the method: met elsewhere in nordgate, and listed here so that none is forgotten."""

from __future__ import annotations

from cloudinit.catalogue.row import Area, Disposition, Row

_ASSERT, _SET, _SHOW = Disposition.ASSERT, Disposition.SET, Disposition.SHOW


def _row(
    item: str, disposition: Disposition, value: str, says: str, sources: tuple[str, ...], why: str, proof: str = ""
) -> Row:
    return Row(
        area=Area.MACHINE,
        item=item,
        disposition=disposition,
        value=value,
        says=says,
        sources=sources,
        why=why,
        proof=proof,
    )


MACHINE: tuple[Row, ...] = (
    _row(
        "AES-NI",
        _ASSERT,
        "aes",
        "host CPU flags passed through (A16)",
        ("A16",),
        "host-passthrough, required of the CPU and proved in the guest: TLS without it costs many times as much",
        proof="check aes",
    ),
    _row(
        "NVMe",
        _SET,
        "raw, preallocated, cache=none",
        "I/O wait 15% to 0; 4K random write above 20k IOPS under 0.1 ms (A14, A16, A20)",
        ("A14", "A16", "A20a", "A20b"),
        "a log that waits for its disk delays requests; the pool is checked before anything is created",
    ),
    _row(
        "noisy neighbours",
        _ASSERT,
        "at most 2% of the processor taken by others",
        "steal time (A20a)",
        ("A20a",),
        "pinned virtual CPUs; a measurement made while others took the CPU proves nothing and is told so",
        proof="tests/unit/smoke/test_smoke_load.py::test_generator_without_room_and_stolen_time_prove_nothing",
    ),
    _row(
        "fast deploy",
        _SHOW,
        "the time of each phase",
        "a KVM guest in under 55 seconds (A16)",
        ("A16",),
        "from `pulumi up` to a passed smoke check; how long a boot takes is its host's to say, and readyWithin ends it",
    ),
    _row(
        "benchmark",
        Disposition.OPTION,
        "a smoke profile",
        "`wrk -t12 -c400 -d30s --latency https://HOST/health` (A20a)",
        ("A20a",),
        "closed loop: it hides what slow answers do to waiting clients, so no gate",
    ),
    _row(
        "results claimed",
        _ASSERT,
        "more requests a second than the distribution's nginx, in the same run",
        "p99 350 to 28 ms, mean 45 to 12 ms (A20a); p99 400 to 45 ms (A20b); keepalive 15 to 2 ms (A20a), "
        "35 ms saved per chain (A18)",
        ("A18", "A20a", "A20b"),
        "a claim that is not measured side by side is advertising; milliseconds depend on the machine",
        proof="tests/render/test_against_stock.py::test_the_rendered_gateway_answers_more_than_the_distributions",
    ),
    _row(
        "geography",
        _SET,
        "a latency budget and a jurisdiction for each region",
        "Oslo client: about 6 ms in Oslo, about 35 ms from London (A16); under 5 ms (A14)",
        ("A14", "A16"),
        "distance cannot be tuned away",
    ),
    _row(
        "10,000 concurrent",
        Disposition.OPTION,
        "a load profile of the benchmark",
        "connections and requests (A16, A20a)",
        ("A16", "A20a"),
        "tables and limits are sized for it by default",
    ),
)
