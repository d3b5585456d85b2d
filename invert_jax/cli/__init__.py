"""`invert-jax`: the library from the command line, one module per command."""

from invert_jax.cli.main import main as main
