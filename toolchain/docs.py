"""What `make docs` alone needs: MkDocs, in an environment that nothing else of this project uses."""

from __future__ import annotations

from toolchain.python import DOCUMENTATION

ready, ensure = DOCUMENTATION.ready, DOCUMENTATION.ensure
