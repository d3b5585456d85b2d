"""TFDS builders: from a directory, from a name, prepared where that is still to do."""

import os
import re
from pathlib import Path
from typing import Any, NoReturn

FORMATS = ("array_record", "parquet", "tfrecord")
_CANNOT_BE = (
    "`builder_or_directory` must be a TFDS builder, a directory with a prepared data "
    "set, or the name of a TFDS data set"
)


def prepared_builder(builder_or_directory: object, data_dir: str | None = None) -> Any:
    """The builder of a data set that is on disk, in a file format we read.

    `data_dir` is where TFDS keeps the data sets it knows by name; by default its own
    place.
    """
    if isinstance(builder_or_directory, str | os.PathLike):
        builder = _named_builder(os.fspath(builder_or_directory), data_dir)
    elif hasattr(builder_or_directory, "download_and_prepare"):
        builder = builder_or_directory
    else:
        raise TypeError(f"{_CANNOT_BE}; got {type(builder_or_directory).__name__}.")
    if not builder.is_prepared():
        _prepare(builder)
    return _in_known_format(builder)


def _named_builder(name: str, data_dir: str | None) -> Any:
    """The builder of a directory, or else of a name."""
    path = Path(name).expanduser()
    if path.is_dir():
        return _builder_of_directory(_version_directory(path))
    if path.exists() or not re.fullmatch(r"[\w:/.*=,-]+", name) or path.is_absolute():
        raise ValueError(f"{_CANNOT_BE}; `{name}` is no directory.")
    return _builder_of_name(name, data_dir)


def _version_directory(path: Path) -> Path:
    """The directory itself or the only one below that holds a data set."""
    if (path / "dataset_info.json").is_file():
        return path
    below = [
        file.parent
        for pattern in ("*", "*/*", "*/*/*")
        for file in sorted(path.glob(f"{pattern}/dataset_info.json"))
    ]
    if len(below) == 1:
        return below[0]
    if below:
        listed = ", ".join(f"`{each.relative_to(path)}`" for each in below[:10])
        raise ValueError(
            f"`{path}` holds {len(below)} data sets; name the directory of one: "
            f"{listed}."
        )
    raise ValueError(
        f"{_CANNOT_BE}; `{path}` has no dataset_info.json in it or below. TFDS writes "
        "it beside the record files, in NAME/[CONFIG/]VERSION."
    )


def _builder_of_directory(path: Path) -> Any:
    """The builder of a prepared data set, without its code."""
    import tensorflow_datasets as tfds

    try:
        return tfds.builder_from_directory(path)
    except Exception as error:
        raise ValueError(
            f"`{path}` cannot be read as a TFDS data set: its dataset_info.json, "
            f"features.json or label files are damaged or missing: {error}"
        ) from error


def _builder_of_name(name: str, data_dir: str | None) -> Any:
    """The builder that TFDS knows by the name, or has on disk by it."""
    import tensorflow_datasets as tfds

    try:
        return tfds.builder(name, data_dir=data_dir)
    except tfds.core.DatasetNotFoundError as error:
        raise ValueError(
            f"{_CANNOT_BE}; `{name}` is no directory, and TFDS knows no data set of "
            "that name."
        ) from error
    except ImportError as error:
        _raise_not_importable(name, error)


def _prepare(builder: Any) -> None:
    """Download and prepare as array_record, which needs no TensorFlow to write."""
    try:
        builder.download_and_prepare(file_format="array_record")
    except ImportError as error:
        _raise_not_importable(builder.info.full_name, error)


def _raise_not_importable(name: str, error: ImportError) -> NoReturn:
    """Say what to install, by what could not be imported."""
    missing = _missing_module(error)
    package = {"tensorflow": "tensorflow-cpu", "cv2": "opencv-python"}.get(
        missing, missing
    )
    raise ImportError(
        f"Preparing the TFDS data set `{name}` needs `{missing}` once: install it with "
        f"`pip install {package}`, or prepare the data set where it is installed and "
        "give its directory here; reading a prepared one does not need it.",
        name=missing,
    ) from error


def _missing_module(error: BaseException | None) -> str:
    """The module that could not be imported; TFDS hides it behind other errors."""
    while error is not None:
        if isinstance(error, ImportError) and error.name:
            return error.name.split(".")[0]
        error = error.__cause__
    return "tensorflow"


def _in_known_format(builder: Any) -> Any:
    """The builder, or one of the same directory for a format that we read."""
    import tensorflow_datasets as tfds

    of_files = builder.info.file_format
    if of_files is None or of_files.value in FORMATS:
        return builder
    available = {each.value for each in builder.info.available_file_formats()}
    for file_format in FORMATS:
        if file_format in available:
            return tfds.builder_from_directory(
                builder.data_path, file_format=file_format
            )
    raise ValueError(
        f"`{builder.data_path}` holds {of_files.value} files; only "
        f"{', '.join(FORMATS)} can be read: prepare the data set as array_record."
    )
