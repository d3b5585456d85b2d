"""Concepts from COCO's annotations: by hand, of its real size, and misused."""

import json

import numpy as np
import pytest

from invert_jax.concepts.files.reading import from_file
from tests.concepts.files.written_files import written
from tests.concepts.random_tables import ids_of

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


def with_coco(**changes):
    return {**json.loads(json.dumps(COCO)), **changes}


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


def test_an_array_as_ids_of_coco_is_refused_in_our_words(tmp_path):
    path = written(tmp_path / "instances.json", COCO)
    with pytest.raises(ValueError, match='`ids` must be "file_name" or "id" for COCO'):
        from_file(path, ids=np.array(["a.jpg", "b.jpg"]))


@pytest.mark.parametrize(
    "box", [[50, 50, 9, 9], [-20, 5, 9, 9], [5, 40, 9, 9], [5, -9, 9, 9]], ids=str
)
def test_a_box_outside_its_image_marks_no_cell(tmp_path, box):
    image = {"id": 1, "file_name": "a.jpg", "width": 40, "height": 40}
    outside = {"id": 6, "image_id": 1, "category_id": 1, "bbox": box}
    content = with_coco(images=[image], annotations=[outside])
    path = written(tmp_path / "instances.json", content)
    assert not from_file(path, boxes=(2, 2)).masks(["person"]).any()


@pytest.mark.parametrize("boxes", [(True, True), (0, 2)], ids=str)
def test_what_is_no_grid_is_refused(tmp_path, boxes):
    path = written(tmp_path / "instances.json", COCO)
    with pytest.raises(ValueError, match="`boxes` must be the rows and columns"):
        from_file(path, boxes=boxes)


# What is unknown, and what is not sure.

LVIS_IMAGES: list[dict] = [
    {"id": 1, "file_name": "1.jpg", "neg_category_ids": [8]},
    {"id": 2, "file_name": "2.jpg", "neg_category_ids": [7]},
    {"id": 3, "file_name": "3.jpg", "neg_category_ids": [7],
     "not_exhaustive_category_ids": [8]},
]  # fmt: skip
LVIS = {
    "images": LVIS_IMAGES,
    "categories": [{"id": 7, "name": "person"}, {"id": 8, "name": "cat"}],
    "annotations": [{"id": 1, "image_id": 1, "category_id": 7}],
}


def test_what_is_not_annotated_everywhere_is_unknown(tmp_path):
    path = written(tmp_path / "lvis_v1_val.json", LVIS)
    # Of the cat in images 2 and 3 nothing is said.
    match = r"lvis_v1_val.json: 2 of 6 pairs .* are unknown.* such as 'person'\."
    with pytest.raises(ValueError, match=match):
        from_file(path)
    with pytest.warns(UserWarning, match="2 of 6 pairs"):
        warned = from_file(path, unknown="warn")
    read = from_file(path, unknown="absent")
    assert read.masks().tolist() == [[True, False], [False, False], [False, False]]
    assert warned.masks().tolist() == read.masks().tolist()


def test_a_category_that_is_known_of_every_image_needs_no_choice(tmp_path):
    images = [
        image | {"neg_category_ids": [8] if image["id"] == 1 else [7, 8]}
        for image in LVIS_IMAGES
    ]
    concepts = from_file(written(tmp_path / "all.json", {**LVIS, "images": images}))
    assert concepts.num_positives.tolist() == [1, 0]


def test_of_cells_a_category_in_part_annotated_is_unknown(tmp_path):
    image = {"id": 1, "file_name": "1.jpg", "height": 100, "width": 100,
             "neg_category_ids": [8], "not_exhaustive_category_ids": [7]}  # fmt: skip
    box = {"id": 1, "image_id": 1, "category_id": 7, "bbox": [0, 0, 10, 10]}
    path = written(
        tmp_path / "cells.json", {**LVIS, "images": [image], "annotations": [box]}
    )
    assert from_file(path).masks().tolist() == [[True, False]]
    with pytest.raises(ValueError, match="1 of 2 pairs"):
        from_file(path, boxes=(2, 2))


def test_a_category_cannot_be_there_and_verified_to_be_absent(tmp_path):
    images = [LVIS_IMAGES[0] | {"neg_category_ids": [7]}, *LVIS_IMAGES[1:]]
    path = written(tmp_path / "both.json", {**LVIS, "images": images})
    with pytest.raises(ValueError, match=r"1 pairs .* sample 0 and 'person'\. Mend"):
        from_file(path, unknown="absent")


@pytest.mark.parametrize("negative", [7, "7", [[7]], [None]])
def test_absences_that_are_no_list_of_categories_are_refused(tmp_path, negative):
    images = [LVIS_IMAGES[0] | {"neg_category_ids": negative}]
    path = written(tmp_path / "odd.json", {**LVIS, "images": images})
    with pytest.raises(ValueError, match="list of category ids as `neg_category_ids`"):
        from_file(path)


@pytest.mark.parametrize("key", ["score", "confidence"])
def test_annotations_below_a_confidence_do_not_count(tmp_path, key):
    scores = [0.0, 0.3, 0.7, 1.0]
    pairs = zip(with_coco()["annotations"], scores, strict=True)
    found = [annotation | {key: score} for annotation, score in pairs]
    path = written(tmp_path / "found.json", with_coco(annotations=found))
    # Of confidence 0 is the dog of c.jpg.
    assert from_file(path).num_positives[:3].tolist() == [1, 0, 1]
    assert from_file(path, min_confidence=0.5).num_positives[:3].tolist() == [0, 0, 1]
    assert from_file(path, min_confidence=2.0).num_positives[:3].tolist() == [0, 0, 0]


@pytest.mark.parametrize("value", [-0.1, float("nan")])
def test_a_confidence_that_is_no_number_from_0_is_refused(tmp_path, value):
    path = written(tmp_path / "coco.json", COCO)
    with pytest.raises(ValueError, match="`min_confidence` must be a number of at"):
        from_file(path, min_confidence=value)


@pytest.mark.parametrize(
    ("name", "value"),
    [("unknown", "absent"), ("unknown", "false"), ("min_confidence", 0.5)],
)
def test_what_is_for_coco_means_nothing_elsewhere(tmp_path, name, value):
    path = written(tmp_path / "tags.json", {"a": ["x"], "b": ["y"]})
    with pytest.raises(ValueError, match=f"`{name}` is for COCO"):
        from_file(path, **{name: value})


def test_an_unknown_way_to_read_the_unknown_is_refused(tmp_path):
    path = written(tmp_path / "coco.json", COCO)
    with pytest.raises(ValueError, match="`unknown` must be 'error', 'warn' or"):
        from_file(path, unknown="false")


def test_more_cells_than_a_search_takes_are_refused_before_they_are_made(tmp_path):
    path = written(tmp_path / "instances_val.json", COCO)
    with pytest.raises(ValueError, match=r"`boxes` must give at most 16,000,000 cells"):
        from_file(path, boxes=(32_767, 32_767))
