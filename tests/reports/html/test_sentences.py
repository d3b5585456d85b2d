import dataclasses

import numpy as np

from invert_jax.reports.page import report


def test_each_layer_says_what_it_does_not_show(run, tmp_path):
    low = dataclasses.replace(
        run.explanations,
        settings=dataclasses.replace(run.explanations.settings, sign="negative"),
    )
    both = {"high": run.explanations, "low": low}
    values = dict.fromkeys(both, run.activations)
    path = report(
        both, tmp_path / "page.html", activations=values, images=run.images,
        maps={"low": np.ones((160, 1, 1, 8))},
    )  # fmt: skip
    _, of_high, of_low = path.read_text(encoding="utf-8").split("does not show of")
    assert "No maps were given" in of_high and "No maps were given" not in of_low
    assert "Maps are not drawn" in of_low and "Maps are not drawn" not in of_high
