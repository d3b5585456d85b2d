"""The example of the manual that needs a data set by name, on one that is made here."""

import re
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
import tensorflow_datasets as tfds
from flax import linen as nn

from tests.datasets.tfds.prepared_datasets import by_hand, png, record_of
from tests.repository import ROOT

README = ROOT / "README.md"
CLASSES = "airplane automobile bird cat deer dog frog horse ship truck".split()
UNGULATES = {"deer", "horse"}


class Network(nn.Module):
    """A hidden unit per color, and logits."""

    @nn.compact
    def __call__(self, images):
        units = nn.Dense(3, name="hidden")(images.mean((1, 2)) / 255)
        return nn.Dense(10, name="logits")(units)


def example() -> str:
    (code,) = re.findall(
        r"<!-- tfds example -->\n```python\n(.*?)```", README.read_text(), re.DOTALL
    )
    return code


def prepare_cifar10(data_dir: Path, rng: np.random.Generator) -> None:
    """A small data set in the place and with the features of CIFAR-10."""
    f = tfds.features
    features = f.FeaturesDict(
        {"image": f.Image(shape=(32, 32, 3)), "label": f.ClassLabel(names=CLASSES)}
    )
    records = []
    for number in range(200):
        pixels = rng.integers(100, size=(32, 32, 3)).astype(np.uint8)
        if CLASSES[number % 10] in UNGULATES:
            pixels[..., 0] += 100
        records.append(record_of(image=[png(pixels).getvalue()], label=[number % 10]))
    info = data_dir / "cifar10" / "3.0.2"
    by_hand(info, features, [records[i] for i in rng.permutation(len(records))])
    metadata = (info / "dataset_info.json").read_text()
    for old, new in {"by_hand": "cifar10", "train": "test", "1.0.0": "3.0.2"}.items():
        metadata = metadata.replace(f'"{old}"', f'"{new}"')
    (info / "dataset_info.json").write_text(metadata)
    shard = info / "by_hand-train.tfrecord-00000-of-00001"
    shard.rename(info / "cifar10-test.tfrecord-00000-of-00001")


@pytest.mark.filterwarnings("ignore:.*took the first sense of 6 ambiguous names")
@pytest.mark.filterwarnings("ignore:a formula may hold on as few as")
def test_the_example_of_a_tfds_data_set_names_the_units(
    tmp_path, rng, monkeypatch, capsys
):
    prepare_cifar10(tmp_path, rng)
    monkeypatch.setattr("tensorflow_datasets.core.constants.DATA_DIR", str(tmp_path))
    model = Network()
    variables = model.init(jax.random.key(0), np.zeros((1, 32, 32, 3)))
    variables["params"]["hidden"]["kernel"] = np.eye(3, dtype=np.float32)
    names: dict[str, Any] = {"model": model, "variables": variables}

    exec(compile(example(), README, "exec"), names)

    hidden = names["explanations"]["hidden"]
    assert str(hidden.formulas[0][0]) == "ungulate" and hidden.scores[0, 0] == 1
    assert names["labels"].names == tuple(f"label={name}" for name in CLASSES)
    assert {"animal", "motor_vehicle", "ungulate"} <= set(names["concepts"].names)
    assert re.search(r"0 .*ungulate", capsys.readouterr().out)
