"""The images of samples, small, each once, up to a number of bytes."""

import base64
import io
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Num, Shaped
from PIL import Image, ImageOps, features

from invert_jax.datasets.images import open_raster
from invert_jax.plain_arrays import plain_array
from invert_jax.reports.html.crops import View

SIDE = 112
# Pictures up to this side are kept to the pixel: they are as small as their thumbnail.
SMALL_SIDE = 48
QUALITY = 72


class Pictures(NamedTuple):
    """Small images of some samples.

    Attributes:
        samples: The samples, as positions, in the order of the images.
        urls: A data URL for each.
        num_left_out: Samples that were wanted and did not fit the budget.
        num_bytes: Size of all URLs.
        is_pixelated: Whether they are so small that pixels should show.
    """

    samples: tuple[int, ...]
    urls: tuple[str, ...]
    num_left_out: int
    num_bytes: int
    is_pixelated: bool


NO_PICTURES = Pictures((), (), 0, 0, False)


class ImageReader:
    """The image of a sample, from whatever the user has.

    >>> reader = ImageReader(np.zeros((2, 8, 8)), num_samples=2, ids=None)
    >>> reader.read(1).size
    (8, 8)
    """

    def __init__(
        self,
        images,
        *,
        num_samples: int,
        ids: Shaped[np.ndarray, " samples"] | None,
        view: View | None = None,
    ):
        self._images = images
        self._ids = ids
        self._view = view
        self._limits: tuple[float, float] | None = None
        if callable(images) or isinstance(images, Mapping):
            return
        if isinstance(images, str | os.PathLike):
            self._images = self._in_folder(Path(images))
            return
        if isinstance(images, bytes):
            raise TypeError(
                "`images` must be an array, a list, a folder, a dict by sample id or a "
                "function of a sample id; got bytes."
            )
        if len(images) != num_samples:
            raise ValueError(
                f"`images` must hold one image per sample, {num_samples}, in the order "
                f"of the activations; got {len(images)}."
            )
        if hasattr(images, "dtype") and np.dtype(images.dtype).kind not in "bO":
            self._limits = _limits(images)

    def _in_folder(self, folder: Path) -> Callable[[str | int], Path]:
        """The file of a sample in a folder: its id is the name of the file."""
        if not folder.is_dir():
            raise FileNotFoundError(
                f"`images` must be a folder that is there; got {str(folder)!r}."
            )
        if self._ids is None:
            raise ValueError(
                "`images` may be a folder if samples have ids that name its files; "
                "these have none. Give `ids` to the activations or the concepts."
            )
        root = folder.resolve()
        return lambda key: _file_inside(root, str(key))

    def read(self, sample: int) -> Image.Image:
        """The image of a sample, by position, as the model saw it if that is known."""
        key = sample if self._ids is None else self._ids[sample].item()
        if isinstance(self._images, Mapping) and key not in self._images:
            raise ValueError(
                f"`images` must have an image for the sample {key!r}; {self._keys()}."
            )
        try:
            found = self._found(sample, key)
            image = as_image(found, limits=self._limits)
            if self._view is None:
                return image
            # Also what a function has opened.
            is_file = isinstance(found, bytes | str | os.PathLike) or bool(
                getattr(found, "filename", "")
            )
            return self._view.of(image, is_file=is_file)
        except Exception as error:  # of Pillow, the disk, or the user's function
            raise ValueError(
                f"`images` must have an image for the sample {key!r}: "
                f"{type(error).__name__}: {error}"
            ) from error

    def _found(self, sample: int, key: int | str):
        """What the user has for a sample."""
        if callable(self._images):
            return self._images(key)
        return self._images[key if isinstance(self._images, Mapping) else sample]

    def _keys(self) -> str:
        """What a dict has instead of an id that it lacks."""
        if not self._images:
            return "there is none"
        first = next(iter(self._images))
        return f"there are {len(self._images):,}, such as {first!r}"


def _file_inside(root: Path, name: str) -> Path:
    """A file of a folder; none outside, by `..`, a full path or a link."""
    path = (root / name).resolve()
    if not path.is_relative_to(root):
        raise ValueError(
            f"its file must lie in the folder {str(root)!r}; got {str(path)!r}. Give "
            "`images` as a dict or a function to show files from elsewhere."
        )
    if path.exists() and not path.is_file():
        raise ValueError(f"{str(path)!r} must be a file.")
    return path


def as_image(found, *, limits: tuple[float, float] | None = None) -> Image.Image:
    """An image from PIL, an array [rows, columns(, channels)], a path or bytes.

    What is transparent lies on white. Images of more than 8 bits are stretched from
    their smallest to their largest value, since 12 bits are often stored in 16.

    Args:
        found: Whole numbers of 8 bits, and of 32 and more that lie in 0 to 255, are
            taken as they are; floats in [0, 1] as 0 to 1.
        limits: Values that are black and white, for numbers that are neither; of this
            image if None.
    """
    if isinstance(found, bytes | str | os.PathLike):
        # Pillow leaves files of several frames open.
        with open_raster(found) as image:
            return _as_seen(image, limits)
    if not isinstance(found, Image.Image):
        found = Image.fromarray(_pixels(plain_array("images", found), limits))
    return _as_seen(found, limits)


def _as_seen(image: Image.Image, limits: tuple[float, float] | None) -> Image.Image:
    """A copy in 8 bits, gray or in color, turned as the camera was held."""
    if not image.width or not image.height:
        raise ValueError(
            f"an image must have pixels; got {image.width} x {image.height}."
        )
    # Cameras store how a picture was held beside it.
    image = ImageOps.exif_transpose(image)
    if image.mode == "F" or image.mode.startswith("I"):
        image = Image.fromarray(_pixels(np.asarray(image), limits))
    return _on_white(image)


def _on_white(image: Image.Image) -> Image.Image:
    """The image in gray or color, what is transparent in it on white."""
    is_gray = image.mode in ("1", "L", "LA", "La")
    if image.mode in ("LA", "PA", "RGBA", "La", "RGBa") or "transparency" in image.info:
        colors = image.convert("LA" if image.mode == "La" else "RGBA").convert("RGBA")
        ground = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(ground, colors)
    return image.convert("L" if is_gray else "RGB")


def select_pictures(
    images: ImageReader | None, wanted: Iterable[int], *, budget: int
) -> Pictures:
    """The images wanted, in that order, until the budget is used up.

    Args:
        images: Where they come from; None for none.
        wanted: Samples by position, most important first; repeats are skipped.
        budget: Bytes that the URLs may take.
    """
    if images is None:
        return NO_PICTURES
    urls: dict[int, str] = {}
    skipped: set[int] = set()
    used, pixelated = 0, True
    for sample in wanted:
        if sample in urls or sample in skipped:
            continue
        if used >= budget:
            skipped.add(sample)
            continue
        image = images.read(sample)
        url = data_url(image)
        if used + len(url) > budget:
            skipped.add(sample)
            used = budget
            continue
        urls[sample] = url
        used += len(url)
        pixelated &= max(image.size) <= SMALL_SIDE
    total = sum(map(len, urls.values()))
    return Pictures(
        tuple(urls), tuple(urls.values()), len(skipped), total, bool(urls) and pixelated
    )


def data_url(image: Image.Image) -> str:
    """The image as a data URL: small ones to the pixel, others at most `SIDE` wide.

    >>> data_url(Image.new("L", (2, 2)))[:22]
    'data:image/png;base64,'
    """
    buffer = io.BytesIO()
    if max(image.size) <= SMALL_SIDE:
        kind = "png"
        image.save(buffer, "PNG", optimize=True)
    else:
        kind = "webp" if features.check("webp") else "jpeg"
        small = image.copy()
        small.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
        small.save(buffer, kind.upper(), quality=QUALITY)
    return f"data:image/{kind};base64,{base64.b64encode(buffer.getvalue()).decode()}"


def _pixels(
    values: Num[np.ndarray, "..."] | Shaped[np.ndarray, "..."],
    limits: tuple[float, float] | None,
) -> np.ndarray:
    """Bytes of an array of gray or color pixels."""
    if values.dtype == bool:
        values = values.astype(np.uint8) * 255
    if values.dtype.kind not in "uif" and values.dtype.name != "bfloat16":
        raise TypeError(f"pixels must be numbers; got dtype {values.dtype}.")
    if values.ndim == 3 and values.shape[-1] == 1:
        values = values[..., 0]
    if values.ndim not in (2, 3) or (
        values.ndim == 3 and values.shape[-1] not in (3, 4)
    ):
        raise ValueError(
            "an image must have axes rows, columns and maybe 1, 3 or 4 channels last; "
            f"got shape {values.shape}."
        )
    if not values.size:
        raise ValueError(f"an image must have pixels; got shape {values.shape}.")
    if values.dtype == np.uint8:
        return values
    low, high = limits or _limits(values)
    scale = 255 / (high - low) if high > low else 0.0
    scaled = (np.nan_to_num(values.astype(np.float64)) - low) * scale
    return np.clip(np.rint(scaled), 0, 255).astype(np.uint8)


def _limits(values) -> tuple[float, float]:
    """The values that are black and white.

    0 and 1 for floats in [0, 1]; 0 and 255 for whole numbers in it, but those of 16
    bits; else the smallest and the largest value.
    """
    dtype = np.dtype(values.dtype)
    is_whole, is_deep = dtype.kind in "ui", dtype.itemsize == 2
    usual = 255.0 if is_whole else 1.0
    low, high = np.inf, -np.inf
    for start in range(0, len(values), 256):  # what may not fit in memory at once
        part = np.asarray(values[start : start + 256])
        finite = part if is_whole else part[np.isfinite(part)]
        if finite.size:
            low, high = min(low, float(finite.min())), max(high, float(finite.max()))
    if low > high:
        return 0.0, usual
    if low >= 0 and high <= usual and not (is_whole and is_deep):
        return 0.0, usual
    return low, high
