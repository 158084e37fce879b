"""`python -m hosts VERB`: what states call to make, change and delete what stacks have on hosts."""

import sys

from nordgate.errors import NordgateError
from nordgate.hypervisor.verbs import main

if __name__ == "__main__":
    try:
        main(sys.argv[1] if len(sys.argv) == 2 else "", sys.stdin.read())
    except NordgateError as problem:
        sys.exit(f"nordgate: {problem}")
