"""What of a photo the model saw, so that heat maps lie over it."""

import dataclasses
import math

from PIL import Image

CENTER, STRETCH = "center", "stretch"


@dataclasses.dataclass(frozen=True)
class View:
    """The part of a photo that maps of some rows and columns lie over.

    Attributes:
        rows: Of the maps.
        columns: Of the maps.
        crop: What `report` was told; None if the images are as the model saw them.
    """

    rows: int
    columns: int
    crop: str | float | None

    def of(self, image: Image.Image, *, is_file: bool) -> Image.Image:
        """What the model saw of an image.

        >>> View(7, 7, "center").of(Image.new("L", (64, 48)), is_file=True).size
        (48, 48)
        >>> View(7, 7, "stretch").of(Image.new("L", (64, 48)), is_file=True).size
        (64, 64)
        """
        if self.crop is None:
            self._check(image, is_file)
            return image
        if self.crop == STRETCH:
            return self._stretched(image)
        share = 1.0 if self.crop == CENTER else float(self.crop)
        unit = share * min(image.width / self.columns, image.height / self.rows)
        size = (self.columns * unit, self.rows * unit)
        left, top = (
            (whole - part) / 2 for whole, part in zip(image.size, size, strict=True)
        )
        box = (left, top, left + size[0], top + size[1])
        wanted = (max(1, round(size[0])), max(1, round(size[1])))
        return image.resize(wanted, Image.Resampling.BILINEAR, box=box)

    def has_shape_of(self, width: int, height: int) -> bool:
        """Whether the maps may be of something so wide and high.

        A convolution rounds the size of its map, by less than a cell.

        >>> View(7, 7, None).has_shape_of(224, 216)
        True
        >>> View(7, 7, None).has_shape_of(640, 480)
        False
        """
        ratio = width * self.rows / (height * self.columns)
        return abs(math.log(ratio)) <= 1 / (1 + min(self.rows, self.columns))

    def _stretched(self, image: Image.Image) -> Image.Image:
        unit = max(image.width / self.columns, image.height / self.rows)
        size = (math.ceil(self.columns * unit), math.ceil(self.rows * unit))
        return image.resize(size, Image.Resampling.BILINEAR)

    def _check(self, image: Image.Image, is_file: bool) -> None:
        """Refuse what may not be what the model saw."""
        cure = (
            '`crop` says what of a photo the model saw: "center" (the largest part of '
            'the shape of the maps), a share of that such as 0.875, or "stretch" (all '
            "of it, resized); or give `images` as arrays that the model saw."
        )
        if is_file:
            raise ValueError(f"`maps` over photos in files need `crop`. {cure}")
        if not self.has_shape_of(image.width, image.height):
            raise ValueError(
                f"`maps` of {self.rows} x {self.columns} must be of images of that "
                f"shape; got {image.height} x {image.width} pixels. {cure}"
            )


def checked_crop(crop: object) -> str | float | None:
    """The crop, if it is one."""
    if crop is None or (isinstance(crop, str) and crop in (CENTER, STRETCH)):
        return crop
    is_number = isinstance(crop, int | float) and not isinstance(crop, bool)
    if is_number and 0 < float(crop) <= 1:  # type: ignore[arg-type]
        return float(crop)  # type: ignore[arg-type]
    raise ValueError(
        '`crop` must be "center", "stretch", or a share in (0, 1] of the largest '
        f"centered part; got {crop!r:.80}."
    )
