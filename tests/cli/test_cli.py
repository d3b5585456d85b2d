"""The command line, run as a user runs it."""

import subprocess
import sys

import numpy as np
import pyarrow.csv
import pyarrow.parquet
import pytest

import invert_jax as ij
from invert_jax import Explanations
from invert_jax.cli import main
from invert_jax.engine.folders import moved_place, record_places, recorded_place

NAMES = ("cat", "dog", "outdoors", "night")


@pytest.fixture
def files(tmp_path, rng):
    """Activations and concepts on disk; neuron k detects concept k."""
    masks = rng.random((400, len(NAMES))) < 0.3
    activations = masks[:, :3] + 0.2 * rng.normal(size=(400, 3))
    np.save(tmp_path / "acts.npy", activations.astype(np.float32))
    rows = [",".join(map(str, row)) for row in masks.astype(int)]
    (tmp_path / "masks.csv").write_text("\n".join((",".join(NAMES), *rows)))
    np.savez(tmp_path / "masks.npz", masks=masks, names=np.array(NAMES))
    table = pyarrow.table(dict(zip(NAMES, masks.T, strict=True)))
    pyarrow.parquet.write_table(table, tmp_path / "masks.parquet")
    return tmp_path


def explain(files, *words):
    """Run `invert-jax explain` on the files, in this process."""
    output = str(files / "labels")
    fixed = ["explain", str(files / "acts.npy"), "-o", output, "-q"]
    return main([*fixed, "--min-fraction", "0.05", *words])


@pytest.mark.parametrize("concepts", ["masks.csv", "masks.npz", "masks.parquet"])
def test_explain_writes_labels_that_can_be_loaded(files, concepts, capsys):
    assert explain(files, str(files / concepts), "--max-length", "1") == 0

    explanations = Explanations.load(files / "labels")
    found = [str(formulas[0]) for formulas in explanations.formulas]
    assert found == ["cat", "dog", "outdoors"]
    assert explanations.settings.max_length == 1
    table = pyarrow.csv.read_csv(files / "labels" / "labels.csv").to_pydict()
    assert table["formula"] == found
    assert table["score"] == explanations.scores[:, 0].tolist()
    assert "dog" in capsys.readouterr().out


def test_each_setting_reaches_the_search(files):
    words = "--max-length 2 --beam-size 2 --max-fraction 0.4 --sign negative"
    words += " --num-literals 4 --neurons 2,0"
    assert explain(files, str(files / "masks.csv"), *words.split()) == 0

    explanations = Explanations.load(files / "labels")
    settings = explanations.settings
    assert (settings.max_length, settings.beam_size) == (2, 2)
    assert (settings.min_fraction, settings.max_fraction) == (0.05, 0.4)
    assert (settings.sign, settings.num_literals) == ("negative", 4)
    assert explanations.neurons.tolist() == [2, 0]


def test_samples_may_be_held_out_to_judge_the_formulas(files, capsys):
    words = "--max-length 1 --holdout 0.25 --key 3".split()
    assert explain(files, str(files / "masks.csv"), *words) == 0

    explanations = Explanations.load(files / "labels")
    assert explanations.num_samples == 300 and explanations.held_out is not None
    assert (explanations.held_out.scores[:, 0] > 0.9).all()
    assert "held out" in capsys.readouterr().out
    expected = ij.explain(
        np.load(files / "acts.npy"), ij.concepts.from_file(files / "masks.csv"),
        max_length=1, min_fraction=0.05, holdout=0.25, key=3,
        options=ij.Options(progress=False),
    )  # fmt: skip
    assert expected.held_out is not None
    np.testing.assert_array_equal(
        explanations.held_out.scores, expected.held_out.scores
    )


def test_the_simplest_labels_are_printed_and_written(files, capsys):
    words = "--max-length 3 --holdout 0.5 --precision-at 10".split()
    assert explain(files, str(files / "masks.csv"), *words) == 0
    longest = Explanations.load(files / "labels")
    assert "longest" not in capsys.readouterr().out

    assert explain(files, str(files / "masks.csv"), *words, "--simplest") == 0
    simple = Explanations.load(files / "labels")
    assert [str(formulas[0]) for formulas in simple.formulas] == list(NAMES[:3])
    printed = capsys.readouterr().out
    assert "top 10" in printed and "AP" in printed
    wanted = longest.simplest()
    assert list(map(str, simple.formulas)) == list(map(str, wanted.formulas))
    assert simple.panel is not None and wanted.panel is not None
    np.testing.assert_array_equal(simple.panel.values, wanted.panel.values)
    table = pyarrow.csv.read_csv(files / "labels" / "labels.csv").to_pydict()
    assert "longest_formula" in table and "held_out_precision_at_10" in table
    page = files / "page.html"
    assert main(["report", str(files / "labels"), "-o", str(page), "-q"]) == 0


def test_the_simplest_are_chosen_as_was_said(files):
    masks = str(files / "masks.csv")
    words = ["--max-length", "3", "--simplest"]
    assert explain(files, masks, *words, "--tolerance", "1") == 0
    labels = Explanations.load(files / "labels")
    assert labels.lengths[:, -1, 0].tolist() == [1, 1, 1] and labels.panel is None

    assert explain(files, masks, *words, "--metric", "average_precision") == 0
    labels = Explanations.load(files / "labels")
    wanted = labels.simplest(metric="average_precision")
    np.testing.assert_array_equal(labels.literals, wanted.literals)

    assert explain(files, masks, "--max-length", "1", "--panel") == 0
    panel = Explanations.load(files / "labels").panel
    assert panel is not None and panel.num_samples == 400


def test_concepts_may_be_given_as_an_option(files):
    words = ("--concepts", str(files / "masks.csv"), "--max-length", "1")
    assert explain(files, *words) == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("missing.csv",), "missing.csv"),
        ((), "CONCEPTS must be given once"),
        (("masks.csv", "--min-fraction", "2"), "`min_fraction` must be in"),
        (("masks.csv", "--neurons", "a"), "--neurons must be whole numbers"),
        (("masks.csv", "--neurons", "7"), "`neurons` must be in"),
        (("masks.csv", "--holdout", "1"), "`holdout` must be"),
        (("masks.csv", "--simplest", "--tolerance", "2"), "`tolerance` must be in"),
        (("masks.csv", "--metric", "f1"), "--metric says how to choose by --simplest"),
        (("masks.csv", "--precision-at", "0"), "`precision_at` must be"),
        (("tfds:cifar10",), "a split, as tfds:cifar10:test"),
        (("imagenet:none.npy",), "none.npy does not exist"),
    ],
)
def test_a_wrong_call_is_one_sentence_and_status_2(files, words, message, capsys):
    full = [
        str(files / word) if word.startswith(("masks", "missing")) else word
        for word in words
    ]

    assert explain(files, *full) == 2

    error = " ".join(capsys.readouterr().err.split())
    assert message in error
    assert "Traceback" not in error
    assert not (files / "labels").exists()


def test_few_positives_are_warned_of_in_a_sentence(files, capsys):
    words = (str(files / "masks.csv"), "--min-fraction", "0", "--max-length", "1")
    assert explain(files, *words) == 0
    error = " ".join(capsys.readouterr().err.split())
    assert error.startswith("invert-jax: warning: a formula may hold on as few as 1")
    assert "min_fraction=0.05 asks for 20" in error


def test_damaged_activations_are_refused(files, capsys):
    path = files / "acts.npy"
    path.write_bytes(path.read_bytes()[:60])
    assert explain(files, str(files / "masks.csv")) == 2
    assert "cut short, damaged or pickled" in " ".join(capsys.readouterr().err.split())


def test_pickled_activations_are_refused(files, capsys):
    np.save(files / "acts.npy", np.array([[{}, 1]]), allow_pickle=True)
    assert explain(files, str(files / "masks.csv")) == 2
    assert "cut short, damaged or pickled" in " ".join(capsys.readouterr().err.split())


def test_an_npz_of_layers_gives_a_folder_per_layer(files):
    acts = np.load(files / "acts.npy")
    np.savez(files / "acts.npz", **{"block/a": acts[:, :1], "block/b": acts[:, 1:]})
    words = ["explain", str(files / "acts.npz"), str(files / "masks.csv"), "-q"]
    words += ["-o", str(files / "labels"), "--min-fraction", "0.05"]
    assert main([*words, "--max-length", "1"]) == 0
    folders = sorted(each.name for each in (files / "labels").iterdir())
    assert folders == ["block.a", "block.b"]
    assert Explanations.load(files / "labels" / "block.b").num_neurons == 2


def test_report_finds_what_was_explained(files, capsys):
    assert explain(files, str(files / "masks.csv"), "--max-length", "1") == 0
    page = files / "page.html"
    assert main(["report", str(files / "labels"), "-o", str(page), "-q"]) == 0
    whole = page.read_text(encoding="utf-8")

    (files / "acts.npy").unlink()
    assert main(["report", str(files / "labels"), "-o", str(page), "-q"]) == 0
    without = page.read_text(encoding="utf-8")

    assert "outdoors" in whole and "outdoors" in without
    assert len(without) < len(whole)


def test_what_has_moved_is_said_and_found_by_its_option(files, capsys):
    assert explain(files, str(files / "masks.csv"), "--max-length", "1") == 0
    labels, page = str(files / "labels"), str(files / "page.html")
    acts, masks = files / "moved.npy", files / "moved.csv"
    (files / "acts.npy").rename(acts)
    (files / "masks.csv").rename(masks)
    words = ["report", labels, "-o", page, "-q"]
    capsys.readouterr()

    assert main(words) == 0
    printed = " ".join(capsys.readouterr().err.split())
    for what, name in (("activations", "acts.npy"), ("concepts", "masks.csv")):
        was = f"the {what} are not where they were, {(files / name).resolve()}, and"
        assert was in printed and f"--{what} names them" in printed
    assert main(["compare", labels, labels]) == 0
    assert "the concepts are not where they were" in capsys.readouterr().err

    options = ["--activations", str(acts), "--concepts", str(masks)]
    assert main([*words, *options]) == 0
    assert capsys.readouterr().err == ""


def test_a_result_is_written_once_with_where_its_inputs_are(files, monkeypatch):
    saved = []

    def save(explanations, folder):
        saved.append(explanations.sources)

    monkeypatch.setattr(Explanations, "save", save)
    assert explain(files, str(files / "masks.csv"), "--max-length", "1") == 0
    (sources,) = saved
    assert sources["concepts_at"] == str((files / "masks.csv").resolve())


def test_addresses_of_inputs_are_recorded_as_they_are(files):
    assert explain(files, str(files / "masks.csv"), "--max-length", "1") == 0
    given = {"activations": "gs://bucket/acts", "concepts": "imagenet:validation"}
    labels = Explanations.load(files / "labels")
    record_places(labels, str(files / "labels"), **given)
    labels = Explanations.load(files / "labels")
    for name, place in given.items():
        assert recorded_place(labels, f"{name}_at") == place
        assert moved_place(labels, f"{name}_at") is None


def test_report_of_no_results_is_refused(files, capsys):
    assert main(["report", str(files), "-o", str(files / "page.html")]) == 2
    assert "that `invert-jax explain -o` wrote" in capsys.readouterr().err


def test_compare_says_what_became_of_the_labels(files, capsys):
    assert explain(files, str(files / "masks.csv"), "--max-length", "1") == 0
    (files / "labels").rename(files / "before")
    acts = np.load(files / "acts.npy")
    np.save(files / "acts.npy", acts[:, [0, 2, 1]])
    assert explain(files, str(files / "masks.csv"), "--max-length", "1") == 0
    words = [str(files / "before"), str(files / "labels")]
    capsys.readouterr()

    assert main(["compare", *words, "-o", str(files / "changed.csv")]) == 0

    assert "changed" in capsys.readouterr().out
    assert pyarrow.csv.read_csv(files / "changed.csv").num_rows == 3


def test_a_report_compares_with_an_earlier_run(files, capsys):
    assert explain(files, str(files / "masks.csv"), "--max-length", "1") == 0
    (files / "labels").rename(files / "before")
    np.save(files / "acts.npy", np.load(files / "acts.npy")[:, [0, 2, 1]])
    assert explain(files, str(files / "masks.csv"), "--max-length", "1") == 0
    words = ["report", str(files / "labels"), "-o", str(files / "page.html"), "-q"]

    assert main([*words, "--compare", str(files / "before")]) == 0

    page = (files / "page.html").read_text(encoding="utf-8")
    section = page[page.index('<section class="comparison"') :]
    assert "<bdi>before</bdi> \u2192 <bdi>labels</bdi>" in section
    assert section.count("<bdi>changed</bdi></td>") == 2
    assert section.count('href="#unit-') == 3
    assert main([*words, "--compare", str(files / "nowhere")]) == 2
    assert "that `invert-jax explain -o` wrote" in capsys.readouterr().err


def test_compare_refuses_an_unknown_kind_of_file(files, capsys):
    assert explain(files, str(files / "masks.csv"), "--max-length", "1") == 0
    labels = str(files / "labels")
    capsys.readouterr()
    assert main(["compare", labels, labels, "-o", "changed.doc"]) == 2
    printed = capsys.readouterr()
    assert "must end in .csv, .parquet or .html" in printed.err
    assert printed.out == ""


@pytest.fixture
def with_noise(files, rng):
    """Labels of three neurons with a meaning and one without."""
    noise = rng.normal(size=(400, 1)).astype(np.float32)
    np.save(files / "acts.npy", np.hstack([np.load(files / "acts.npy"), noise]))
    assert explain(files, str(files / "masks.csv"), "--max-length", "1") == 0
    return files


def test_null_tells_the_labels_of_a_folder_from_chance(with_noise, capsys):
    labels = with_noise / "labels"
    before = Explanations.load(labels)
    capsys.readouterr()

    words = ["null", str(labels), "--draws", "99", "--key", "3", "-q"]
    assert main([*words, "--keep", str(with_noise / "draws")]) == 0

    after = Explanations.load(labels)
    assert after.status.tolist() == ["labeled", "labeled", "labeled", "chance"]
    assert "chance" in capsys.readouterr().out
    quiet = ij.Options(progress=False)
    concepts = ij.concepts.from_file(with_noise / "masks.csv")
    null = ij.null_distribution(concepts, before, num_draws=99, key=3, options=quiet)
    np.testing.assert_array_equal(after.p_search, before.with_null(null).p_search)
    np.testing.assert_array_equal(after.scores, before.scores)
    assert len(list((with_noise / "draws").iterdir())) > 0
    page = with_noise / "page.html"
    assert main(["report", str(labels), "-o", str(page), "-q"]) == 0
    assert "by 99 searches on meaningless units" in page.read_text(encoding="utf-8")


def test_null_asks_for_concepts_that_have_moved(with_noise, capsys):
    (with_noise / "masks.csv").rename(with_noise / "moved.csv")
    words = ["null", str(with_noise / "labels"), "--draws", "9", "-q"]
    assert main(words) == 2
    assert "--concepts must name the concepts" in capsys.readouterr().err
    assert main([*words, "--concepts", str(with_noise / "moved.csv")]) == 0
    assert main([*words, "--concepts", str(with_noise / "masks.npz")]) == 0
    assert main([*words, "--concepts", str(with_noise / "moved.csv"), "--alpha", "2"])
    assert "`alpha` must be" in capsys.readouterr().err


def test_compare_finds_the_concepts_that_both_were_explained_by(files, capsys):
    assert explain(files, str(files / "masks.csv"), "--max-length", "1") == 0
    labels = str(files / "labels")
    capsys.readouterr()
    assert main(["compare", labels, labels, "--match", "overlap"]) == 0
    assert "3 kept" in capsys.readouterr().out


COMMANDS = [
    (),
    *((name,) for name in "demo collect explain null report compare".split()),
]


@pytest.mark.parametrize("words", COMMANDS)
def test_the_help_of_each_command_shows_by_its_module(words):
    command = [sys.executable, "-m", "invert_jax", *words, "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("usage: invert-jax")
