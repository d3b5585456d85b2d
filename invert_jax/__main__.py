"""`python -m invert_jax`: the command line."""

import sys

from invert_jax.cli import main

if __name__ == "__main__":
    sys.exit(main())
