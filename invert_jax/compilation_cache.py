"""Programs that JAX compiled, kept in the user's cache folder between processes.

JAX keeps an entry per program, under a key of the program, of jaxlib and of its
options. What a processor can do is not reliably part of that key, so the folder is
named by it: a home folder that several machines share never loads the code of another.
"""

import contextlib
import glob
import hashlib
import os
import platform
import re
import stat
import sys
from pathlib import Path

import jax
import jaxlib.version
import platformdirs

# The environment variable that names another folder, or turns all of this off.
VARIABLE = "INVERT_JAX_CACHE"
# Of all folders together; when a process starts, what was used longest ago goes.
MOST_BYTES = 512 << 20
# A program that compiles faster than this is about as fast to compile as to load.
SETTINGS = {"jax_persistent_cache_min_compile_time_secs": 0.05}

# Older ones print an error, though none, for each program that some processors load
# (issue 44565 of openxla/xla).
_FIRST_JAXLIB = (0, 10, 2)
_FOLDER = "jax_compilation_cache_dir"
_ON, _OFF = {"1", "on", "true", "yes"}, {"", "0", "off", "false", "no", "none"}
_PROCESSOR = Path("/proc/cpuinfo")
_FAILED = re.compile(
    r"Error (?:reading|writing) persistent compilation cache entry for '(.+?)': "
)


def switch_on() -> Path | None:
    """Keep what this process compiles, and load what others kept.

    Nothing changes if the user chose a cache for JAX, if the environment variable
    turns this off, if there is no folder that belongs to the user alone, or if jaxlib
    is older than 0.10.2.

    Returns:
        The folder, or None if nothing changed.
    """
    folder = cache_folder()
    if jax.config.values[_FOLDER] is not None or folder is None:
        return None
    if jaxlib.version.__version_info__ < _FIRST_JAXLIB or not _is_made(folder):
        return None
    _remove_oldest(folder.parent)
    for name, value in SETTINGS.items():
        if name.upper() not in os.environ:
            jax.config.update(name, value)
    jax.config.update(_FOLDER, str(folder))
    return folder


def cache_folder() -> Path | None:
    """Where programs are kept that run here, or None if the user wants none kept."""
    place = os.environ.get(VARIABLE, "on")
    word = place.strip().lower()
    if word in _OFF or "://" in word:
        return None
    if word in _ON:
        root = platformdirs.user_cache_path("invert_jax", appauthor=False)
    else:
        root = Path(os.path.expanduser(place)).absolute()
    # A user without a home has a folder named "~", wherever the process runs.
    return root / _name() if root.is_absolute() else None


def remove_damaged(message: str) -> bool:
    """Remove the entries of a program that JAX warns it could not read or write.

    JAX compiles such a program anew and never writes over an entry, so that one that
    a kill or a full disk cut short would be compiled, and warned of, in every process.

    Returns:
        Whether the message was such a warning, about the folder of this package, and
        the entries are gone.
    """
    found, folder = _FAILED.match(message), cache_folder()
    used = jax.config.values[_FOLDER]
    if found is None or folder is None or used != str(folder):
        return False
    entries = list(folder.glob(f"{glob.escape(found[1])}-*"))
    for entry in entries:
        with contextlib.suppress(OSError):
            entry.unlink()
    return not any(entry.exists() for entry in entries)


def _name() -> str:
    """The name of the folder: what its programs need to run."""
    digest = hashlib.sha256(_processor_features().encode()).hexdigest()[:12]
    return f"jaxlib-{jaxlib.version.__version__}-{platform.machine()}-{digest}"


def _processor_features() -> str:
    """What the processor can do, or what it is called where the system does not say."""
    with contextlib.suppress(OSError):
        with _PROCESSOR.open(encoding="utf-8", errors="replace") as lines:
            for line in lines:
                name, _, features = line.partition(":")
                if name.strip() in ("flags", "Features"):
                    return " ".join(sorted(features.split()))
    return platform.processor()


def _is_made(folder: Path) -> bool:
    """Whether the folder is there, or was made, and nobody else writes to it."""
    try:
        folder = folder.resolve()
        for each in reversed([folder, *folder.parents]):
            if not each.exists():
                each.mkdir(mode=0o700, exist_ok=True)
            elif not _is_safe(each):
                return False
        others_write = sys.platform != "win32" and folder.lstat().st_mode & 0o022
        return _owner(folder) == _user() and not others_write
    except OSError:
        return False


def _is_safe(folder: Path) -> bool:
    """Whether nobody but the user and root can put another folder into its place."""
    if sys.platform == "win32":
        return True
    mode = folder.stat().st_mode
    anyone_renames = mode & stat.S_IWOTH and not mode & stat.S_ISVTX
    return _owner(folder) in (0, _user()) and not anyone_renames


def _owner(path: Path) -> int:
    return path.lstat().st_uid


def _user() -> int:
    return 0 if sys.platform == "win32" else os.geteuid()


def _remove_oldest(root: Path) -> None:
    """Remove the files used longest ago, of any version, until the rest fits."""
    paths, files = [], []
    # Another process may remove the same.
    with contextlib.suppress(OSError):
        paths = list(root.glob("jaxlib-*/**/*"))
    for path in paths:
        with contextlib.suppress(OSError):
            if path.is_file():
                files.append((path, path.stat()))
    files.sort(key=lambda file: -max(file[1].st_atime, file[1].st_mtime))
    kept = 0
    for path, state in files:
        kept += state.st_size
        if kept > MOST_BYTES:
            with contextlib.suppress(OSError):
                path.unlink()
