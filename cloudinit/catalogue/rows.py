"""The whole catalogue, in the order of the sources' tables."""

from __future__ import annotations

from cloudinit.catalogue.gateway_rows import LIMITS, NGINX
from cloudinit.catalogue.kernel_rows import KERNEL
from cloudinit.catalogue.machine_rows import MACHINE
from cloudinit.catalogue.nginx_rows import DIRECTIVES
from cloudinit.catalogue.row import Row

ROWS: tuple[Row, ...] = (*KERNEL, *LIMITS, *DIRECTIVES, *NGINX, *MACHINE)
