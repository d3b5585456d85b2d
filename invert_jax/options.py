"""How to run: choices that change no result."""

import numbers
import os
from collections.abc import Sequence
from dataclasses import dataclass

import jax

MEBIBYTE = 1 << 20


@dataclass(frozen=True)
class Options:
    """How `explain` runs; nothing here changes a result.

    Attributes:
        memory_budget: Bytes of working memory beyond the activations themselves; it
            sets how many neurons are searched at a time.
        devices: What to run on; all local devices of the default backend if None.
        progress: Whether to show a progress bar.
        output: Folder for the result. What is done is kept there while the work runs:
            a run that was killed goes on where it stopped.

    >>> Options(memory_budget=256 << 20, progress=False).devices is None
    True
    """

    memory_budget: int = 1024 * MEBIBYTE
    devices: Sequence[jax.Device] | None = None
    progress: bool = True
    output: str | os.PathLike | None = None

    def __post_init__(self) -> None:
        whole = isinstance(self.memory_budget, numbers.Integral)
        if not whole or self.memory_budget < MEBIBYTE:
            raise ValueError(
                "`memory_budget` must be a whole number of bytes, at least 2**20; "
                f"got {self.memory_budget!r}."
            )
        if isinstance(self.devices, jax.Device):
            object.__setattr__(self, "devices", (self.devices,))
        if self.devices is not None and len(self.devices) == 0:
            raise ValueError("`devices` must hold at least one device; got none.")
        for device in self.devices or ():
            if not isinstance(device, jax.Device):
                raise TypeError(
                    "`devices` must be devices of JAX, as jax.devices() lists them; "
                    f"got {device!r}."
                )
        if not isinstance(self.progress, bool):
            raise TypeError(f"`progress` must be True or False; got {self.progress!r}.")
