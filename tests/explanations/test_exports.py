import base64
import csv
import dataclasses
import json
import re
from importlib import resources

import numpy as np
import pyarrow.parquet as pq
import pytest

import invert_jax as ij
from invert_jax.explanations import on_disk
from invert_jax.explanations.exports import export
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


def test_json_says_where_the_labels_come_from(explanations, tmp_path):
    export(explanations, tmp_path / "labels.json")
    content = json.loads((tmp_path / "labels.json").read_text(encoding="utf-8"))
    assert set(content) == {"format", "version", "run", "labels", "files"}
    run = content["run"]
    assert run["settings"]["max_length"] == 2
    assert run["sources"] == explanations.sources
    assert "jax" in run["versions"]
    assert [row["formula"] for row in content["labels"]] == [
        None if best is None else str(best) for best, *_ in explanations.formulas
    ]
    assert content["labels"][5]["score"] is None
    assert content["labels"][5]["status"] == "constant"


def test_all_ranks_are_exported_if_asked_for(explanations, tmp_path):
    export(explanations, tmp_path / "labels.csv", all_ranks=True)
    with (tmp_path / "labels.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == (explanations.lengths[:, -1] > 0).sum()
    assert {row["rank"] for row in rows} == {"0", "1"}


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
        "| neuron | formula | score | samples | held out | from | to | q | status |"
    )
    assert len(rows) == 2 + len(explanations)
    for row in rows:
        assert row.replace("\\|", "").count("|") == 10
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
    for text in ("{}", "[]", '"x"', json.dumps({"format": "invert_jax labels"})):
        path.write_text(text)
        with pytest.raises(ValueError, match="must be a JSON file of"):
            ij.Explanations.load(path)
    path.write_text("{")
    with pytest.raises(ValueError, match="must hold JSON"):
        ij.Explanations.load(path)
    with pytest.raises(FileNotFoundError):
        ij.Explanations.load(tmp_path / "none.json")


@pytest.mark.parametrize(
    "change",
    [
        {"files": {"../evil.parquet": "AAAA"}},
        {"files": {"explanations.json": "AAAA"}},
        {"files": {"neurons.parquet": "not base64"}},
        {"files": None},
        {"run": None},
        {"files": {}},
        {"files": {"neurons.parquet": base64.b64encode(b"x").decode()}},
    ],
)
def test_damaged_or_malicious_json_is_refused(explanations, tmp_path, change):
    path = tmp_path / "labels.json"
    export(explanations, path)
    content = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(content | change))
    with pytest.raises(ValueError, match="`path` must"):
        ij.Explanations.load(path)
    assert [each.name for each in tmp_path.iterdir()] == ["labels.json"]


@pytest.mark.parametrize("key", ["max_length", "sign", "num_literals"])
def test_json_without_a_setting_is_refused(explanations, tmp_path, key):
    path = tmp_path / "labels.json"
    export(explanations, path)
    content = json.loads(path.read_text(encoding="utf-8"))
    del content["run"]["settings"][key]
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=rf"no `run\.settings\.{key}`, which labels"):
        ij.Explanations.load(path)
    del content["run"]["settings"]
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=r"no `run\.settings`"):
        ij.Explanations.load(path)


def test_the_files_in_json_are_those_of_save(explanations, tmp_path):
    export(explanations, tmp_path / "labels.json")
    content = json.loads((tmp_path / "labels.json").read_text(encoding="utf-8"))
    assert set(content["files"]) <= set(on_disk.OURS)


TYPES = {
    "object": dict, "array": list, "string": str, "boolean": bool, "integer": int,
    "number": int | float, "null": type(None),
}  # fmt: skip


def faults(value, schema, at="$"):
    """What of a value is not as its JSON schema says: of the words that ours uses."""
    kinds = schema.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if kinds and not any(isinstance(value, TYPES[kind]) for kind in kinds):
        return [f"{at} is no {kinds}"]
    if "const" in schema and value != schema["const"]:
        return [f"{at} is not {schema['const']}"]
    if "enum" in schema and value not in schema["enum"]:
        return [f"{at} is none of {schema['enum']}"]
    found = []
    if isinstance(value, dict):
        known = schema.get("properties", {})
        rest = schema.get("additionalProperties", True)
        found += [
            f"{at}.{n} lacks" for n in schema.get("required", []) if n not in value
        ]
        patterns = schema.get("patternProperties", {})
        for name, each in value.items():
            fitting = [inner for key, inner in patterns.items() if re.search(key, name)]
            inner = known.get(name, fitting[0] if fitting else rest)
            if inner is False:
                found.append(f"{at}.{name} is not in the schema")
            elif inner is not True:
                found += faults(each, inner, f"{at}.{name}")
    if isinstance(value, list) and "items" in schema:
        for place, each in enumerate(value):
            found += faults(each, schema["items"], f"{at}[{place}]")
    return found


@pytest.mark.parametrize("all_ranks", [False, True])
def test_json_is_as_its_schema_says(explanations, tmp_path, all_ranks):
    text = resources.files("invert_jax").joinpath("labels.schema.json").read_text()
    schema = json.loads(text)
    export(explanations, tmp_path / "labels.json", all_ranks=all_ranks)
    content = json.loads((tmp_path / "labels.json").read_text(encoding="utf-8"))
    assert faults(content, schema) == []
    written = set().union(*content["labels"])
    row = schema["properties"]["labels"]["items"]
    (pattern,) = row["patternProperties"]
    numbered = {name for name in written if re.search(pattern, name)}
    assert len(numbered) == explanations.max_length
    listed = set(row["properties"])
    assert written - numbered | {"rank"} == listed, "all columns are documented"
    content["labels"][0]["score"] = "high"
    assert faults(content, schema) == ["$.labels[0].score is no ['number', 'null']"]
