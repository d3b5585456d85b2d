"""Formulas: reading, writing, evaluating and combining them."""

import ast
import copy
import pickle
from functools import reduce

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from invert_jax.formula.formula import Formula
from invert_jax.formula.grammar import AND, NOT, OR

a, b, c, d = map(Formula.concept, "abcd")

# beartype draws the items that it checks.
pytestmark = pytest.mark.filterwarnings("ignore:Do not use the `random` module")

AWKWARD_NAMES = [
    *("", " ", "  a", "a ", "a  b", "polar bear", "tab\there", "line\nbreak", "\x00"),
    *("and", "OR", "Not", "rock and roll", "NOT a", "a&b", "a | b", "~a", "!a"),
    *("(a)", "crane (bird)", "((", ")", '"', '"a"', 'say "a" & b', "\\", 'a\\"', "\\n"),
    *("∧", "a\u2228b", "¬a", "box", "mailbox", "3", "34", "'", "jack-o'-lantern", "-"),
    *("objects/label=person", "n02883344", "box.n.01", "/m/01g317", "label=-1", "5:30"),
    *("Käse", "कुत्ता", "犬", "🐶", "a\u00a0b", "\u200b", "\u2028", "\x85", "\ud800"),
    *("\ud83d\ude00", "\U0001f600", "\U000e0001", "a,b", "C#", "[x]", "{x}", "f(x)"),
]
names = st.one_of(
    st.sampled_from("abcd"),
    st.sampled_from(AWKWARD_NAMES),
    st.text(st.characters(exclude_categories=())),
    st.text('ab "\\&|~()ANDORnot∧¬', max_size=8),
)


def trees(names: st.SearchStrategy[str]) -> st.SearchStrategy[Formula]:
    """Formulas of any shape over the names."""
    return st.recursive(
        names.map(Formula.concept),
        lambda inner: st.one_of(
            inner.map(lambda f: ~f),
            st.tuples(inner, inner).map(lambda pair: pair[0] & pair[1]),
            st.tuples(inner, inner).map(lambda pair: pair[0] | pair[1]),
        ),
        max_leaves=12,
    )


small_trees = trees(st.sampled_from("abcd"))
ALL_ROWS = {name: np.arange(16) >> i & 1 == 1 for i, name in enumerate("abcd")}


def truth(formula: Formula) -> list[bool]:
    """The formula on all 16 combinations of a, b, c and d."""
    return formula.evaluate(ALL_ROWS).tolist()


class SomeConcepts:
    """The part of `Concepts` that evaluation uses; notes the names it was asked for."""

    names = ("box", "mailbox", "pencil_box")
    asked: tuple[str, ...] = ()

    def masks(self, names):
        self.asked = tuple(names)
        columns = np.array([[1, 1, 0], [1, 0, 1], [0, 0, 0]], bool)
        return columns[:, [self.names.index(name) for name in names]]


@pytest.mark.parametrize(
    ("text", "formula"),
    [
        ("a", a),
        ("a|b&c", a | (b & c)),
        ("a & b | c", (a & b) | c),
        ("(a | b) & c", (a | b) & c),
        ("~a & b", (~a) & b),
        ("~(a & b)", ~(a & b)),
        ("a & ~b & ~c", (a & ~b) & ~c),
        ("a & (b & c)", a & (b & c)),
        ("\t a\n&\r\nb ", a & b),
        ("a ∧ ¬b \u2228 c", (a & ~b) | c),
        ("a AND NOT b OR c", (a & ~b) | c),
        ("a and not(b or c)", a & ~(b | c)),
        ("a And nOT b", a & ~b),
        ('"a"&"b"', a & b),
        ('"and" and "or"', Formula.concept("and") & Formula.concept("or")),
        ("android | nothing", Formula.concept("android") | Formula.concept("nothing")),
        (r'"\"\\\n\t\r\x41\u00e9\U0001F600"', Formula.concept('"\\\n\t\rAé😀')),
        ('"two\nlines"', Formula.concept("two\nlines")),
    ],
)
def test_text_is_read_by_the_grammar(text, formula):
    assert Formula.parse(text) == formula


@pytest.mark.parametrize(
    ("formula", "text", "words"),
    [
        (a & ~b & ~c, "a & ~b & ~c", "a AND NOT b AND NOT c"),
        ((a | b) & c, "(a | b) & c", "(a OR b) AND c"),
        (a & (b & c), "a & (b & c)", "a AND (b AND c)"),
        (~(a | b), "~(a | b)", "NOT (a OR b)"),
        (~~a, "~~a", "NOT NOT a"),
    ],
)
def test_brackets_are_written_only_where_needed(formula, text, words):
    assert (str(formula), formula.to_words()) == (text, words)


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("objects/label=person", "objects/label=person", "objects/label=person"),
        ("n02883344", "n02883344", "n02883344"),
        ("jack-o'-lantern", "jack-o'-lantern", "jack-o'-lantern"),
        ("polar bear", '"polar bear"', "polar bear"),
        ("box, carton", '"box, carton"', "box, carton"),
        ("rock and roll", '"rock and roll"', '"rock and roll"'),
        ("Or", '"Or"', '"Or"'),
        ("crane (bird)", '"crane (bird)"', '"crane (bird)"'),
        ("black & white", '"black & white"', '"black & white"'),
        ('say "a"', r'"say \"a\""', r'"say \"a\""'),
        ("", '""', '""'),
        (" ", '" "', '" "'),
        ("two\nlines", r'"two\nlines"', r'"two\nlines"'),
        ("a\u200bb", r'"a\u200bb"', r'"a\u200bb"'),
        ("C:\\x", r'"C:\\x"', "C:\\x"),
    ],
)
def test_names_are_quoted_where_they_could_be_misread(name, text, words):
    formula = Formula.concept(name)
    assert (str(formula), formula.to_words()) == (text, words)


def test_names_that_contain_each_other_stay_apart():
    formula = Formula.parse("3 & ~34 | 343")
    masks = {"3": [True, True], "34": [True, False], "343": [False, False]}
    assert str(formula) == "3 & ~34 | 343"
    assert formula.evaluate(masks).tolist() == [False, True]


def test_a_formula_knows_its_names_length_literals_and_ops():
    formula = Formula.parse("b & ~a | b")
    assert formula.names == ("b", "a")
    assert formula.length == 3
    assert formula.literals == (("b", False), ("a", True), ("b", False))
    assert formula.ops == ("and", "or")
    assert formula.steps == ("b", "a", NOT, AND, "b", OR)


def test_literals_join_from_left_to_right_with_names_made_plain():
    names, negated = np.array(["a", "b", "c"]), np.array([False, True, False])
    formula = Formula.from_literals(names, negated, ["or", "and"])
    assert formula == (a | ~b) & c
    assert {type(name) for name in formula.names} == {str}


def test_concepts_are_asked_once_for_the_distinct_names_alone():
    concepts = SomeConcepts()
    formula = Formula.parse("box & ~mailbox | box & ~mailbox")
    assert formula.evaluate(concepts).tolist() == [False, True, False]
    assert concepts.asked == ("box", "mailbox")


def test_evaluating_one_concept_copies_its_mask():
    mask = np.array([True, False])
    a.evaluate({"a": mask})[0] = False
    assert mask.tolist() == [True, False]


def test_a_formula_of_no_samples_is_an_empty_mask():
    mask = (~a).evaluate({"a": np.zeros(0, bool)})
    assert (mask.shape, mask.dtype) == ((0,), np.bool)


def from_python(node: ast.expr) -> Formula:
    """The formula of Python's own tree: it has these signs, as tight and as loose."""
    if isinstance(node, ast.Name):
        return Formula.concept(node.id)
    if isinstance(node, ast.UnaryOp):
        return ~from_python(node.operand)
    assert isinstance(node, ast.BinOp)
    left, right = from_python(node.left), from_python(node.right)
    return left & right if isinstance(node.op, ast.BitAnd) else left | right


@given(small_trees)
def test_text_has_the_structure_and_the_brackets_that_python_gives_it(formula):
    python = ast.parse(str(formula), mode="eval").body
    assert from_python(python) == formula
    assert ast.unparse(python) == str(formula)


@given(st.lists(st.sampled_from(["a", "b", "~", "&", "|", "(", ")"]), max_size=12))
@example(["(", ")"])
@example(["a", "(", "b", ")"])
def test_what_python_refuses_is_refused_and_the_rest_read_alike(signs):
    text = " ".join(signs)
    try:
        python = ast.parse(text.strip(), mode="eval").body
        expected = from_python(python)
    except (SyntaxError, AssertionError):  # no grammar; a call or an empty tuple
        with pytest.raises(ValueError, match="`text` must be a formula"):
            Formula.parse(text)
    else:
        assert Formula.parse(text) == expected


@given(trees(names))
def test_every_formula_survives_writing_and_reading(formula):
    assert Formula.parse(str(formula)) == formula


@pytest.mark.parametrize("name", AWKWARD_NAMES, ids=ascii)
def test_every_name_survives_writing_and_reading(name):
    formula = Formula.concept(name)
    assert Formula.parse(str(formula)).names == (name,)
    assert Formula.parse(f"{~formula}&{formula}") == ~formula & formula
    assert str(formula).isprintable()
    assert formula.to_words().isprintable()


@given(trees(names))
def test_words_are_read_as_the_formula_once_every_name_has_quotes(formula):
    quoted = {name: f"name{i}" for i, name in enumerate(formula.names)}
    simple = formula.fold(lambda name: Formula.concept(quoted[name]))
    assert Formula.parse(simple.to_words()) == simple


@given(trees(names), trees(names))
def test_different_formulas_have_different_texts_and_words(left, right):
    same = left == right
    assert (str(left) == str(right)) == same
    assert (left.to_words() == right.to_words()) == same
    assert hash(left) == hash(right) or not same


@given(small_trees, small_trees, small_trees)
def test_evaluation_obeys_boolean_algebra(x, y, z):
    assert truth(~~x) == truth(x) == truth(x & x) == truth(x | x)
    assert truth(~(x & y)) == truth(~x | ~y)
    assert truth(~(x | y)) == truth(~x & ~y)
    pairs = list(zip(truth(x), truth(y), strict=True))
    assert truth(x & y) == [in_x and in_y for in_x, in_y in pairs]
    assert truth(x | y) == [in_x or in_y for in_x, in_y in pairs]
    assert truth(~x) == [not in_x for in_x in truth(x)]
    assert truth(x & (y & z)) == truth(x & y & z)
    assert truth(x & (y | z)) == truth(x & y | x & z)
    assert truth(x | (x & y)) == truth(x) == truth(x & (x | y))
    assert not any(truth(x & ~x)) and all(truth(x | ~x))


@given(trees(names))
def test_folding_with_formulas_gives_the_formula_again(formula):
    assert formula.fold(Formula.concept) == formula


@given(st.lists(st.tuples(names, st.booleans(), st.sampled_from(["and", "or"]))))
@example([("a", True, "and")])
def test_literals_and_ops_undo_the_making_from_literals(literals):
    literals = literals or [("a", False, "or")]
    names, negated, ops = zip(*literals, strict=True)
    formula = Formula.from_literals(names, negated, ops[1:])
    assert formula.literals == tuple(zip(names, negated, strict=True))
    assert formula.ops == ops[1:]
    assert formula.length == len(names)


@given(trees(names))
def test_formulas_can_be_pickled_and_copied(formula):
    assert pickle.loads(pickle.dumps(formula)) == formula == copy.deepcopy(formula)


def test_equality_is_of_structure():
    assert a & b == Formula.parse("a & b")
    assert len({a & b, b & a, a | b, ~(a & b), a & (b & c), a & b & c, a & b}) == 6
    assert a != "a"


@pytest.mark.parametrize("shape", ["left", "right", "not", "brackets"])
def test_ten_thousand_literals_do_not_reach_the_recursion_limit(shape):
    count = 10_000
    deep = {
        "left": " & ~".join(["a"] * count),
        "right": "a | (" * (count - 2) + "a | a" + ")" * (count - 2),
        "not": "~" * count + "a",
        "brackets": "(" * count + "a" + ")" * count,
    }[shape]
    formula = Formula.parse(deep)
    again = Formula.parse(str(formula))
    assert formula == again and hash(formula) == hash(again)
    assert str(formula) == (deep if shape != "brackets" else "a")
    assert Formula.parse(formula.to_words()) == formula
    assert formula.length == (count if shape in ("left", "right") else 1)
    expected = [False, shape != "left"]
    assert formula.evaluate({"a": [False, True]}).tolist() == expected
    assert pickle.loads(pickle.dumps(formula)) == formula


def test_ten_thousand_formulas_can_be_joined():
    formula = reduce(lambda left, right: left | right, [a, ~b] * 5_000)
    assert formula.length == len(formula.literals) == 10_000


@pytest.mark.parametrize(
    ("text", "problem", "position"),
    [
        ("", "there is nothing in it", 0),
        ("()", "there is nothing in it", 1),
        ("a & ( )", "there is nothing in it", 6),
        ("& a", "a name is missing", 0),
        ("a &", "a name is missing", 3),
        ("a & | b", "a name is missing", 4),
        ("a && b", "a name is missing", 3),
        ("a ~", "an operator, or quotes around a name with spaces, is missing", 2),
        ("polar bear", "quotes around a name with spaces, is missing", 6),
        ('a "b"', "an operator", 2),
        ("(a & b", "a bracket has no partner", 0),
        ("a & b) | c", "a bracket has no partner", 5),
        ('a & "b', "a quote has no end, or a bad escape,", 4),
        (r'"\q"', "a quote has no end, or a bad escape,", 0),
        (r'"\U00110000"', "a quote has no end, or a bad escape,", 0),
        ("a ! b", "a name with a sign needs quotes", 2),
        ("f, g", "a name with a sign needs quotes", 1),
        ("a\u200bb", "a name with a sign needs quotes", 0),
    ],
)
def test_wrong_text_is_refused_with_its_place(text, problem, position):
    with pytest.raises(ValueError, match="`text` must be a formula") as error:
        Formula.parse(text)
    message, shown, mark = str(error.value).split("\n")
    assert problem in message and message.endswith(f" at position {position} of")
    assert shown.strip() == "".join(x if x.isprintable() else " " for x in text).strip()
    assert mark.index("^") == 4 + position


def test_a_long_text_is_shown_around_the_fault():
    text = "a | " * 1_000 + "& b" + " | a" * 1_000
    with pytest.raises(ValueError, match="at position 4000 of") as error:
        Formula.parse(text)
    _, shown, mark = str(error.value).split("\n")
    assert len(shown) == 84 and shown[mark.index("^")] == "&"


def test_an_unknown_name_is_refused_with_those_close_to_it():
    with pytest.raises(ValueError, match=r"none named 'mailbx'.*\['mailbox'\]"):
        Formula.parse("box & ~mailbx").evaluate(SomeConcepts())
    with pytest.raises(ValueError, match=r"none named 'zebra'.*close to it: none"):
        Formula.parse("box & ~zebra").evaluate({"box": [True]})


@pytest.mark.parametrize(
    ("masks", "error", "message"),
    [
        ({"a": [1, 0], "b": [1, 1]}, TypeError, "must be bool, got int64 for 'a'"),
        ({"a": [True], "b": [True, False]}, ValueError, r"\(1,\) for 'a' and \(2,\)"),
        ({"a": [[True]], "b": [[True]]}, ValueError, r"must be of shape \[samples\]"),
        (3, TypeError, "masks"),
    ],
)
def test_wrong_masks_are_refused(masks, error, message):
    with pytest.raises(error, match=message):
        (a & b).evaluate(masks)


@pytest.mark.parametrize("text", ["a & (b | c)", "~(a & b)", "~~a", "(a & b) | c & d"])
def test_literals_of_another_tree_are_refused(text):
    with pytest.raises(ValueError, match="`literals` are those of a formula"):
        _ = Formula.parse(text).literals


@pytest.mark.parametrize(
    ("names", "negated", "ops", "error", "message"),
    [
        ([], [], [], ValueError, "of one length, 1 or more"),
        (["a"], [True], ["and"], ValueError, "got 1, 1 and 1"),
        (["a", "b"], [True], ["and"], ValueError, "got 2, 1 and 1"),
        (["a", "b"], [True, False], ["xor"], ValueError, "`ops` must be 'and' or 'or'"),
        (["a", "b"], [True, False], ["not"], ValueError, "`ops` must be 'and' or 'or'"),
        ([3], [True], [], TypeError, "`names` must be str"),
        (["a"], [1], [], TypeError, "`negated` must be bool"),
    ],
)
def test_wrong_literals_are_refused(names, negated, ops, error, message):
    with pytest.raises(error, match=message):
        Formula.from_literals(iter(names), iter(negated), iter(ops))


def test_a_formula_is_neither_called_nor_changed_nor_asked_for_its_truth():
    with pytest.raises(TypeError, match="made by `parse`"):
        Formula("a & b")
    with pytest.raises(TypeError, match="Join formulas by `&`"):
        _ = a and b
    with pytest.raises(TypeError, match="unsupported operand"):
        _ = a & "b"
    with pytest.raises(AttributeError, match="cannot assign to field"):
        a.__setattr__("steps", ("b",))
