"""Files that are written whole, and read whole or not at all."""

import io
import os
import zipfile

import numpy as np
import pytest

from invert_jax import disk

ARRAYS: dict[str, np.ndarray] = {
    "a": np.arange(50),
    "b": np.ones((3, 2), np.float32),
    "c": np.zeros(0, bool),
}
KINDS = [(disk.write_npz, disk.read_npz), (disk.save_arrays, disk.load_arrays)]
both_kinds = pytest.mark.parametrize(("write", "read"), KINDS, ids=["npz", "arrays"])


def assert_same(arrays, expected):
    assert list(arrays) == list(expected)
    for name, values in expected.items():
        np.testing.assert_array_equal(arrays[name], values, strict=True)


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_whole_file_replaces_the_one_before_it(tmp_path):
    for text in ("old", "new"):
        with disk.whole_file(tmp_path / "file") as draft:
            assert draft.parent == tmp_path, "a rename stays within the disk"
            draft.write_text(text)
    assert (tmp_path / "file").read_text() == "new"
    assert names_in(tmp_path) == ["file"]


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
def test_a_file_that_fails_leaves_the_one_before_it(tmp_path, error):
    (tmp_path / "file").write_text("old")
    with pytest.raises(error), disk.whole_file(tmp_path / "file") as draft:
        draft.write_text("half")
        raise error
    assert (tmp_path / "file").read_text() == "old"
    assert names_in(tmp_path) == ["file"]


def test_a_file_that_is_never_written_is_an_error(tmp_path):
    (tmp_path / "file").write_text("old")
    with pytest.raises(OSError, match="nothing was written"):
        with disk.whole_file(tmp_path / "file"):
            pass
    assert (tmp_path / "file").read_text() == "old"
    assert names_in(tmp_path) == ["file"]


def test_drafts_that_a_kill_left_of_a_file_are_removed_and_no_others(tmp_path):
    left = f".file.{'0' * 32}.part"
    others = [f".file2.{'0' * 32}.part", ".file.part", f".file.{'0' * 31}.part", "0"]
    for name in (left, *others):
        (tmp_path / name).write_text("half")
    with disk.whole_file(tmp_path / "file") as draft:
        draft.write_text("whole")
    assert names_in(tmp_path) == sorted([*others, "file"])


def test_a_draft_that_is_being_written_is_kept(tmp_path):
    with disk.whole_file(tmp_path / "file") as first:
        first.write_text("first")
        with disk.whole_file(tmp_path / "file") as second:
            second.write_text("second")
        assert first.exists()
        assert (tmp_path / "file").read_text() == "second"
    assert (tmp_path / "file").read_text() == "first"
    assert names_in(tmp_path) == ["file"]


def test_a_file_is_read_and_nothing_else(tmp_path):
    (tmp_path / "file").write_bytes(b"\0content")
    assert disk.read_file(tmp_path / "file") == b"\0content"
    with pytest.raises(FileNotFoundError):
        disk.read_file(tmp_path / "none")
    with pytest.raises(OSError):
        disk.read_file(tmp_path)
    for path in ("/dev/zero", "/dev/null"):
        if os.path.exists(path):
            with pytest.raises(ValueError, match="is a pipe or a device, no file"):
                disk.read_file(path)


@both_kinds
def test_arrays_come_back_as_they_were(tmp_path, write, read):
    write(tmp_path / "file", ARRAYS)
    assert_same(read(tmp_path / "file"), ARRAYS)
    assert names_in(tmp_path) == ["file"]


@both_kinds
def test_pickled_objects_are_not_written(tmp_path, write, read):
    with pytest.raises(ValueError, match="no Python objects"):
        write(tmp_path / "file", {"a": np.array([{}], object)})
    assert names_in(tmp_path) == []


def test_arrays_with_a_changed_byte_are_none_or_the_same(tmp_path):
    disk.save_arrays(tmp_path / "file", ARRAYS)
    whole = (tmp_path / "file").read_bytes()
    num_refused = 0
    for place in range(len(whole)):
        changed = bytearray(whole)
        changed[place] ^= 0xFF
        (tmp_path / "file").write_bytes(changed)
        arrays = disk.load_arrays(tmp_path / "file")
        if arrays is not None:
            assert_same(arrays, ARRAYS)
        num_refused += arrays is None
    assert num_refused > len(whole) / 2


def test_arrays_without_a_digest_are_none(tmp_path):
    disk.write_npz(tmp_path / "file", ARRAYS)
    assert disk.load_arrays(tmp_path / "file") is None


def test_a_folder_is_made_for_arrays_alone(tmp_path):
    disk.save_arrays(tmp_path / "parts" / "file", ARRAYS)
    with pytest.raises(FileNotFoundError, match="folder that exists"):
        disk.write_npz(tmp_path / "none" / "file", ARRAYS)


def test_there_are_no_arrays_where_there_is_no_file(tmp_path):
    assert disk.load_arrays(tmp_path / "file") is None
    with pytest.raises(FileNotFoundError, match=r"npz file that exists; got .*file"):
        disk.read_npz(tmp_path / "file")


def test_arrays_that_0_1_0_wrote_come_back(tmp_path):
    arrays: dict[str, np.ndarray]
    arrays = {"a": np.arange(3, dtype=np.int64), "b": np.zeros((0, 2), bool)}
    digest = np.array("7d14f1b5e3ca4244d26bed281ae98dc7")
    np.savez(tmp_path / "file.npz", **arrays, digest=digest)  # type: ignore[arg-type]
    loaded = disk.load_arrays(tmp_path / "file.npz")
    assert loaded is not None
    assert_same(loaded, arrays)


def with_header(path, shape, dtype="|b1", content=b""):
    """An npz file of one array whose header says what one likes."""
    file = io.BytesIO()
    header = {"descr": dtype, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, header)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("masks.npy", file.getvalue() + content)
    return path


def test_an_array_that_is_not_as_large_as_it_says_is_refused(tmp_path):
    path = with_header(tmp_path / "file.npz", (2**40, 4))
    with pytest.raises(ValueError, match=r"has 128 bytes, where its header asks for 4"):
        disk.read_npz(path)


@pytest.mark.parametrize("shape", [(16_000_001, 1), (16_000_001,)])
def test_more_rows_than_a_search_takes_are_refused(tmp_path, shape):
    path = with_header(tmp_path / "file.npz", shape, content=bytes(16_000_001))
    with pytest.raises(ValueError, match=r"masks.npy has 16,000,001 rows, and at most"):
        disk.read_npz(path)


def test_bytes_of_an_array_are_read_as_they_are():
    for array in (np.arange(6).reshape(2, 3), np.array("text"), np.zeros((0, 4))):
        file = io.BytesIO()
        np.save(file, array)
        np.testing.assert_array_equal(disk.npy_of(file.getvalue()), array, strict=True)
        for content in (file.getvalue() + b"x", file.getvalue()[:-1], b"", b"PK"):
            with pytest.raises(ValueError):
                disk.npy_of(content)
