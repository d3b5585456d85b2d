"""TFDS builders: from a directory, from a name, prepared where that is still to do."""

import os
import re
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NoReturn

from invert_jax.checks import listed

FORMATS = ("array_record", "parquet", "tfrecord")
_CANNOT_BE = (
    "`builder_or_directory` must be a TFDS builder, a directory with a prepared data "
    "set, or the name of a TFDS data set"
)
_LONGEST_REASON = 600


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
    if name and path.is_dir():
        return _builder_of_directory(_version_directory(path))
    if path.exists() or not re.fullmatch(r"[\w:/.*=,-]+", name) or path.is_absolute():
        raise ValueError(f"{_CANNOT_BE}; `{name}` is no directory.")
    return _builder_of_name(name, data_dir)


def _version_directory(path: Path) -> Path:
    """The directory itself or the only one below that holds a data set."""
    found = _data_sets_in(path)
    if len(found) == 1:
        return found[0]
    if found:
        places = [str(place.relative_to(path)) for place in found]
        raise ValueError(
            f"`{path}` holds {len(found)} data sets; name the directory of one: "
            f"{listed(places, 10)}."
        )
    raise ValueError(
        f"{_CANNOT_BE}; `{path}` has no dataset_info.json in it or below. TFDS writes "
        "it beside the record files, in NAME/[CONFIG/]VERSION."
    )


def _data_sets_in(path: Path) -> list[Path]:
    """The directory itself if it holds a data set, else all below that do."""
    if (path / "dataset_info.json").is_file():
        return [path]
    return [
        file.parent
        for pattern in ("*", "*/*", "*/*/*")
        for file in sorted(path.glob(f"{pattern}/dataset_info.json"))
    ]


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
            f"that name.{_did_you_mean(name)}"
        ) from error
    except ImportError as error:
        directory = _place_on_disk(name, data_dir)
        if directory is None:
            _raise_not_importable(name, error)
        return _builder_of_directory(directory)
    except Exception as error:  # of many kinds: ValueError, AssertionError, TypeError
        raise ValueError(
            f"{_CANNOT_BE}, NAME[/CONFIG][:VERSION]; `{name}` is no directory, and "
            f"TFDS does not take it as a name: {_in_one_line(error)}"
            f"{_did_you_mean(name)}"
        ) from error


def _did_you_mean(name: str) -> str:
    """The end of a message about a name: those that are like it, if it is unknown.

    >>> _did_you_mean("CIFAR-10:3.0.2")
    " Did you mean 'cifar10', 'cifar100', 'cifar10_n'?"
    """
    import tensorflow_datasets as tfds

    # The community's would need TensorFlow.
    known = tfds.list_builders(with_community_datasets=False)
    plain = re.split("[/:]", name)[0].lower().replace("-", "_")
    alike = [] if plain in known and plain in name else get_close_matches(plain, known)
    return f" Did you mean {listed(alike)}?" if alike else ""


def _place_on_disk(name: str, data_dir: str | None) -> Path | None:
    """Where a data set is prepared whose code needs what is not installed."""
    from tensorflow_datasets.core.utils import file_utils

    parts = re.fullmatch(r"(\w+)(?:/([\w.-]+))?(?::([\d.*]+))?", name)
    if parts is None:
        return None
    pattern = "/".join(part for part in parts.groups() if part)
    for root in file_utils.list_data_dirs(data_dir):
        places = sorted(Path(os.fspath(root)).expanduser().glob(pattern))
        holding = [place for place in places if _data_sets_in(place)]
        if holding:
            return _version_directory(holding[-1])
    return None


def _prepare(builder: Any) -> None:
    """Download and prepare as array_record, which needs no TensorFlow to write."""
    try:
        builder.download_and_prepare(file_format="array_record")
    except ImportError as error:
        _raise_not_importable(builder.info.full_name, error)
    except Exception as error:  # the network, the disk, files to be got by hand
        raise ValueError(
            f"{_CANNOT_BE}; `{builder.info.full_name}` is not prepared in "
            f"`{builder.data_path}` yet, and TFDS could not download and prepare it: "
            f"{_in_one_line(error)} Cure that and try again, or prepare it elsewhere "
            "and give its directory here."
        ) from error


def _in_one_line(error: Exception) -> str:
    """What an error says, as one sentence that a message can go on after."""
    reason = " ".join(str(error).split()) or type(error).__name__
    around = (
        r'^Failed to construct dataset ".*?", builder_kwargs ".*?": '
        r"| The builder name string must be .*"
    )
    reason = re.sub(around, "", reason)
    if len(reason) > _LONGEST_REASON:
        reason = f"{reason[:_LONGEST_REASON]} …"
    return reason if reason[-1] in ".!?…" else f"{reason}."


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

    first = builder.info.file_format
    if first is None or first.value in FORMATS:
        return builder
    available = {kind.value for kind in builder.info.available_file_formats()}
    for file_format in FORMATS:
        if file_format in available:
            return tfds.builder_from_directory(
                builder.data_path, file_format=file_format
            )
    raise ValueError(
        f"`{builder.data_path}` holds {first.value} files; only "
        f"{', '.join(FORMATS)} can be read: prepare the data set as array_record."
    )
