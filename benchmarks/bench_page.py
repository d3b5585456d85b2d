"""How long does a page of many units take to write, to open and to scroll?

Units of random activations with images, in a real browser without a screen, opened by
a link to a unit. Opening is from the request to the first table and card; a frame of
scrolling moves the table by 140 pixels, about three rows. `--out` names a file to which
one line of JSON is added.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
from figure_report import open_browser
from timing import append_line, environment, measure

import invert_jax as ij

NUM_CLASSES = 50
NUM_FRAMES = 120
SCROLL = """
const [frames, done] = arguments, box = document.getElementById("viewport"), times = [];
let last = performance.now();
function frame(now) {
  times.push(now - last);
  last = now;
  box.scrollTop += 140;
  if (times.length < frames) requestAnimationFrame(frame);
  else done(times.sort((a, b) => a - b));
}
requestAnimationFrame(frame);
"""


def main() -> None:
    """Write the page, open it, scroll it, print and append a line."""
    arguments = parse()
    rng = np.random.default_rng(0)
    shape = (arguments.samples, arguments.units)
    classes = rng.integers(NUM_CLASSES, size=arguments.samples)
    concepts = ij.Concepts.from_labels(classes, [f"class {i}" for i in range(50)])
    seen = classes[:, None] == rng.integers(NUM_CLASSES, size=arguments.units)
    activations = (seen + rng.normal(size=shape)).astype(np.float32)
    images = rng.integers(0, 256, (arguments.samples, 32, 32, 3), dtype=np.uint8)
    labels = ij.explain(
        activations, concepts, max_length=2, beam_size=3, min_fraction=0.01,
        options=ij.Options(progress=False),
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "report.html"
        write, _ = measure(
            lambda: ij.report(
                labels, path, activations=activations, concepts=concepts, images=images
            )
        )
        record = {
            "benchmark": "page",
            "num_units": arguments.units,
            "num_samples": arguments.samples,
            "bytes": path.stat().st_size,
            "write": write._asdict(),
            **opened(path, arguments.units // 2, repeats=arguments.repeats),
            **environment(),
        }
    print(text_of(record))
    if arguments.out:
        append_line(arguments.out, record)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--units", type=int, default=20_000)
    parser.add_argument("--samples", type=int, default=2_000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--out", type=Path, metavar="FILE")
    return parser.parse_args()


def opened(path: Path, unit: int, *, repeats: int) -> dict:
    """Seconds to open the page at a unit, and per frame of scrolling."""
    with open_browser(1400, 1000) as browser:

        def visit() -> str:
            browser.get(f"{path.as_uri()}#unit-{unit}")
            ready = "return document.documentElement.dataset.ready"
            while browser.execute_script(ready) != "true":
                time.sleep(0.005)
            return browser.find_element("id", "card-title").text

        runs = []
        for _ in range(repeats):
            browser.get("about:blank")
            timing, title = measure(visit)
            assert title == f"Unit {unit}"
            runs.append(timing.wall)
        frames = browser.execute_async_script(SCROLL, NUM_FRAMES)
    return {
        "open": {"wall": float(np.median(runs)), "spread": float(np.ptp(runs))},
        "frame": {
            "median": frames[NUM_FRAMES // 2] / 1000,
            "p95": frames[int(0.95 * NUM_FRAMES)] / 1000,
        },
    }


def text_of(record: dict) -> str:
    """The figures in a line."""
    frame = record["frame"]
    return (
        f"{record['num_units']:,} units, {record['bytes'] / 1e6:.1f} MB: written in "
        f"{record['write']['wall']:.1f} s, opens in {record['open']['wall']:.2f} s, "
        f"{1000 * frame['median']:.0f} ms a frame of scrolling in the median, "
        f"{1000 * frame['p95']:.0f} ms in the 95 % point."
    )


if __name__ == "__main__":
    main()
