import csv
import dataclasses
import json
import re

import numpy as np
import pyarrow.parquet as pq
import pytest

import invert_jax as ij
from invert_jax import disk
from invert_jax.explanations.label_files import export
from tests.small_runs import QUIET, assert_same

NAMES = ("a|b", "<b>c</b>", '"quoted", `code`', "日本 🐙", "*star* _under_")


@pytest.fixture(scope="module")
def explanations():
    rng = np.random.default_rng(0)
    masks = rng.random((120, 5)) < 0.4
    values = np.column_stack([masks + rng.normal(size=(120, 5)), np.zeros(120)])
    concepts = ij.Concepts.from_masks(masks, NAMES)
    labels = ij.explain(
        values.astype(np.float32), concepts, max_length=2, beam_size=2,
        min_fraction=0.25, holdout=0.3, key=0, options=QUIET,
    )  # fmt: skip
    null = ij.null_distribution(concepts, labels, num_draws=19, key=0, options=QUIET)
    return labels.with_null(null)


def test_json_gives_the_same_explanations_again(explanations, tmp_path):
    export(explanations, tmp_path / "labels.json")
    again = ij.Explanations.load(tmp_path / "labels.json")
    assert_same(again, explanations)
    assert again.formulas[0] == explanations.formulas[0]
    np.testing.assert_array_equal(again.q_value, explanations.q_value)
    assert again.held_out is not None and explanations.held_out is not None
    np.testing.assert_array_equal(
        again.held_out.intervals, explanations.held_out.intervals
    )


def test_json_is_plain_rows_that_say_where_they_come_from(explanations, tmp_path):
    export(explanations, tmp_path / "labels.json")
    content = json.loads((tmp_path / "labels.json").read_text(encoding="utf-8"))
    assert (content["format"], content["version"]) == ("invert_jax labels", 3)
    assert content["settings"]["max_length"] == 2 and content["score"] == "AUROC"
    assert content["sources"] == explanations.sources and "jax" in content["versions"]
    assert content["concept_names"] == list(NAMES)
    best = [row["formula"] for row in content["labels"]]
    assert best == [
        None if first is None else str(first) for first, *_ in explanations.formulas
    ]
    assert content["labels"][5]["score"] is None
    assert content["neurons"][5]["status"] == "constant"
    last = [row for row in content["formulas"] if row["step"] == 2]
    of_second = [row["formula"] for row in last if row["neuron"] == 1]
    assert of_second == [str(formula) for formula in explanations.formulas[1]]
    for row in last:
        formula = ij.Formula.parse(row["formula"])
        assert set(formula.names) <= set(NAMES)


def test_the_layout_of_the_json_is_documented(explanations, tmp_path):
    export(explanations, tmp_path / "labels.json")
    content = json.loads((tmp_path / "labels.json").read_text(encoding="utf-8"))
    assert export.__doc__ is not None
    table = export.__doc__.split("anything reads:")[1].split("`Explanations.load`")[0]
    words = set(re.findall(r"\w+", table))
    assert set(content) <= words


def test_all_ranks_are_exported_if_asked_for(explanations, tmp_path):
    export(explanations, tmp_path / "labels.csv", all_ranks=True)
    with (tmp_path / "labels.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == (explanations.lengths[:, -1] > 0).sum()
    assert {row["rank"] for row in rows} == {"0", "1"}


def test_names_in_csv_are_as_they_are(explanations, tmp_path):
    names = ("=1+1", "+1", "-1", "@sum", 'a"b', "c,d")
    named = dataclasses.replace(explanations, neuron_names=names)
    export(named, tmp_path / "labels.csv")
    with (tmp_path / "labels.csv").open(encoding="utf-8", newline="") as file:
        assert tuple(row["name"] for row in csv.DictReader(file)) == names
    assert export.__doc__ is not None and "spreadsheets" in export.__doc__


def test_parquet_has_the_labels_and_the_run(explanations, tmp_path):
    export(explanations, tmp_path / "labels.parquet")
    table = pq.read_table(tmp_path / "labels.parquet")
    assert table.to_pylist() == explanations.to_arrow().to_pylist()
    run = json.loads(table.schema.metadata[b"invert_jax"])
    assert run["concept_names"] == list(NAMES)


def test_markdown_shows_names_as_they_are(explanations, tmp_path):
    export(explanations, tmp_path / "labels.md")
    lines = (tmp_path / "labels.md").read_text(encoding="utf-8").splitlines()
    rows = [line for line in lines if line.startswith("|")]
    assert rows[0] == (
        "| neuron | formula | AUROC | samples | log10 p "
        "| held out | 95 % | by length | AP | top 20 | q | notes | status |"
    )
    assert len(rows) == 2 + len(explanations)
    for row in rows:
        assert row.replace("\\|", "").count("|") == 14
    assert f" {explanations.scores[0, 0]:.4f} " in rows[2]
    assert "<b>" not in "\n".join(rows)


def test_no_neurons_are_saved_exported_and_loaded_again(explanations, tmp_path):
    none = explanations.take([])
    for suffix in ("parquet", "csv", "md", "json"):
        none.export(tmp_path / f"labels.{suffix}")
    none.save(tmp_path / "labels")
    for name in ("labels", "labels.json"):
        again = ij.Explanations.load(tmp_path / name)
        assert_same(again, none)
        assert again.tie_groups.shape == none.tie_groups.shape
        assert again.at_length(1).q_value.shape == (0,)
        assert again.held_out is not None
        assert again.held_out.scores_without.shape == (0, 2)
        assert again.coverage().undetected == none.coverage().names != ()
        assert len(ij.compare(again, none)) == 0
    with pytest.raises(ValueError, match="explained; got 0 of none"):
        none.unit(0)


def test_an_older_file_is_replaced_and_nothing_else_is_left(explanations, tmp_path):
    (tmp_path / "labels.md").write_text("old")
    export(explanations, tmp_path / "labels.md")
    assert [each.name for each in tmp_path.iterdir()] == ["labels.md"]


@pytest.mark.parametrize("name", ["labels.parquet", "labels.csv", "labels.md"])
def test_files_to_read_are_not_loaded_again(explanations, tmp_path, name):
    match = r"a folder written by `Explanations.save` or a \.json .* do not load again"
    with pytest.raises(ValueError, match=match):
        ij.Explanations.load(tmp_path / name)
    export(explanations, tmp_path / name)
    with pytest.raises(ValueError, match=match):
        ij.Explanations.load(str(tmp_path / name))


@pytest.mark.parametrize("name", ["labels.json", "labels.parquet"])
def test_no_folder_of_the_machine_is_shared(explanations, tmp_path, name):
    places = {
        "activations_at": str(tmp_path / "secret" / "acts.npy"),
        "concepts_at": "tfds:cifar10:test",
    }
    recorded = dataclasses.replace(explanations, sources=explanations.sources | places)
    export(recorded, tmp_path / name)
    content = (tmp_path / name).read_bytes()
    assert b"secret" not in content and str(tmp_path).encode() not in content
    assert b"acts.npy" in content and b"tfds:cifar10:test" in content


@pytest.mark.parametrize("name", ["labels", "labels.xlsx", "labels.json.gz"])
def test_an_unknown_format_is_refused(explanations, tmp_path, name):
    with pytest.raises(ValueError, match=r"must end in .parquet, .csv, .json or .md"):
        export(explanations, tmp_path / name)


def test_a_folder_is_no_file(explanations, tmp_path):
    (tmp_path / "a.json").mkdir()
    with pytest.raises(ValueError, match="`path` must be a file"):
        export(explanations, tmp_path / "a.json")


def test_other_json_is_refused(tmp_path):
    path = tmp_path / "labels.json"
    for text in ("{}", "[]", '"x"', '{"format": "GeoJSON"}'):
        path.write_text(text)
        with pytest.raises(
            ValueError, match=r"must hold invert_jax labels; .* does not"
        ):
            ij.Explanations.load(path)
    for text in ("{", "[" * 100_000):
        path.write_text(text)
        with pytest.raises(ValueError, match="must hold JSON"):
            ij.Explanations.load(path)
    path.write_bytes(b"\xff")
    with pytest.raises(ValueError, match="must hold JSON"):
        ij.Explanations.load(path)
    with pytest.raises(FileNotFoundError):
        ij.Explanations.load(tmp_path / "none.json")


def test_labels_of_0_1_0_are_refused_with_the_cure(tmp_path):
    path = tmp_path / "labels.json"
    path.write_text(json.dumps({"format": "invert_jax labels", "version": 1}))
    with pytest.raises(ValueError, match=r"of version 3; .* of version 1\. Explain"):
        ij.Explanations.load(path)


def without(key):
    return lambda content: content.pop(key)


def with_cell(table, name, value):
    return lambda content: content[table][1].update({name: value})


@pytest.mark.parametrize(
    "damage",
    [
        without("settings"),
        without("formulas"),
        without("held_out_samples"),
        lambda content: content["settings"].pop("sign"),
        lambda content: content["settings"].update(beam_size=2**70),
        lambda content: content["neurons"].pop(),
        lambda content: content["neurons"][1].pop("tie_sum"),
        lambda content: content["formulas"][1].pop("sum"),
        lambda content: content.update(neurons=None),
        lambda content: content.update(null="0.05"),
        lambda content: content.update(num_samples="7 or so"),
        lambda content: content.update(concept_names=["a"] * 5),
        lambda content: content.update(num_samples=-5),
        lambda content: content.update(num_samples=0),
        lambda content: content.update(num_samples=83.7),
        lambda content: content.update(num_samples="84"),
        lambda content: content.update(num_samples=True),
        lambda content: content.update(num_samples=83),
        lambda content: content.update(num_samples=10**400),
        lambda content: content.update(num_samples=20_000_000),
        lambda content: content.update(layer=7),
        lambda content: content.update(layer="caf\udce9"),
        lambda content: content.update(left_out=["another"]),
        lambda content: content.update(synonyms={NAMES[0]: ["another"]}),
        lambda content: content["null"].update(alpha=2.0),
        lambda content: content["null"].update(num_draws=0),
        lambda content: content["settings"].update(beam_size=1024, max_length=31),
        lambda content: content["settings"].update(min_fraction=1e999),
        lambda content: content["samples"].pop(),
        lambda content: content["samples"].reverse() or content["samples"].pop(),
        with_cell("formulas", "num_positives", 84),
        with_cell("formulas", "num_positives", 0),
        with_cell("formulas", "sum", 10_000),
        with_cell("neurons", "tie_groups", [80, 5]),
        with_cell("neurons", "name", 7),
        with_cell("formulas", "literals", [99]),
        with_cell("formulas", "literals", [-4]),
        with_cell("formulas", "literals", "ab"),
        with_cell("formulas", "position", 6),
        with_cell("formulas", "step", 0),
        with_cell("formulas", "rank", 2),
        with_cell("formulas", "sum", 2**70),
        with_cell("neurons", "p_search", [0.5]),
        with_cell("neurons", "held_out_sums_without", [1]),
    ],
)
def test_damaged_json_is_refused(explanations, tmp_path, damage):
    path = tmp_path / "labels.json"
    export(explanations, path)
    content = json.loads(path.read_text(encoding="utf-8"))
    del content["digest"]
    damage(content)
    path.write_text(json.dumps(disk.sealed(content)))
    with pytest.raises(
        ValueError, match=r"`path` must hold whole labels; .* is damaged"
    ):
        ij.Explanations.load(path)


@pytest.mark.parametrize("text", ['"layer": "b"', '"settings": {}'])
def test_json_with_a_key_twice_is_refused(explanations, tmp_path, text):
    path = tmp_path / "labels.json"
    export(explanations, path)
    whole = path.read_text(encoding="utf-8")
    path.write_text(whole.replace("{", "{" + text + ", ", 1), encoding="utf-8")
    with pytest.raises(ValueError, match="keys of an object must be unique; got more"):
        ij.Explanations.load(path)


@pytest.mark.parametrize("depth", [100, 900, 990, 5000])
def test_json_of_any_depth_is_refused_in_our_words(tmp_path, depth):
    path = tmp_path / "labels.json"
    deep = "[" * depth + "]" * depth
    path.write_text(f'{{"format": "invert_jax labels", "version": 2, "layer": {deep}}}')
    with pytest.raises(ValueError, match="`path` must hold"):
        ij.Explanations.load(path)


@pytest.mark.parametrize(
    "change",
    [
        lambda content: content.update(formulas=[]),
        lambda content: content.update(num_samples=83),
        lambda content: content.update(digest=None),
        without("digest"),
        without("versions"),
        lambda content: content["concept_names"].reverse(),
        with_cell("labels", "score", 1.0),
        with_cell("neurons", "p_search", [0.0, 0.0]),
        with_cell("formulas", "formula", "b"),
        with_cell("formulas", "sum", 0),
    ],
)
def test_json_that_was_changed_is_refused(explanations, tmp_path, change):
    path = tmp_path / "labels.json"
    export(explanations, path)
    content = json.loads(path.read_text(encoding="utf-8"))
    change(content)
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=r"was changed since it was .* Write it again"):
        ij.Explanations.load(path)


def test_json_may_be_laid_out_otherwise(explanations, tmp_path):
    path = tmp_path / "labels.json"
    export(explanations, path)
    content = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(content, indent=4, sort_keys=True))
    assert_same(ij.Explanations.load(path), explanations)
