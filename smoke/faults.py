"""The faults that a gateway is known to have: how each shows, what it is called, and what to do. Root causes first."""

from __future__ import annotations

from smoke.fault import Fault
from smoke.service_faults import SERVICE_FAULTS
from smoke.system_faults import SYSTEM_FAULTS

FAULTS: tuple[Fault, ...] = (*SYSTEM_FAULTS, *SERVICE_FAULTS)
