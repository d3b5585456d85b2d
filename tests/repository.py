"""Where the repository is, and the data beside the checkout, which may be absent."""

from pathlib import Path

ROOT = Path(__file__).parents[1]
SHARED_DATA = ROOT.parent / "shared" / "data"
