"""Concepts from files: each kind by hand, one table from every kind, and misuse."""

import gzip
import json

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest
import scipy.sparse as sp

import invert_jax
from invert_jax.concepts.files import from_file
from invert_jax.concepts.table import Concepts

COCO = {
    "images": [
        {"id": 10, "file_name": "a.jpg", "width": 70, "height": 140},
        {"id": 11, "file_name": "b.jpg", "width": 100, "height": 50},
        {"id": 12, "file_name": "c.jpg", "width": 100, "height": 50},
    ],
    "annotations": [
        {"id": 1, "image_id": 12, "category_id": 18, "bbox": [0, 0, 10, 10]},
        {"id": 2, "image_id": 10, "category_id": 1, "bbox": [10, 20, 20, 20]},
        {"id": 3, "image_id": 10, "category_id": 18, "bbox": [65, 130, 50, 0]},
        {"id": 4, "image_id": 10, "category_id": 18, "bbox": [65, 130, 2.5, 3]},
    ],
    "categories": [
        {"id": 1, "name": "person", "supercategory": "person"},
        {"id": 17, "name": "cat", "supercategory": "animal"},
        {"id": 18, "name": "dog", "supercategory": "animal"},
    ],
}


@pytest.fixture
def concepts(rng):
    masks = rng.random((60, 4)) < 0.3
    ids = [f"image_{i:03}.jpg" for i in rng.permutation(60)]
    return Concepts.from_masks(masks, ["cat", "a & b", "é", "all"], ids=ids)


def ids_of(concepts):
    assert concepts.ids is not None
    return concepts.ids


def columns_of(concepts):
    columns = zip(concepts.names, concepts.masks().T, strict=True)
    return {"file_name": ids_of(concepts).tolist()} | {
        k: v.tolist() for k, v in columns
    }


def written(path, content):
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def with_coco(**changes):
    return {**json.loads(json.dumps(COCO)), **changes}


# The same table from every kind of file.


def write_npz(concepts, path):
    path = path.with_suffix(".npz")
    names = np.array(concepts.names)
    np.savez(path, masks=concepts.masks(), names=names, ids=concepts.ids)
    return path


def write_npz_of_numbers_and_bytes(concepts, path):
    path = path.with_suffix(".npz")
    names = np.array([name.encode() for name in concepts.names])
    masks = concepts.masks().astype(np.float32)
    np.savez(path, masks=masks, names=names, ids=np.array(concepts.ids, "S"))
    return path


def write_saved(concepts, path):
    concepts.save(path.with_suffix(".npz"))
    return path.with_suffix(".npz")


def write_csv(concepts, path):
    path = path.with_suffix(".csv")
    pyarrow.csv.write_csv(pa.table(columns_of(concepts)), path)
    return path


def write_csv_of_numbers_compressed(concepts, path):
    columns = columns_of(concepts)
    lines = [",".join(f'"{name}"' for name in columns)]
    for row in zip(*columns.values(), strict=True):
        lines.append(",".join([row[0], *(f"{value:.1f}" for value in row[1:])]))
    path = path.with_suffix(".csv.gz")
    path.write_bytes(gzip.compress("\n".join(lines).encode()))
    return path


def write_tsv(concepts, path):
    path = path.with_suffix(".tsv")
    options = pyarrow.csv.WriteOptions(delimiter="\t")
    pyarrow.csv.write_csv(pa.table(columns_of(concepts)), path, options)
    return path


def write_parquet(concepts, path):
    path = path.with_suffix(".parquet")
    pyarrow.parquet.write_table(pa.table(columns_of(concepts)), path, row_group_size=7)
    return path


def write_parquet_of_bytes_and_dictionary_ids(concepts, path):
    path = path.with_suffix(".pq")
    table = pa.table(columns_of(concepts))
    columns = [table.column(0).dictionary_encode()]
    columns += [column.cast(pa.uint8()) for column in table.columns[1:]]
    pyarrow.parquet.write_table(pa.table(columns, table.column_names), path)
    return path


def write_pandas_csv(concepts, path):
    path = path.with_suffix(".csv")
    pandas = pytest.importorskip("pandas")
    pandas.DataFrame(columns_of(concepts)).astype({"cat": int}).to_csv(path)
    return path


def write_pandas_parquet(concepts, path):
    path = path.with_suffix(".parquet")
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(columns_of(concepts)).set_index("file_name")
    frame.to_parquet(path)
    return path


def write_records(concepts, path):
    columns = columns_of(concepts)
    rows = zip(*columns.values(), strict=True)
    records = [dict(zip(columns, row, strict=True)) for row in rows]
    return written(path.with_suffix(".json"), records)


def write_json_masks(concepts, path):
    content = {"names": concepts.names, "ids": ids_of(concepts).tolist()}
    content["masks"] = concepts.masks().astype(int).tolist()
    return written(path.with_suffix(".json"), content)


def write_json_indices(concepts, path):
    content = {"names": concepts.names, "ids": ids_of(concepts).tolist()}
    content["indices"] = [np.flatnonzero(row).tolist() for row in concepts.masks()]
    return written(path.with_suffix(".json"), content)


@pytest.mark.parametrize(
    "write",
    [
        write_npz,
        write_npz_of_numbers_and_bytes,
        write_saved,
        write_csv,
        write_csv_of_numbers_compressed,
        write_tsv,
        write_parquet,
        write_parquet_of_bytes_and_dictionary_ids,
        write_pandas_csv,
        write_pandas_parquet,
        write_records,
        write_json_masks,
        write_json_indices,
    ],
)
def test_every_kind_of_file_gives_the_same_concepts(concepts, tmp_path, write):
    read = from_file(write(concepts, tmp_path / "concepts"))
    assert read.names == concepts.names
    assert read.fingerprint() == concepts.fingerprint()


def test_the_reader_is_exported_where_users_look(concepts, tmp_path):
    path = write_npz(concepts, tmp_path / "concepts")
    assert invert_jax.concepts.from_file(path).num_samples == 60


# Arrays.


@pytest.mark.parametrize("save", [sp.csr_array, sp.csc_array, sp.coo_array])
def test_a_scipy_sparse_file_takes_its_names_from_a_file_beside_it(
    concepts, tmp_path, save
):
    path = tmp_path / "masks.npz"
    sp.save_npz(path, save(concepts.masks()))
    given = from_file(path, names=concepts.names, ids=concepts.ids)
    assert given.fingerprint() == concepts.fingerprint()
    written(tmp_path / "masks.txt", "\n".join(concepts.names) + "\n")
    assert from_file(path).names == concepts.names
    written(tmp_path / "masks.json", ["x", "y", "z", "w"])
    assert from_file(path).names == ("x", "y", "z", "w")


def test_labels_in_an_npz_or_npy_file_become_classes(tmp_path):
    labels, names = np.array([1, 0, 1]), ["cat", "dog"]
    np.savez(tmp_path / "a.npz", labels=labels, names=names)
    np.save(tmp_path / "b.npy", labels)
    expected = Concepts.from_labels(labels, names).fingerprint()
    assert from_file(tmp_path / "a.npz").fingerprint() == expected
    assert from_file(tmp_path / "b.npy", names=names).fingerprint() == expected


def test_the_references_pair_gives_offsets_as_names(tmp_path):
    np.savez(tmp_path / "labels.npz", np.array([[1, 0], [0, 1]], bool))
    fish = {"name": "tench.n.01", "definition": "a fish", "offset": "n01440764"}
    gold = {"name": "goldfish.n.01", "definition": "gold", "offset": "n01443537"}
    path = written(tmp_path / "classes.json", {"0": fish, "1": gold})
    concepts = from_file(tmp_path / "labels.npz", names=path)
    assert concepts.names == ("n01440764", "n01443537")
    assert concepts.descriptions == ("tench.n.01: a fish", "goldfish.n.01: gold")
    assert concepts.masks().astype(int).tolist() == [[1, 0], [0, 1]]


@pytest.mark.parametrize(
    ("description", "message"),
    [
        ({"0": {"offset": "a"}}, "1 names for 2 concepts"),
        ({"0": {"offset": "a"}, "1": {"offset": "a"}}, "more than once: 'a'"),
        ({"1": {"offset": "a"}, "0": {"offset": "b"}}, "got '1' as number 0"),
        ({"0": {"name": "a"}, "1": {"name": "b"}}, "'0' must have an `offset`"),
        ({"0": 1, "1": 2}, "'0' must have an `offset`"),
        ({}, "list of names"),
        ([1, 2], "list of names"),
        ("[", "cannot be read as names"),
    ],
)
def test_labels_and_description_that_do_not_fit_are_refused(
    tmp_path, description, message
):
    np.savez(tmp_path / "labels.npz", np.eye(2, dtype=bool))
    path = written(tmp_path / "classes.json", description)
    with pytest.raises(ValueError, match=message):
        from_file(tmp_path / "labels.npz", names=path)


@pytest.mark.parametrize(
    ("arrays", "error", "message"),
    [
        ({"masks": np.ones((2, 2))}, ValueError, "no `names`.*concepts.txt"),
        ({"x": np.ones(2), "y": np.ones(2)}, ValueError, "must hold `masks`.*got x, y"),
        ({"names": np.array(["a"])}, ValueError, "must hold `masks`"),
        ({"masks": np.ones((2, 1)), "names": np.ones(1)}, TypeError, "must be text"),
        ({"masks": np.full((1, 1), 2), "names": np.array(["a"])}, ValueError, "got 2"),
        (
            {"masks": np.ones((1, 2)), "names": np.array(["a", "a"])},
            ValueError,
            "more than once: 'a'",
        ),
        (
            {"masks": np.ones((2, 1)), "names": np.array(["a"]), "ids": np.zeros(2)},
            TypeError,
            "integers or strings; got float64",
        ),
        ({"names": np.array([None])}, ValueError, "pickled"),
        (
            {"format": b"csr", "shape": [1, 1], "data": [1, 1, 1]},
            ValueError,
            "as a scipy.sparse matrix",
        ),
    ],
)
def test_arrays_that_are_no_concepts_are_refused(tmp_path, arrays, error, message):
    path = tmp_path / "concepts.npz"
    np.savez(path, **arrays)
    with pytest.raises(error, match=message) as raised:
        from_file(path)
    assert str(path) in str(raised.value)


def test_a_saved_table_keeps_its_own_names(concepts, tmp_path):
    concepts.save(tmp_path / "saved.npz")
    with pytest.raises(ValueError, match="its own names and ids"):
        from_file(tmp_path / "saved.npz", names=["a", "b", "c", "d"])


# Tables.


def test_columns_of_classes_become_one_concept_per_value(tmp_path):
    text = "id,color,size,round\n7,red,10,1\n8,blue,9,0\n9,red,10,1\n"
    path = written(tmp_path / "a.csv", text)
    concepts = from_file(path, classes=["color", "size"])
    assert concepts.names == (
        "color=blue",
        "color=red",
        "size=9",
        "size=10",
        "round",
    )
    assert concepts.masks().astype(int).tolist() == [
        [0, 1, 0, 1, 1],
        [1, 0, 1, 0, 0],
        [0, 1, 0, 1, 1],
    ]
    assert ids_of(concepts).tolist() == [7, 8, 9]
    one = from_file(path, classes="color", ignore="size")
    assert one.names == ("color=blue", "color=red", "round")


def test_classes_may_be_stored_as_a_dictionary_that_repeats_a_value(tmp_path):
    codes, values = pa.array([0, 1, 2]), pa.array(["red", "blue", "red"])
    column = pa.DictionaryArray.from_arrays(codes, values)
    pyarrow.parquet.write_table(pa.table({"color": column}), tmp_path / "a.parquet")
    concepts = from_file(tmp_path / "a.parquet", classes=["color"])
    assert concepts.names == ("color=blue", "color=red")
    assert concepts.masks(["color=red"]).ravel().tolist() == [True, False, True]


def test_ids_may_be_in_any_column_that_is_named(tmp_path):
    path = written(tmp_path / "a.csv", "photo,cat\nx,1\ny,0\n")
    assert ids_of(from_file(path, ids="photo")).tolist() == ["x", "y"]
    path = written(tmp_path / "b.csv", "cat\n1\n0\n")
    assert from_file(path).ids is None
    assert ids_of(from_file(path, ids=["u", "v"])).tolist() == ["u", "v"]


def test_a_column_of_truth_values_called_image_is_a_concept(tmp_path):
    path = written(tmp_path / "a.csv", "key,image\nx,1\ny,0\nz,1\n")
    assert from_file(path).names == ("image",)
    assert from_file(path).num_positives.tolist() == [2]


@pytest.mark.parametrize(
    "text",
    [
        "id, bird ,color\nx, 1 , red\ny, 0 ,blue \n",
        "id, bird ,color\nx, True, red\ny, false,blue\n",
        "id;bird;color\nx;1;red\ny;0;blue\n",
        "\ufeffid,bird,color\r\nx,1,red\r\ny,0,blue\r\n",
        '"id","bird","color"\n"x","1","red"\n"y","0","blue"\n',
    ],
    ids=["blanks", "truth values with blanks", "semicolons", "windows", "quotes"],
)
def test_a_csv_file_may_be_written_in_several_ways(tmp_path, text):
    concepts = from_file(written(tmp_path / "a.csv", text), classes=["color"])
    assert concepts.names == ("bird", "color=blue", "color=red")
    assert ids_of(concepts).tolist() == ["x", "y"]
    assert concepts.masks().astype(int).tolist() == [[1, 0, 1], [0, 1, 0]]


def test_a_csv_file_in_another_encoding_is_refused(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes("id,bird\né.jpg,1\nb.jpg,0\n".encode("latin-1"))
    with pytest.raises(ValueError, match="column 'id' is not in UTF-8; save the table"):
        from_file(path)


def test_the_row_numbers_that_pandas_writes_are_no_concept(tmp_path):
    path = written(tmp_path / "a.csv", ",cat\n0,1\n1,0\n2,1\n")
    assert from_file(path).names == ("cat",)
    assert from_file(path).ids is None
    path = written(tmp_path / "b.csv", ",cat\nx,1\ny,0\nz,1\n")
    assert ids_of(from_file(path)).tolist() == ["x", "y", "z"]


@pytest.mark.parametrize(
    ("text", "settings", "error", "message"),
    [
        (
            "id,cat,color\n1,0,red\n2,1,blue\n",
            {},
            TypeError,
            r"'color' must be boolean.*'red', 'blue'.*classes=\['color'\]",
        ),
        (
            "id,age\n1,0\n2,31\n",
            {},
            ValueError,
            r"'age' must be boolean.*got 31 for sample 1.*threshold",
        ),
        ("id,x\n1,0.5\n2,1\n", {}, ValueError, "got 0.5 for sample 0"),
        ("id,x\n1,nan\n2,1\n", {}, ValueError, "got nan for sample 0|no value"),
        ("id,x\n1,0\n2,\n", {}, ValueError, "'x' has no value for 1 samples, .* 1;"),
        (
            "id,x\n,0\nb,1\n",
            {"ids": "id"},
            ValueError,
            "'id' has no value for 1 samples",
        ),
        ("id,x,x\n1,0,0\n", {}, ValueError, "different names; more than once: 'x'"),
        ("id,x\n1,0\n1,1\n", {}, ValueError, "`ids` must be unique; got 1"),
        ("id,x\n", {}, ValueError, "at least one sample"),
        ("id\na\nb\n", {}, ValueError, "at least one column of concepts"),
        ("", {}, ValueError, "cannot be read as a table"),
        ("a,b\n1\n", {}, ValueError, "cannot be read as a table"),
        ("a,b\n1,1\n", {"classes": ["c"]}, ValueError, "`classes` must name columns"),
        ("a,b\n1,1\n", {"ignore": ["c"]}, ValueError, "`ignore` must name columns"),
        ("a,b\n1,1\n", {"ids": "c"}, ValueError, "`ids` must name a column"),
        ("a,b\n1.5,1\n", {"classes": ["a"]}, TypeError, "text or whole numbers"),
        ("a,b\n2020-01-01,1\n", {}, TypeError, "'a' must be boolean"),
        ("a,b\n1,1\n", {"boxes": (1, 1)}, ValueError, "`boxes` has no meaning"),
        ("a,b\n1,1\n", {"names": ["a"]}, ValueError, "`names` has no meaning"),
    ],
)
def test_tables_that_are_no_concepts_are_refused(
    tmp_path, text, settings, error, message
):
    path = written(tmp_path / "table.csv", text)
    with pytest.raises(error, match=message):
        from_file(path, **settings)


def test_a_table_of_many_columns_is_read(rng, tmp_path):
    masks = rng.random((20, 5000)) < 0.1
    names = [f"a rather long name for a concept, number {i}" for i in range(5000)]
    table = pa.table(dict(zip(names, masks.T, strict=True)))
    pyarrow.csv.write_csv(table, tmp_path / "a.csv")
    pyarrow.parquet.write_table(table, tmp_path / "a.parquet")
    expected = Concepts.from_masks(masks, names).fingerprint()
    assert from_file(tmp_path / "a.csv").fingerprint() == expected
    assert from_file(tmp_path / "a.parquet").fingerprint() == expected


# JSON.


def test_names_per_sample_become_concepts(tmp_path):
    path = written(tmp_path / "a.json", {"x.jpg": ["dog", "cat"], "y.jpg": []})
    concepts = from_file(path)
    assert concepts.names == ("cat", "dog")
    assert ids_of(concepts).tolist() == ["x.jpg", "y.jpg"]
    assert concepts.masks().astype(int).tolist() == [[1, 1], [0, 0]]


@pytest.mark.parametrize(
    ("content", "error", "message"),
    [
        ("{", ValueError, "cannot be read as JSON"),
        ("[" * 100_000, ValueError, "cannot be read as JSON"),
        ("3", ValueError, "must hold a list of records"),
        ({"a": 1}, ValueError, "must hold a list of records"),
        ([], ValueError, "at least one sample"),
        ([1], ValueError, "record 0 must be an object; got 1"),
        ([{"a": 1}, {"b": 1}], ValueError, "record 1 and the first differ in 'a', 'b'"),
        ([{"a": 1}, {"a": "x"}], TypeError, "values of one type"),
        ([{"a": [1]}], TypeError, "'a' must be boolean"),
        ({"names": ["a"]}, ValueError, "one of `masks`, .* is needed; got none"),
        ({"names": 1, "masks": [[1]]}, ValueError, "`names` must be a list; got 1"),
        ({"names": ["a"], "masks": 1}, ValueError, "`masks` must be a list; got 1"),
        ({"names": [1], "masks": [[1]]}, TypeError, "must be strings; got 1"),
        ({"names": ["a"], "masks": [[2]]}, ValueError, "got 2 for sample 0"),
        ({"names": ["a"], "masks": [[1], [1, 0]]}, ValueError, "one length"),
        ({"names": ["a"], "labels": [1]}, ValueError, "in 0 … 0"),
        ({"names": ["a"], "indices": [["a"]]}, TypeError, "got a str"),
        ({}, ValueError, "at least one name|at least one sample"),
    ],
)
def test_json_that_is_no_concepts_is_refused(tmp_path, content, error, message):
    path = written(tmp_path / "a.json", content)
    with pytest.raises(error, match=message) as raised:
        from_file(path)
    assert str(path) in str(raised.value)


# COCO.


def test_coco_says_which_images_show_a_category_or_what_is_above_it(tmp_path):
    concepts = from_file(written(tmp_path / "instances_val.json", COCO))
    assert concepts.names == (
        "person",
        "cat",
        "dog",
        "supercategory=person",
        "supercategory=animal",
    )
    assert ids_of(concepts).tolist() == ["a.jpg", "b.jpg", "c.jpg"]
    assert concepts.masks().astype(int).tolist() == [
        [1, 0, 1, 1, 1],
        [0, 0, 0, 0, 0],
        [0, 0, 1, 0, 1],
    ]
    assert concepts.descriptions is not None
    assert concepts.descriptions[1] == "cat (animal)"
    assert concepts.descriptions[4] == "cat, dog"


# The 80 categories of instances_*.json under their 12 supercategories, in the order of
# their ids, of which COCO skips ten.
REAL_COCO = {
    "person": "person",
    "vehicle": "bicycle car motorcycle airplane bus train truck boat",
    "outdoor": "traffic_light fire_hydrant stop_sign parking_meter bench",
    "animal": "bird cat dog horse sheep cow elephant bear zebra giraffe",
    "accessory": "backpack umbrella handbag tie suitcase",
    "sports": "frisbee skis snowboard sports_ball kite baseball_bat baseball_glove "
    "skateboard surfboard tennis_racket",
    "kitchen": "bottle wine_glass cup fork knife spoon bowl",
    "food": "banana apple sandwich orange broccoli carrot hot_dog pizza donut cake",
    "furniture": "chair couch potted_plant bed dining_table toilet",
    "electronic": "tv laptop mouse remote keyboard cell_phone",
    "appliance": "microwave oven toaster sink refrigerator",
    "indoor": "book clock vase scissors teddy_bear hair_drier toothbrush",
}
SKIPPED_IDS = {12, 26, 29, 30, 45, 66, 68, 69, 71, 83}


def test_coco_has_80_categories_and_12_supercategories(tmp_path, rng):
    """The real vocabulary; of each object also a wordy record, as COCO has them."""
    pairs = [(n, above) for above, names in REAL_COCO.items() for n in names.split()]
    keys = sorted(set(range(1, 91)) - SKIPPED_IDS)
    categories = [
        {"supercategory": above, "id": key, "name": name.replace("_", " ")}
        for key, (name, above) in zip(keys, pairs, strict=True)
    ]
    shown = rng.random((50, 80)) < 0.05
    images = [
        {"license": 4, "file_name": f"{key:012}.jpg", "height": 480, "width": 640,
         "date_captured": "2013-11-14 17:02:52", "id": int(key)}
        for key in rng.permutation(10**6)[:50]
    ]  # fmt: skip
    annotations = [
        {"segmentation": [[1.5, 2, 3, 4, 5, 6]], "area": 8.1, "iscrowd": 0, "id": i,
         "image_id": images[image]["id"], "bbox": [1.5, 2.0, 30.1, 40.2],
         "category_id": keys[category]}
        for i, (image, category) in enumerate(rng.permutation(np.argwhere(shown)))
    ]  # fmt: skip
    content = {"info": {}, "licenses": [], "images": images, "categories": categories}
    path = tmp_path / "instances_val2017.json"
    concepts = from_file(written(path, content | {"annotations": annotations}))

    assert concepts.names[:3] == ("person", "bicycle", "car")
    assert concepts.names[79:82] == (
        "toothbrush", "supercategory=person", "supercategory=vehicle",
    )  # fmt: skip
    assert concepts.num_concepts == 92
    assert concepts.masks()[:, :80].tolist() == shown.tolist()
    is_above = np.array([[a == above for a in REAL_COCO] for _, above in pairs])
    assert concepts.masks()[:, 80:].tolist() == (shown @ is_above).tolist()
    assert ids_of(concepts).tolist() == [image["file_name"] for image in images]


def test_coco_ids_may_be_the_numbers_of_the_images(tmp_path):
    path = written(tmp_path / "instances_val.json", COCO)
    assert ids_of(from_file(path, ids="id")).tolist() == [10, 11, 12]
    images = [{"id": 1}, {"id": 2}]
    bare = with_coco(images=images, annotations=[])
    assert ids_of(from_file(written(path, bare))).tolist() == [1, 2]


def test_coco_boxes_become_masks_of_the_cells_they_overlap(tmp_path):
    path = written(tmp_path / "instances_val.json", COCO)
    concepts = from_file(path, boxes=(7, 7))
    assert concepts.num_samples == 3 * 49
    assert ids_of(concepts)[:2].tolist() == ["a.jpg@0,0", "a.jpg@0,1"]
    person, dog = concepts.masks(["person", "dog"]).T.reshape(2, 3, 7, 7)
    # Cells of the first image are 10 wide and 20 high: the box fills two of them.
    assert np.argwhere(person).tolist() == [[0, 1, 1], [0, 1, 2]]
    # A box of no height, one beyond the border, and one in the first cell of the third.
    assert np.argwhere(dog).tolist() == [[0, 6, 6], [2, 0, 0], [2, 1, 0]]


def test_coco_cells_agree_with_painted_boxes(rng, tmp_path):
    height, width, grid = 30, 42, (3, 6)
    starts = rng.integers(0, 25, size=(40, 2))
    sizes = rng.integers(1, 18, size=(40, 2))
    annotations = [
        {"id": i, "image_id": i % 5, "category_id": 1, "bbox": [*start, *size]}
        for i, (start, size) in enumerate(
            zip(starts.tolist(), sizes.tolist(), strict=True)
        )
    ]
    painted = np.zeros((5, height, width), bool)
    for i, ((left, top), (wide, high)) in enumerate(zip(starts, sizes, strict=True)):
        painted[i % 5, top : top + high, left : left + wide] = True
    images = [{"id": i, "width": width, "height": height} for i in range(5)]
    categories = [{"id": 1, "name": "thing"}]
    path = tmp_path / "instances.json"
    written(
        path, {"images": images, "annotations": annotations, "categories": categories}
    )
    expected = painted.reshape(5, 3, 10, 6, 7).any(axis=(2, 4))
    masks = from_file(path, boxes=grid).masks()
    np.testing.assert_array_equal(masks.reshape(expected.shape), expected)


@pytest.mark.parametrize(
    ("part", "record", "message"),
    [
        (
            "annotations",
            {"id": 9, "image_id": 99, "category_id": 1},
            r"images that are missing: 1 of 5; the first is annotation 9 with "
            "image_id 99",
        ),
        (
            "annotations",
            {"id": 9, "image_id": 10, "category_id": 2},
            "categories that are missing: 1 of 5; the first is annotation 9 with",
        ),
        ("annotations", {"id": 9, "category_id": 1}, "9 must have a proper `image_id`"),
        ("annotations", 3, "`annotations` 4 must be an object; got 3"),
        (
            "images",
            {"id": 10, "file_name": "d.jpg"},
            "`images` must have different ids",
        ),
        ("images", {"id": 13, "file_name": "a.jpg"}, "unique; got 'a.jpg'"),
        ("images", {"id": 13}, "13 must have a proper `file_name`"),
        ("images", {"id": [1], "file_name": "d"}, "must have a proper `id`"),
        ("categories", {"id": 1, "name": "x"}, "`categories` must have different ids"),
        ("categories", {"id": 2, "name": "dog"}, "more than once: 'dog'"),
        ("categories", {"id": 2, "name": " "}, "2 must have a proper `name`"),
    ],
)
def test_coco_records_that_do_not_fit_are_refused(tmp_path, part, record, message):
    content = with_coco(**{part: [*COCO[part], record]})
    path = written(tmp_path / "instances.json", content)
    with pytest.raises(ValueError, match=message):
        from_file(path)


@pytest.mark.parametrize(
    ("changes", "settings", "message"),
    [
        ({"images": []}, {}, "`images` must be a list with at least one"),
        ({"images": 1}, {}, "`images` must be a list with at least one"),
        ({"images": [{"id": 10, "file_name": "a"}]}, {}, "images that are missing: 1"),
        ({}, {"ids": "name"}, '"file_name" or "id" for COCO'),
        ({}, {"classes": "x"}, "are for tables"),
        ({}, {"boxes": (0, 7)}, "rows and columns of a grid"),
        (
            {"annotations": [{"id": 1, "image_id": 10, "category_id": 1}]},
            {"boxes": (2, 2)},
            "1 must have a proper `bbox`; got None",
        ),
        (
            {"annotations": [], "images": [{"id": 1, "width": 0, "height": 1}]},
            {"boxes": (2, 2)},
            "1 must have a proper `width`; got 0",
        ),
    ],
)
def test_coco_files_that_do_not_fit_are_refused(tmp_path, changes, settings, message):
    path = written(tmp_path / "instances.json", with_coco(**changes))
    with pytest.raises(ValueError, match=message):
        from_file(path, **settings)


def test_other_coco_files_are_refused(tmp_path):
    captions = {"images": [{"id": 1}], "annotations": []}
    path = written(tmp_path / "captions_val.json", captions)
    with pytest.raises(ValueError, match=r"must have `categories`.*instances_"):
        from_file(path)


# Files.


def test_what_is_no_file_of_a_known_kind_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"file that exists; got .*none\.csv"):
        from_file(tmp_path / "none.csv")
    with pytest.raises(ValueError, match=r"got the folder.*from_tfds"):
        from_file(tmp_path)
    with pytest.raises(ValueError, match=r"must end in \.npz, .*; got a\.xlsx"):
        from_file(written(tmp_path / "a.xlsx", ""))
    with pytest.raises(ValueError, match=r"must end in"):
        from_file(written(tmp_path / "concepts", ""))
    with pytest.raises(FileNotFoundError, match="a list of names or a file"):
        np.save(tmp_path / "a.npy", np.eye(2))
        from_file(tmp_path / "a.npy", names="none.txt")
