"""A report of a network that reads CIFAR-10, and the picture of it in the README.

The network of `cifar10.py` is trained; its last feature maps, hidden units and logits
are explained on half of the test images and judged on the other half, against a null.
The page has the images, where the feature maps fire on them, and what became of the
hidden units' labels since the first epoch. Debian's chromium takes the picture, through
selenium.

    python benchmarks/figure_report.py --data cifar10 --page report.html
"""

import argparse
import io
import shutil
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cifar10
import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image
from selenium import webdriver

import invert_jax as ij

LAYERS = ("parts", "hidden", "logits")
QUIET = ij.Options(progress=False)
WIDTH, HEIGHT = 1280, 860
NUM_COLORS = 256


def main() -> None:
    """Train, explain, write the page, take its picture."""
    arguments = parse()
    data = arguments.data
    images, classes = cifar10.read_split(data, "train")
    early, variables = (
        cifar10.train(images, classes, num_epochs=epochs)
        for epochs in (1, arguments.epochs)
    )
    concepts, photos = read_test(data)
    layers = collected(variables, data, LAYERS)
    labels = explained(layers, concepts)
    first = explained(collected(early, data, ("hidden",)), concepts)["hidden"]
    with tempfile.TemporaryDirectory() as temporary:
        page = ij.report(
            labels,
            arguments.page or Path(temporary) / "report.html",
            activations=layers,
            concepts=concepts,
            images=photos,
            maps={"parts": maps_of(variables, data, "parts")},
            comparison={
                "hidden": ij.compare(
                    first,
                    labels["hidden"],
                    concepts=concepts,
                    names=("epoch 1", f"epoch {arguments.epochs}"),
                )
            },
            title="What a network that reads CIFAR-10 responds to",
        )
        take_picture(page, f"parts/unit-{telling_unit(labels['parts'])}", arguments.out)
    print(f"{arguments.out}: {arguments.out.stat().st_size:,} bytes")


def parse() -> argparse.Namespace:
    results = Path(__file__).parent / "results"
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", default="cifar10", metavar="NAME")
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--page", type=Path, metavar="FILE", help="keep the page")
    parser.add_argument("--out", type=Path, default=results / "report.png")
    return parser.parse_args()


def read_test(
    data: str,
) -> tuple[ij.Concepts, dict[str, UInt8[np.ndarray, "32 32 3"]]]:
    """Classes and their hypernyms of the test images, and the images by their ids."""
    labels = ij.concepts.from_tfds(data, "test", progress=False)
    with warnings.catch_warnings():
        # "6 ambiguous names": the first sense is the right one of each.
        warnings.filterwarnings("ignore", message="`with_hypernyms` took")
        concepts = ij.concepts.with_hypernyms(labels)
    photos: dict[str, np.ndarray] = {}
    for batch in ij.concepts.tfds_batches(data, "test", batch_size=1000):
        photos |= zip(batch.ids, batch.inputs, strict=True)
    return concepts, photos


def collected(
    variables: cifar10.Variables, data: str, layers: tuple[str, ...], pool="mean"
) -> dict[str, ij.Activations]:
    """Activations on the test images."""
    return ij.activations.collect(
        cifar10.SmallNetwork(),
        ij.concepts.tfds_batches(data, "test", batch_size=500),
        variables=variables,
        layers=layers,
        pool=pool,
        progress=False,
    )


def maps_of(
    variables: cifar10.Variables, data: str, layer: str
) -> Float[np.ndarray, "samples rows columns neurons"]:
    """Where the units of a layer of 4 x 4 positions fire."""
    flat = np.asarray(collected(variables, data, (layer,), pool="flatten")[layer])
    return flat.reshape(len(flat), 4, 4, -1)


def explained(
    layers: dict[str, ij.Activations], concepts: ij.Concepts
) -> dict[str, ij.Explanations]:
    """Labels with held-out scores and q-values."""
    found = ij.explain(
        layers,
        concepts,
        min_fraction=cifar10.MIN_FRACTION,
        holdout=0.5,
        key=0,
        options=QUIET,
    )
    null = ij.null_distribution(concepts, found, num_draws=999, key=1, options=QUIET)
    return {name: each.simplest().with_null(null) for name, each in found.items()}


def telling_unit(labels: ij.Explanations) -> int:
    """The unit of the best label that has more than one literal."""
    scores = np.where(labels.lengths[:, -1, 0] > 1, labels.scores[:, 0], 0)
    return int(labels.neurons[scores.argmax()])


def take_picture(page: Path, unit: str, out: Path) -> None:
    """The table of units, and the card of one."""
    with open_browser(WIDTH, HEIGHT) as browser:
        browser.get(f"{page.absolute().as_uri()}#{unit}")
        # Images are drawn after the page says that it is ready.
        time.sleep(1)
        shot = Image.open(io.BytesIO(browser.get_screenshot_as_png()))
    colors = shot.convert("RGB").quantize(NUM_COLORS, dither=Image.Dither.NONE)
    colors.save(out, "PNG", optimize=True)


@contextmanager
def open_browser(width: int, height: int) -> Iterator[webdriver.Chrome]:
    """A browser without a screen, of a size of its own."""
    driver, chromium = map(shutil.which, ("chromedriver", "chromium"))
    if driver is None or chromium is None:
        raise RuntimeError("this needs Debian's chromium and chromium-driver.")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in ("--headless=new", "--no-sandbox", "--disable-gpu",
                 "--disable-dev-shm-usage", "--hide-scrollbars"):  # fmt: skip
        options.add_argument(flag)
    service = webdriver.ChromeService(executable_path=driver)
    browser = webdriver.Chrome(options=options, service=service)
    try:
        size = {"width": width, "height": height, "deviceScaleFactor": 1}
        browser.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride", size | {"mobile": False}
        )
        yield browser
    finally:
        browser.quit()


if __name__ == "__main__":
    main()
