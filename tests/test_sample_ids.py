"""Ids of samples: how they are read, copied, found, joined and stacked."""

import numpy as np
import pytest

from invert_jax.sample_ids import (
    check_same_samples,
    checked_ids,
    distinct_ids,
    id_array,
    position_ids,
    positions_of_ids,
    stacked_ids,
)

TEXTS = np.array(["b", "a", "é"], "U7")
NUMBERS = np.array([3, -1, 2])


@pytest.mark.parametrize(
    "ids",
    [
        TEXTS.tolist(),
        TEXTS.astype(object),
        np.strings.encode(TEXTS, "utf-8"),
        [text.encode() for text in TEXTS.tolist()],
        TEXTS.astype(np.dtypes.StringDType()),
        tuple(TEXTS),
    ],
    ids=["list", "objects", "bytes", "list of bytes", "strings", "tuple"],
)
def test_texts_are_read_from_what_holds_them(ids):
    array = id_array(ids)
    assert array.dtype.kind == "U" and array.tolist() == TEXTS.tolist()


@pytest.mark.parametrize("dtype", [np.int8, np.uint64, object])
def test_whole_numbers_become_int64(dtype):
    assert id_array(np.array([3, 1, 2]).astype(dtype)).dtype == np.int64


def test_an_array_of_text_is_shared_and_numbers_are_not():
    assert checked_ids(TEXTS, 3) is TEXTS
    assert not np.shares_memory(checked_ids(NUMBERS, 3), NUMBERS)


@pytest.mark.parametrize("ids", [TEXTS, NUMBERS], ids=["texts", "numbers"])
def test_distinct_ids_are_a_narrow_copy_that_nobody_changes(ids):
    copied = distinct_ids(ids, 3)
    assert copied is not None and copied.tolist() == ids.tolist()
    assert not np.shares_memory(copied, ids) and not copied.flags.writeable
    assert copied.dtype in (np.dtype("U1"), np.dtype(np.int64))
    assert distinct_ids(None, 3) is None


@pytest.mark.parametrize("ids", [["a", "b"], [["a"], ["b"], ["c"]], "abc", 5])
def test_ids_of_another_number_of_samples_are_refused(ids):
    with pytest.raises((ValueError, TypeError), match="`ids` must"):
        checked_ids(ids, 3)


def test_the_first_id_that_is_there_twice_is_named():
    with pytest.raises(ValueError, match="got 'b' for samples 0 and 2, and 2 repeated"):
        distinct_ids(["b", "a", "b", "a"], 4)


def test_bytes_that_are_no_text_are_refused():
    with pytest.raises(ValueError, match="must be text in UTF-8"):
        id_array([b"a", b"\xff"])


def test_ids_are_found_where_they_are(rng):
    ids = rng.permutation(100)
    wanted = rng.choice(ids, 30, replace=False)
    assert (ids[positions_of_ids(wanted, ids)] == wanted).all()
    with pytest.raises(ValueError, match="it lacks 100, 101"):
        positions_of_ids([100, 5, 101], ids)


@pytest.mark.parametrize(
    ("num_samples", "others", "match"),
    [
        ((3, 4), None, "in the same order; got 3 and 4"),
        ((3, 3), NUMBERS, "must use the same ids; got 'b' and 3 for the first sample"),
        ((3, 3), TEXTS[[0, 2, 1]], "sample 1 has the id 'a' in one and 'é' .*Sort"),
    ],
)
def test_other_samples_or_another_order_are_refused(num_samples, others, match):
    with pytest.raises(ValueError, match=match):
        check_same_samples("They", num_samples, (TEXTS, others), cure="Sort them.")


def test_ids_that_one_side_lacks_are_not_compared():
    for ids in ((TEXTS, None), (None, TEXTS), (None, None), (TEXTS, TEXTS.copy())):
        check_same_samples("They", (3, 3), ids, cure="Sort them.")


def test_stacked_ids_are_of_one_kind_and_all_different():
    stacked = stacked_ids(TEXTS, np.array(["c"]))
    assert stacked is not None and stacked.tolist() == ["b", "a", "é", "c"]
    assert stacked_ids(None, None) is None
    for others in (None, NUMBERS, np.array(["a"])):
        with pytest.raises(ValueError, match=r"`other` must (have ids|hold other)"):
            stacked_ids(TEXTS, others)


def test_positions_are_named_by_all_their_axes():
    ids = position_ids(np.array([7]), (2, 2))
    assert ids.tolist() == ["7@0,0", "7@0,1", "7@1,0", "7@1,1"]
