"""What `make up` needs on a fresh machine: Debian packages, a Python environment, Pulumi and its two plugins.

Standard library only, any Python from 3.11: it runs before anything that it installs. Everything goes into the
checkout's `.nordgate`, but for the Debian packages; a second run finds it all there and does nothing.
"""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 (an older Python can start this, and must be told)
    sys.exit(f"nordgate: this needs Python 3.11 or newer, and python3 is {sys.version.split()[0]}.")
