"""Work that runs ahead of whoever uses it."""

from collections import deque
from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")


def started_ahead(items: Iterable[T], count: int) -> Iterator[T]:
    """The items in order, each once `count` more have been made.

    What making an item starts, on a device or in a thread, so goes on while earlier
    items are used.

    >>> def numbers():
    ...     for number in range(3):
    ...         print("made", number)
    ...         yield number
    >>> for number in started_ahead(numbers(), 1):
    ...     print("used", number)
    made 0
    made 1
    used 0
    made 2
    used 1
    used 2
    """
    waiting: deque[T] = deque()
    for item in items:
        waiting.append(item)
        if len(waiting) > count:
            yield waiting.popleft()
    while waiting:
        yield waiting.popleft()
