"""Where on its top images a convolutional unit fires."""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float, Int, Shaped, UInt8

MAX_SIDE = 16
SAMPLES_AT_ONCE = 64


class MapReader:
    """Unpooled maps of some neurons on some samples.

    >>> maps = np.arange(2 * 3 * 3 * 4.0).reshape(2, 3, 3, 4)
    >>> reader = MapReader(maps, num_samples=2, num_neurons=4, ids=None)
    >>> reader.read(np.array([[1, 0]]), np.array([3])).shape
    (1, 2, 3, 3)
    """

    def __init__(
        self,
        maps,
        *,
        num_samples: int,
        num_neurons: int,
        ids: Shaped[np.ndarray, " samples"] | None,
    ):
        self._maps, self._ids, self._num_neurons = maps, ids, num_neurons
        if callable(maps):
            return
        shape = np.shape(maps)
        if len(shape) != 4 or shape[0] != num_samples or shape[3] != num_neurons:
            raise ValueError(
                "`maps` must be of shape [samples, rows, columns, neurons], here "
                f"({num_samples}, rows, columns, {num_neurons}), or a function of "
                f"sample ids that gives them; got shape {shape}."
            )

    def shape(self) -> tuple[int, int]:
        """Rows and columns of the maps; a function is asked for one sample."""
        if not callable(self._maps):
            return np.shape(self._maps)[1:3]
        _, first = next(self._maps_of(np.array([0])))
        return first.shape[:2]

    def read(
        self, samples: Int[np.ndarray, "units tops"], neurons: Int[np.ndarray, " units"]
    ) -> UInt8[np.ndarray, "units tops rows columns"]:
        """Maps of each unit on its samples, 255 at its largest value on them.

        A map of more than 16 rows or columns is averaged down. Negative is 0.

        Args:
            samples: By position; -1 gives an empty map.
            neurons: Index of each unit in the layer.
        """
        found: dict[tuple[int, int], np.ndarray] = {}
        for sample, maps in self._maps_of(np.unique(samples[samples >= 0])):
            for unit, place in np.argwhere(samples == sample).tolist():
                found[unit, place] = averaged_down(maps[..., neurons[unit]])
        shape = next(iter(found.values())).shape if found else (1, 1)
        result = np.zeros((*samples.shape, *shape), np.uint8)
        largest = np.zeros(len(samples))
        for (unit, _), each in found.items():
            largest[unit] = max(largest[unit], each.max())
        for (unit, place), each in found.items():
            if largest[unit] > 0:
                result[unit, place] = np.rint(255 * np.maximum(each / largest[unit], 0))
        return result

    def _maps_of(
        self, samples: Int[np.ndarray, " samples"]
    ) -> Iterator[tuple[int, Shaped[np.ndarray, "rows columns neurons"]]]:
        """The maps of all neurons on each sample."""
        if not callable(self._maps):
            for sample in samples.tolist():
                yield sample, np.asarray(self._maps[sample])
            return
        for start in range(0, len(samples), SAMPLES_AT_ONCE):
            chosen = samples[start : start + SAMPLES_AT_ONCE]
            maps = np.asarray(
                self._maps(chosen if self._ids is None else self._ids[chosen])
            )
            if maps.ndim != 4 or len(maps) != len(chosen):
                raise ValueError(
                    f"`maps` must give [samples, rows, columns, neurons] for the ids "
                    f"it is asked for; got shape {maps.shape} for {len(chosen)} ids."
                )
            if maps.shape[3] != self._num_neurons:
                raise ValueError(
                    f"`maps` must give the maps of the {self._num_neurons} neurons "
                    f"of the layer, on the last axis; got shape {maps.shape}."
                )
            yield from zip(chosen.tolist(), maps, strict=True)


def averaged_down(
    values: Shaped[np.ndarray, "rows columns"],
) -> Float[np.ndarray, "few_rows few_columns"]:
    """The map, averaged down to at most 16 rows and columns.

    >>> averaged_down(np.ones((32, 8))).shape
    (16, 8)
    """
    result = np.nan_to_num(values.astype(np.float64))
    for axis in (0, 1):
        length = result.shape[axis]
        if length > MAX_SIDE:
            starts = np.arange(MAX_SIDE) * length // MAX_SIDE
            sizes = np.diff(np.append(starts, length))
            sums = np.add.reduceat(result, starts, axis=axis)
            result = sums / np.expand_dims(sizes, 1 - axis)
    return result
