"""Parity with the reference, lapalap/invert v1.1, and where we differ on purpose.

Recorded answers are compared where they are found beside the repository; a part of
them is copied here. The formulas recorded are sorted by name; their beams hold several
formulas of one support, ours do not.

On all recorded data our best formula is as good as theirs or better, and so is every
rank once their copies are left out. That is no law. After the first step our beam is
theirs and more, since no copy takes a place; a later one can lack a formula that theirs
has, where better ones of other supports took its place, and with it an extension that
would have won.
"""

import base64
import json

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

import invert_jax as ij
from invert_jax.core.statistics.mannwhitney import log10_mannwhitney
from tests import small_runs
from tests.repository import SHARED_DATA
from tests.small_runs import NAMES, QUIET, SETTINGS, explain

RECORDED = SHARED_DATA / "reference_v11.json"
CASES = ("smooth", "ties", "negative", "long", "nested")

# Two neurons of the case "ties": 400 samples, eighths of 1, and 12 concepts.
CONCEPTS = """
4pgRQakAAIEyRSBCABBAgAEUAAQDRAAgAQEQUSAnBAghwBEgQnEQFgQUoSAAEAECEDQBAQwI0uEBADRKAEAAgSBA
AsEAgzEINoxCBQQwAUAiAcQIBQAWAQUGhMQNIUgDACRRACIYAOASQGkAEWAEJGgCEBQMB2KAIWAYcKQCRJI0QAQA
RAAyBAEDkYQOAARiEDBgCKAXAAAQAEEaAaQaERAeACAUU0QAQCAfUiIUVAMOBYwCwUdoBo0MlAwSAFAAMCQKQikW
EIEE4JASICA7RCEUwMQKRQAAAiIEA4QopEk2YcxyQQAWYBoQACFQRSQHwdAgQAQDRYMSw8BEUIAYEUEQUggUQ2Ea
ACEQQqTBJCBCgGQPACAGQoVBENAAkSEKEQASRiASmTwDYUUeRgQQgKEQlGwTBeQCQCMucUQPTqcQUUgUUSEMYAAO
kQBIAWMgAKkogSAMgmgCASkaADBKgAA0R4AYsAIDBGggIYgxkRQAAGYWUUAASQkQIYEGQUEABEAAADAZJeADACoY
EeAeA2AScAkCIwAEgKgAAaEGQUANQoERhVEQAmAAAOAkEQoAAZgUAANUFSUBoEkGNEAABAUBAQALAAEQQQQ4AKAS
ECwAgbQSEEcgUCEAASgSiQFYgikAgQgxAL0KRoUhUQQYxMkAAAAQoCE9EMwgFEgagggUg0AEESgQQCQEIRkGATE5
QGBQlKhCgSAQREUDIAQwBSEMQcgoRAAAg0BxEqQKECoiAABBEIQAQCAeAKCJxBE0nQQATYQIQMAYQKAsBoQAQAEG
AmQsI/gr
"""

ACTIVATIONS = """
5433524426441501442522314457224542431444730434454435566237254274545522737571645466746624
2232415321356665653517441135263566423265252726634447275536457474172631661357153730742474
5514636244214342323655751540731517663347416146745045655534166456344430766262577275257166
4663456453255413635672350556547775254271522154265616531234616332474641215244347653355443
5255516122612272333667301332114463155763642462267575142366246223234766454454363452536763
5455636663366665663577342245544266744555543456211264403162663276454746542756062254264174
1326466235565344365277315726545354513567637146144414655547247312265437435621774334155015
2337466543177535246745164707526344526537625656135343636543354743667555336517164552174142
6156266276224426365535165023114775732476712127545424363321362636427214465235367676463235
71377454
"""
ANSWERS = {
    "L": 3,
    "B": 3,
    "min_fraction": 0.01,
    "max_fraction": 0.5,
    "mode": "positive",
    "rows": [
        [["c2 & c5 & c9", 0.9318987131118774, 0.012500000186264515]] * 3,
        [["c11 & c9 & ~c1", 0.8822108507156372, 0.02250000089406967]] * 3,
    ],
}


@pytest.fixture(scope="module")
def world():
    return small_runs.make_world()


def copied_case():
    bits = np.frombuffer(base64.b64decode(CONCEPTS), np.uint8)
    masks = np.unpackbits(bits).reshape(400, 12).astype(bool)
    digits = np.array([int(digit) for digit in "".join(ACTIVATIONS.split())])
    return ANSWERS, digits.reshape(2, 400).T.astype(np.float32) / 8, masks


def recorded_case(case):
    if not RECORDED.exists():
        pytest.skip("the recorded answers are not beside the repository")
    answers = json.loads(RECORDED.read_text())[case]
    with np.load(RECORDED.with_suffix(".npz")) as arrays:
        return answers, arrays[f"{case}_A"], arrays[f"{case}_C"]


def assert_as_good_as(answers, activations, masks):
    """Ours against the answers recorded; larger is better in both."""
    concepts = table_of(masks)
    sign = 1 if answers["mode"] == "positive" else -1
    # Eight neurons, so that all cases of one size share a compiled search.
    filled_up = np.resize(np.arange(activations.shape[1]), 8)
    ours = search(answers, activations[:, filled_up], concepts)
    for j, rows in enumerate(answers["rows"]):
        first = sign * ours.at_length(1).scores[j, 0]
        assert first == pytest.approx(best_literal(answers, activations[:, j], masks))
        recorded = distinct(rows, concepts)
        assert len(recorded) >= 1
        for rank, (formula, score, fraction) in enumerate(recorded):
            mask = ij.Formula.parse(formula).evaluate(concepts)
            exact = ij.auroc(activations[:, [j]], mask[:, None])[0, 0]
            assert exact == pytest.approx(score, abs=1e-6)
            assert mask.mean() == pytest.approx(fraction, abs=1e-6)
            assert sign * ours.scores[j, rank] >= sign * exact


def table_of(masks):
    return ij.Concepts.from_masks(masks, [f"c{k}" for k in range(masks.shape[1])])


def search(answers, activations, concepts):
    return explain(
        activations,
        concepts,
        max_length=answers["L"],
        beam_size=answers["B"],
        min_fraction=answers["min_fraction"],
        max_fraction=answers["max_fraction"],
        sign=answers["mode"],
    )


def best_literal(answers, activations, masks):
    """What any first step can reach at most."""
    sign = 1 if answers["mode"] == "positive" else -1
    both = np.concatenate([masks, ~masks], axis=1)
    shares = both.mean(0)
    within = (shares >= answers["min_fraction"]) & (shares <= answers["max_fraction"])
    return max(sign * roc_auc_score(mask, activations) for mask in both[:, within].T)


def distinct(rows, concepts):
    """The recorded formulas, one per support."""
    supports: dict[bytes, list] = {}
    for row in rows:
        mask = ij.Formula.parse(row[0]).evaluate(concepts)
        supports.setdefault(mask.tobytes(), row)
    return list(supports.values())


def test_is_as_good_as_the_reference():
    assert_as_good_as(*copied_case())


@pytest.mark.parametrize("case", CASES)
def test_is_as_good_as_the_reference_on_all_its_recorded_answers(case):
    assert_as_good_as(*recorded_case(case))


class TestDifferencesOnPurpose:
    """The numbers are those of the list of its faults."""

    def test_large_activations_do_not_tie(self):
        # 1: its float32 sigmoid is 1 above 16.6, so that all of these would tie.
        activations = np.linspace(20, 90, 60, dtype=np.float32)[:, None]
        mask = np.arange(60) >= 30
        assert ij.auroc(activations, mask[:, None]) == 1.0

    def test_an_empty_concept_has_no_score_and_is_in_no_formula(self, world):
        # 2: its AUROC of an empty concept is 0, of the negation 1.
        assert np.isnan(ij.auroc(world.activations, world.masks[:, [0]])).all()
        assert "never" in explain(world.activations, world.concepts).left_out

    def test_a_dead_neuron_has_no_label(self, world):
        # 3: its label of such a neuron is the first concept, with AUROC 0.5.
        explanations = explain(np.zeros((60, 8)), world.concepts)
        assert set(explanations.status) == {"constant"}
        assert list(explanations.formulas) == [[None] * 3] * 8

    def test_nan_is_refused(self, world):
        # 4: its order is arbitrary then.
        with pytest.raises(ValueError, match="must be finite; got nan"):
            explain(np.full((60, 8), np.nan), world.concepts)

    def test_labels_of_0_and_1_are_truth_values_and_2_is_refused(self, world):
        # 7: its formulas of integer labels are 2 and -2.
        concepts = ij.Concepts.from_masks(world.masks.astype(int), NAMES)
        assert concepts.fingerprint() == world.concepts.fingerprint()
        with pytest.raises(ValueError, match="all 0 or 1; got 2"):
            ij.Concepts.from_masks(2 * world.masks.astype(int), NAMES)

    def test_no_support_is_twice_in_a_beam(self, world):
        # 8: its beams hold A, A & A, A & B with B in A, and so on.
        explanations = explain(world.activations, world.concepts)
        for formulas in explanations.formulas:
            supports = [
                f.evaluate(world.concepts).tobytes() for f in formulas if f is not None
            ]
            assert len(set(supports)) == len(supports)

    def test_length_is_the_number_of_literals(self, world):
        # 9: its length is the number of the step.
        explanations = explain(world.activations, world.concepts)
        assert explanations.lengths[6, -1, 0] == 1
        assert explanations.formulas[6][0].length == 1

    def test_no_formula_contradicts_or_repeats_itself(self, world):
        # 10: it scores A & ~A and A | ~A.
        explanations = explain(world.activations, world.concepts)
        for formulas in explanations.formulas:
            for formula in formulas:
                if formula is not None:
                    mask = formula.evaluate(world.concepts)
                    assert 0 < mask.sum() < 60

    def test_of_equal_scores_the_shorter_and_then_the_larger_comes_first(self, world):
        # 11: the order of its columns decides alone.
        order = [0, 1, 2, 3, 4, 5, 6, 8, 7, 9, 10]
        names = [NAMES[column] for column in order]
        masks = world.masks[:, order]
        inner, salt = masks[:, 7], masks[:, 8]
        six, other = masks[:, 3], masks[:, 6]
        levels = np.zeros((60, 8))
        levels[:, 0] = salt + 1.0 * inner
        levels[:, 1] = other + 2.0 * six
        explanations = explain(levels, ij.Concepts.from_masks(masks, names))

        assert explanations.scores[0, :2].tolist() == [1.0, 1.0]
        assert [formula.names for formula in explanations.formulas[0][:2]] == [
            ("salt & pepper",),
            ("inner",),
        ]
        assert explanations.scores[1, :2].tolist() == [1.0, 1.0]
        assert str(explanations.formulas[1][0]) == "six"
        assert str(explanations.formulas[1][1]) == 'six | "other even"'

    def test_a_bound_includes_the_count_that_it_names(self, world):
        # 11: it compares fractions in float32, where 3 / 60 is not 0.05.
        masks = world.masks.copy()
        masks[:, 9] = np.isin(np.arange(60), [7, 20, 33])
        activations = np.tile(masks[:, [9]].astype(np.float32), 8)
        explanations = explain(activations, ij.Concepts.from_masks(masks, NAMES))
        assert explanations.formulas[0][0].names == ("[wide]",)
        assert explanations.num_positives[0, 0] == 3

    @pytest.mark.parametrize("sign", ["Positive", "both"])
    def test_an_unknown_sign_is_refused(self, world, sign):
        # 12: it ignores an unknown mode.
        with pytest.raises(ValueError, match="`sign` must be 'positive' or 'negative'"):
            explain(world.activations, world.concepts, sign=sign)

    def test_nothing_found_is_a_status_and_no_empty_list(self, world):
        # 12: its beam is then empty, and callers take its first item.
        explanations = explain(
            world.activations, world.concepts, min_fraction=0.99, max_fraction=0.99
        )
        assert explanations.status[0] == "no_candidate"
        assert explanations.formulas[0] == [None] * 3

    def test_formulas_on_a_few_samples_are_warned_of(self, world):
        # 13: with its default bounds one sample may win with AUROC 1.
        with pytest.warns(ij.FewPositivesWarning, match="asks for 20"):
            ij.explain(world.activations, world.concepts, **SETTINGS, options=QUIET)

    def test_p_values_do_not_underflow(self):
        # 14: its p-value is 0 beyond 1e-308.
        log10_p = log10_mannwhitney(
            np.array([10**12]), np.array([10**6]), np.zeros(1), num_samples=2 * 10**6
        )
        assert -1e6 < log10_p[0] < -308

    def test_names_that_contain_each_other_do_not_mix(self, world):
        # 16: it puts names in by replacing substrings.
        names = [str(3 * 10**k) for k in range(11)]
        concepts = ij.Concepts.from_masks(world.masks, names)
        renaming = dict(zip(NAMES, map(ij.Formula.concept, names), strict=True))
        explanations = explain(world.activations, concepts)
        for formulas, others in zip(
            explanations.formulas,
            explain(world.activations, world.concepts).formulas,
            strict=True,
        ):
            renamed = [
                None if f is None else f.fold(renaming.__getitem__) for f in others
            ]
            assert formulas == renamed

    def test_two_concepts_of_one_name_are_refused(self, world):
        # 16: the later takes the place of the earlier.
        with pytest.raises(ValueError, match="`names` must be unique"):
            ij.Concepts.from_masks(world.masks[:, :2], ["dog", "dog"])

    def test_samples_in_another_order_are_refused(self, world):
        # 17: it checks no order.
        ids = np.arange(60)
        activations = ij.Activations(world.activations, ids=ids[::-1])
        with pytest.raises(ValueError, match="in the same order; sample 0 has the id"):
            explain(activations, world.concepts.with_ids(ids))
