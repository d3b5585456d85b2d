"""Images from their encoded bytes, by Pillow."""

import io
import math
import os
from typing import Any

import numpy as np
from jaxtyping import Int64, Shaped

_MODES = {1: "L", 3: "RGB", 4: "RGBA"}
# Formats of pixels alone. For others, such as EPS, Pillow starts a program.
_RASTER_FORMATS = (
    "PNG", "JPEG", "MPO", "GIF", "WEBP", "BMP", "DIB", "TIFF", "PPM", "JPEG2000",
    "AVIF", "TGA", "PCX", "ICO", "SGI",
)  # fmt: skip


def decode_image(
    encoded: bytes, shape: tuple[int | None, ...], dtype: np.dtype
) -> Shaped[np.ndarray, "..."]:
    """The image as an array [height, width, channels] of the shape and dtype.

    Gray images become RGB where three channels are wanted, as TFDS does; CMYK and
    palettes are converted as well. Four axes mean the frames of a GIF. A float32 image
    is stored as the bytes of its one channel in four.
    """
    from PIL import ImageSequence

    with open_raster(encoded) as image:
        if len(shape) == 4:
            frames = [frame.convert("RGB") for frame in ImageSequence.Iterator(image)]
            array = np.stack([np.asarray(frame) for frame in frames])
        else:
            array = _pixels(image, shape, dtype)
    _check_shape(array, shape)
    return array


def decode_map(
    image: bytes | Shaped[np.ndarray, "..."],
    shape: tuple[int | None, ...],
    dtype: np.dtype,
) -> Shaped[np.ndarray, "height width 1"]:
    """The classes of a segmentation map as an array, no colors: see `map_of`.

    >>> decode_map(np.full((2, 2, 1), 7), (2, None, 1), np.dtype(np.uint8)).dtype
    dtype('uint8')
    """
    classes = map_of(image)
    if classes.size and not np.can_cast(np.min_scalar_type(classes.max()), dtype):
        raise ValueError(f"the map must hold {dtype}; got {classes.max()}.")
    array = classes.astype(dtype)[..., None]
    _check_shape(array, shape)
    return array


def open_raster(source: bytes | str | os.PathLike) -> Any:
    """Pillow's image of encoded bytes or of a file, of a raster format and not huge.

    No other format is tried: Pillow hands EPS to Ghostscript. An image of more pixels
    than `PIL.Image.MAX_IMAGE_PIXELS` is refused before any of them is decoded.
    """
    from PIL import Image, UnidentifiedImageError

    Image.init()
    formats = [name for name in _RASTER_FORMATS if name in Image.OPEN]
    stream = io.BytesIO(source) if isinstance(source, bytes) else source
    try:
        image = Image.open(stream, formats=formats)
    except UnidentifiedImageError as error:
        got = f"the file {os.fspath(source)!r}"
        if isinstance(source, bytes):
            got = f"{len(source)} bytes that begin with {source[:8]!r}"
        raise ValueError(
            "it is no image of a raster format that Pillow reads, such as PNG or JPEG; "
            f"got {got}."
        ) from error
    except Image.DecompressionBombError as error:
        raise _too_large(str(error)) from error
    if image.width * image.height > (Image.MAX_IMAGE_PIXELS or math.inf):
        image.close()
        raise _too_large(f"{image.width:,} x {image.height:,}")
    return image


def _too_large(got: str) -> ValueError:
    from PIL import Image

    return ValueError(
        f"an image must have at most {Image.MAX_IMAGE_PIXELS:,} pixels; got {got}. "
        "Make it smaller, or raise `PIL.Image.MAX_IMAGE_PIXELS`."
    )


def _check_shape(
    array: Shaped[np.ndarray, "..."], shape: tuple[int | None, ...]
) -> None:
    """Refuse an image of another shape than its feature has."""
    axes = zip(shape, array.shape, strict=True)
    if any(want not in (None, got) for want, got in axes):
        raise ValueError(f"the image must have shape {shape}; got {array.shape}.")


def _pixels(
    image: Any, shape: tuple[int | None, ...], dtype: np.dtype
) -> Shaped[np.ndarray, "height width channels"]:
    """One image, its channels converted to the number and dtype that are wanted."""
    channels = shape[-1]
    if dtype == np.float32:
        return np.asarray(image.convert("RGBA")).view(np.float32)
    if dtype == np.uint16:
        if not image.mode.startswith("I") or channels != 1:
            raise ValueError(
                f"Pillow reads 16-bit images of one channel only; got {image.mode} for "
                f"{channels} channels."
            )
        return np.asarray(image).astype(np.uint16)[..., None]
    if image.mode.startswith("I"):
        raise ValueError(
            f"the image must hold {dtype}; got {image.mode}, of more bits, which would "
            "be cut off; the feature must be an image of dtype uint16."
        )
    if channels in _MODES and image.mode != _MODES[channels]:
        image = image.convert(_MODES[channels])
    pixels = np.asarray(image)
    return pixels if pixels.ndim == 3 else pixels[..., None]


def map_of(
    image: bytes | Shaped[np.ndarray, "..."],
) -> Int64[np.ndarray, "height width"]:
    """The class of each pixel: palette indices and gray values as they are stored.

    An RGB image is a map only if its three channels are equal.

    >>> map_of(np.full((2, 2, 3), 7)).tolist()
    [[7, 7], [7, 7]]
    """
    if isinstance(image, bytes):
        with open_raster(image) as opened:
            image = np.asarray(opened)
    if image.ndim == 3 and (image == image[..., :1]).all():
        image = image[..., 0]
    if image.ndim != 2:
        raise ValueError(
            "a segmentation map must have one channel, the class of each pixel; got "
            f"shape {image.shape} with different channels, as colors or a photo have."
        )
    return image.astype(np.int64)


def resized(
    image: Shaped[np.ndarray, "*frames height width channels"], size: tuple[int, int]
) -> Shaped[np.ndarray, "*frames rows columns channels"]:
    """The image in another size, bilinear and without aliasing; not cropped.

    >>> resized(np.zeros((8, 6, 3), np.uint8), (4, 4)).shape
    (4, 4, 3)
    """
    from PIL import Image

    if image.ndim > 3:
        return np.stack([resized(frame, size) for frame in image])
    height, width = size
    channels = [
        np.asarray(
            Image.fromarray(image[..., channel]).resize(
                (width, height), Image.Resampling.BILINEAR
            )
        )
        for channel in range(image.shape[-1])
    ]
    return np.stack(channels, axis=-1)


def resized_map(
    classes: Shaped[np.ndarray, "height width 1"], size: tuple[int, int]
) -> Shaped[np.ndarray, "rows columns 1"]:
    """The map in another size: each pixel has the class at its center, never a mean.

    >>> resized_map(np.arange(6)[:, None, None], (2, 2))[..., 0].tolist()
    [[1, 1], [4, 4]]
    """
    rows, columns = (
        (2 * np.arange(wanted) + 1) * got // (2 * wanted)
        for wanted, got in zip(size, classes.shape[:2], strict=True)
    )
    return classes[rows[:, None], columns]
