"""The whole catalogue, in the order of the sources' tables."""

from __future__ import annotations

from cloudinit.catalogue.gateway import LIMITS, NGINX
from cloudinit.catalogue.kernel import KERNEL
from cloudinit.catalogue.machine import MACHINE
from cloudinit.catalogue.model import Row
from cloudinit.catalogue.nginx import DIRECTIVES

ROWS: tuple[Row, ...] = (*KERNEL, *LIMITS, *DIRECTIVES, *NGINX, *MACHINE)
