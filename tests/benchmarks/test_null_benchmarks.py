"""The benchmarks of nulls and planted truths run as real processes, tiny."""

import json
import os
import re
import subprocess
import sys

import pytest

from tests.repository import ROOT


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


def test_bench_truth_finds_strong_formulas_and_leaves_noise_alone(tmp_path):
    out = tmp_path / "truth.jsonl"
    sizes = ("--samples", 2000, "--neurons", 24, "--draws", 300, "--every", 14)
    printed = run("bench_truth.py", *sizes, "--out", out)
    (record,) = [json.loads(line) for line in out.read_text().splitlines()]
    weak, strong, sparse = record["results"].values()
    assert strong["power"] > 0.8 and strong["as good"] > 0.9
    assert weak["same"] <= strong["same"] <= strong["as good"]
    for result in (weak, strong, sparse):
        assert result["noise labeled"] <= 0.2
        assert result["optimism of noise"] > 0.05
    assert "sparse latent" in printed
    (row,) = [line for line in run("report.py", out).splitlines() if "sparse" in line]
    assert f"{sparse['power']:.1%}" in row and f"{sparse['auroc']:.3f}" in row


def test_bench_counts_judges_many_patterns_by_few_nulls(tmp_path):
    out = tmp_path / "counts.jsonl"
    sizes = ("--samples", 500, "--neurons", 200, "--draws", 199, "--every", 7)
    run("bench_counts.py", *sizes, "--out", out)
    (record,) = [json.loads(line) for line in out.read_text().splitlines()]
    assert len(record["results"]) == 2
    for result in record["results"].values():
        assert result["patterns"] > 64 > 4 > result["nulls"]
        assert result["p <= 0.05"] < 0.15
    assert "| poisson, mean 1, negative" in run("report.py", out)


def test_recorded_nulls_and_truths_are_shown_as_tables():
    results = ROOT / "benchmarks" / "results"
    paths = [results / "null.jsonl", results / "truth.jsonl"]
    records = [
        json.loads(line) for path in paths for line in path.read_text().splitlines()
    ]
    printed = run("report.py", *paths)
    headings = [line for line in printed.splitlines() if line.startswith("### ")]
    assert len(headings) == len(records)
    assert printed.count("\n| --") == len(records)
    kinds = {record["benchmark"]: record for record in records}
    assert set(kinds) == {"null cost", "null level", "null figure", "truth"}
    cost, level = kinds["null cost"], kinds["null level"]["levels"]["90.00% zeros"]
    assert f"Null over explain: {cost['ratio']:.2f} by the clock" in printed
    rows = [line for line in printed.splitlines() if line.startswith("| 90.00% zeros")]
    assert any(f" {level['level']:.1%} " in row for row in rows)


def test_what_was_recorded_of_nulls_is_what_is_claimed():
    lines = (ROOT / "benchmarks/results/null.jsonl").read_text().splitlines()
    kinds: dict[str, list] = {}
    for record in map(json.loads, lines):
        kinds.setdefault(record["benchmark"], []).append(record)
    assert all(record["ratio cpu"] < 1.5 for record in kinds["null cost"])
    for record in kinds["null level"]:
        levels = [found["level"] for found in record["levels"].values()]
        assert max(levels) <= record["alpha"] + 3 * record["error"]
    for record in kinds["null figure"]:
        for found in record["kinds"].values():
            assert found["level"]["textbook"] > 0.99
            assert abs(found["level"]["p_search"] - 0.05) <= 3 * record["error"]


@pytest.mark.slow
def test_bench_null_measures_the_level_on_both_tables(tmp_path):
    out = tmp_path / "null.jsonl"
    sizes = ("--samples", 600, "--neurons", 40, "--draws", 60)
    run("bench_null.py", "level", *sizes, "--out", out)
    records = [json.loads(line) for line in out.read_text().splitlines()]
    assert [record["case"] for record in records] == ["nested", "hostile"]
    for record in records:
        assert len(record["levels"]) == 18
        levels = [each["level"] for each in record["levels"].values()]
        assert max(levels) < 0.05 + 4 * record["error"]


@pytest.mark.slow
def test_bench_null_compares_the_null_with_explaining(tmp_path):
    out = tmp_path / "cost.jsonl"
    run("bench_null.py", "cost", "--samples", 5000, "--draws", 40, "--out", out)
    (record,) = [json.loads(line) for line in out.read_text().splitlines()]
    assert record["num_concepts"] == 1472 and record["num_patterns"] == 1
    assert record["ratio"] > 0


def test_the_figure_is_drawn_from_what_is_printed(tmp_path):
    pytest.importorskip("matplotlib")
    path = tmp_path / "images" / "null.svg"
    out = tmp_path / "figure.jsonl"
    printed = run("figure_null.py", path, "--draws", 40, "--out", out)
    medians = [float(number) for number in re.findall(r"median (0\.\d+)", printed)]
    # The untied null lies highest; most zeros lowest.
    assert medians == sorted(medians, reverse=True)
    assert printed.count("textbook 100.0%") == 3
    assert path.read_text().startswith("<?xml")
    (record,) = [json.loads(line) for line in out.read_text().splitlines()]
    scores = [found["best score"]["50 %"] for found in record["kinds"].values()]
    assert [round(score, 3) for score in scores] == medians
