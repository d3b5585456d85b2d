"""The benchmarks run as real processes, tiny, and report what was checked."""

import json
import os
import shutil
import subprocess
import sys

import pytest

from tests.repository import ROOT

TINY = (
    "--samples 400 --neurons 6 --classes 24 --groups 10 --attributes 7 --slice 6 "
    "--calls 2 --repeats 2"
).split()


def run(script, *arguments):
    """What a script prints, as a process of its own."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    done = subprocess.run(
        [sys.executable, ROOT / "benchmarks" / script, *map(str, arguments)],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": path},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def records(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture(scope="module")
def layer(tmp_path_factory):
    """The printed tables and the JSON lines of both cases."""
    out = tmp_path_factory.mktemp("layer") / "results" / "layer.jsonl"
    return run("bench_layer.py", *TINY, "--out", out), out


def test_bench_layer_appends_a_line_per_case_and_prints_its_tables(layer):
    printed, out = layer
    nested, hostile = records(out)
    assert (nested["case"], hostile["case"]) == ("nested", "hostile")
    assert nested["num_rows"] == 24 and nested["num_searched"] == 33
    assert hostile["num_rows"] > 24 and hostile["num_concepts"] == 7
    assert "### nested" in printed and "### hostile" in printed
    assert run("report.py", out).strip() == printed.strip()


@pytest.mark.parametrize("case", [0, 1], ids=["nested", "hostile"])
def test_bench_layer_compares_every_formula_with_plain_numpy(layer, case):
    record = records(layer[1])[case]
    assert record["same_answers"] is True
    # 6 neurons, 3 lengths, 3 formulas each.
    assert record["formulas_compared"] == 54
    assert record["num_labeled"] == 6
    assert 0.5 < record["mean_best_score"] < 1


def test_bench_layer_tells_all_that_the_goals_need(layer):
    nested, hostile = records(layer[1])
    assert set(nested["goals"]) < set(nested["ratios"])
    assert hostile["goals"] == {}
    for name in ("a", "b", "c", "d", "a: compile, once", "d: argsort"):
        timing = nested["seconds"][name]
        assert set(timing) == {"wall", "cpu", "spread", "repeats"}
    assert nested["seconds"]["a"]["repeats"] == 2
    assert nested["peak_beyond_activations"] > nested["libraries"] > 0
    assert nested["versions"]["jax"] and nested["device"]
    # One candidate per concept, then four kinds for each of two beams of three.
    assert nested["num_candidates"] == 6 * 34 * (1 + 2 * 3 * 4)


def test_bench_layer_stops_when_answers_differ(tmp_path):
    """The check is real: with one score changed by a bit the script fails."""
    script = tmp_path / "wrong.py"
    script.write_text(
        "import sys\n"
        "sys.argv = ['bench_layer.py', *sys.argv[1:], '--case', 'nested']\n"
        f"sys.path.insert(0, {str(ROOT / 'benchmarks')!r})\n"
        "import bench_layer, numpy, plain_numpy\n"
        "auroc = plain_numpy.auroc\n"
        "plain_numpy.auroc = lambda member: numpy.nextafter(auroc(member), 2)\n"
        "bench_layer.main()\n"
    )
    with pytest.raises(AssertionError, match=r"neuron 0, length 1: got .*, not"):
        run(script, *TINY)


def test_bench_scaling_relates_each_time_to_the_smallest_size(tmp_path):
    out = tmp_path / "scaling.jsonl"
    sizes = "--neurons 4 8 --samples 200 400 --classes 12 --groups 5 --repeats 1"
    printed = run("bench_scaling.py", *sizes.split(), "--out", out)
    (record,) = records(out)
    assert [run["size"] for run in record["runs"]["neurons"]] == [4, 8]
    assert [run["size"] for run in record["runs"]["samples"]] == [200, 400]
    for of_axis in record["runs"].values():
        assert of_axis[0]["growth"] == of_axis[0]["growth_cpu"] == 1
        assert all(0.5 < run["mean_best_score"] < 1 for run in of_axis)
    assert "N log N" in printed
    assert run("report.py", out).strip() == printed.strip()


def test_bench_concepts_reads_the_same_in_every_way(tmp_path):
    out = tmp_path / "concepts.jsonl"
    words = "--num-examples 150 --image-size 8 --repeats 1 --workers 2".split()
    printed = run("bench_concepts.py", *words, "--out", out)
    (record,) = records(out)
    assert record["same_answers"] is True
    for rates in ("examples_per_second", "examples_per_cpu_second"):
        of_formats = record[rates]
        assert list(of_formats) == ["array_record", "parquet", "tfrecord"]
        assert len(of_formats["parquet"]) == 4 and len(of_formats["tfrecord"]) == 2
        assert all(rate > 0 for each in of_formats.values() for rate in each.values())
    rate = record["examples_per_second"]["parquet"]["from_tfds"]
    assert f"{rate:,}" in printed


def test_bench_start_tells_compiling_from_running_and_reads_the_cache(tmp_path):
    out = tmp_path / "start.jsonl"
    words = "--door explain --door command --size small --pairs 1".split()
    printed = run("bench_start.py", *words, "--out", out)
    (record,) = records(out)
    cold, cached, _, command = record["runs"]
    assert (cold["cached"], cached["cached"]) == (False, True)
    for found in (cold, cached):
        seconds = {step: of["wall"] for step, of in found["seconds"]["new"].items()}
        assert seconds["first: trace"] > 0 and seconds["first: lower"] > 0
        parts = ("both imports", "first: trace + lower + compile", "second: call")
        whole = sum(seconds[part] for part in (*parts, "everything else"))
        assert whole == pytest.approx(seconds["to the first answer"])
        again = found["counts"]["new"]["second"]
        assert again.pop("MiB") > 100
        assert again == {"programs": 0, "long": 0, "read": 0}
        assert found["ratios"] == {}
    counts = [of["counts"]["new"]["first"] for of in (cold, cached)]
    assert counts[0]["programs"] == counts[1]["read"] > 0
    assert counts[0]["read"] == counts[1]["programs"] == 0
    assert command["counts"]["new"]["first"]["programs"] == 0
    (extra,) = command["goals"].values()
    assert 0 < extra["wall"] < command["seconds"]["new"]["first: call"]["wall"]
    assert "≤ 2.5" in printed and str(tmp_path) not in out.read_text()
    assert run("report.py", out).strip() == printed.strip()


def test_bench_page_opens_a_page_in_a_browser_and_scrolls_it(tmp_path):
    pytest.importorskip("selenium")
    if not (shutil.which("chromedriver") and shutil.which("chromium")):
        pytest.skip("needs Debian's chromium and chromium-driver")
    out = tmp_path / "page.jsonl"
    few = "--units 60 --samples 2000 --repeats 1".split()
    printed = run("bench_page.py", *few, "--out", out)
    (record,) = records(out)
    assert record["num_units"] == 60 and "60 units" in printed
    assert 0 < record["open"]["wall"] < 20
    assert 0 < record["frame"]["median"] <= record["frame"]["p95"]
