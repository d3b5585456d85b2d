"""Makes `wordnet_nouns.txt.gz` from WordNet 3.0's own files.

    python -m invert_jax.concepts.wordnet.making /usr/share/wordnet/data.noun

`data.noun` holds the synsets; `index.noun` (the order of a word's senses) and
`noun.exc` (irregular plurals) are read from the same folder. Debian's package
`wordnet-base` has all three. The result is text in three parts, parted by blank lines:

    # the license notice
    <wnid> TAB <lemmas> TAB <hypernyms>      one synset a line, in WordNet's order
    <plural> TAB <singulars>                 one irregular plural a line

Entries inside a field are parted by blanks (a lemma has underscores instead), and a
lemma of which the synset is not the first sense carries the number of the sense, as in
`crane%4`. A thing is under what it is an instance of (Paris, national capital) as it is
under what it is a kind of. Definitions and all other relations are left out.
"""

import argparse
import gzip
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

TARGET = Path(__file__).with_name("wordnet_nouns.txt.gz")
_HYPERNYM_POINTERS = ("@", "@i")


class SynsetLine(NamedTuple):
    """What is kept of one line of `data.noun`.

    Attributes:
        offset: Place of the line in the file, eight digits: WordNet's synset id.
        words: Lemmas, the usual one first, with underscores.
        hypernyms: Offsets of the synsets this one is a kind or an instance of.
    """

    offset: str
    words: tuple[str, ...]
    hypernyms: tuple[str, ...]


def parse_synset(line: str) -> SynsetLine:
    """One line of `data.noun`, without its definition.

    The fields are: offset, file number, "n", number of words in hexadecimal, that many
    pairs of word and lexical id, number of pointers, that many quadruples of symbol,
    offset, part of speech and source/target, then "|" and the definition.

    >>> parse_synset("00001930 03 n 01 thing 0 001 @ 00001740 n 0000 | a thing")
    SynsetLine(offset='00001930', words=('thing',), hypernyms=('00001740',))
    """
    fields = line.partition("|")[0].split()
    pointers_at = 4 + 2 * int(fields[3], 16)
    num_pointers = int(fields[pointers_at])
    pointers = fields[pointers_at + 1 : pointers_at + 1 + 4 * num_pointers]
    hypernyms = tuple(
        offset
        for symbol, offset in zip(pointers[::4], pointers[1::4], strict=True)
        if symbol in _HYPERNYM_POINTERS
    )
    return SynsetLine(fields[0], tuple(fields[4:pointers_at:2]), hypernyms)


def sense_numbers(index_lines: Iterable[str]) -> dict[tuple[str, str], int]:
    """Number of the sense, from 1, that each (word, offset) of `index.noun` is.

    >>> sense_numbers(["crane n 2 2 @ ~ 2 0 10001217 02012849"])
    {('crane', '10001217'): 1, ('crane', '02012849'): 2}
    """
    numbers = {}
    for fields in map(str.split, index_lines):
        for number, offset in enumerate(fields[-int(fields[2]) :], start=1):
            numbers[fields[0], offset] = number
    return numbers


def format_synset(synset: SynsetLine, senses: dict[tuple[str, str], int]) -> str:
    r"""The line of our file for a synset.

    >>> format_synset(SynsetLine("02012849", ("crane",), ("02002075",)),
    ...               {("crane", "02012849"): 5})
    'n02012849\tcrane%5\tn02002075'
    """
    numbers = [senses[word.lower(), synset.offset] for word in synset.words]
    lemmas = " ".join(
        word if number == 1 else f"{word}%{number}"
        for word, number in zip(synset.words, numbers, strict=True)
    )
    hypernyms = " ".join(f"n{offset}" for offset in synset.hypernyms)
    return f"n{synset.offset}\t{lemmas}\t{hypernyms}"


def build(data_noun: Path) -> str:
    """Text of our file, from `data.noun` and the two files beside it."""
    notice, synset_lines = split_notice(_lines(data_noun))
    _, index_lines = split_notice(_lines(data_noun.with_name("index.noun")))
    plural_lines = _lines(data_noun.with_name("noun.exc"))
    senses = sense_numbers(index_lines)
    parts = (
        [f"# {line}".rstrip() for line in notice],
        [format_synset(parse_synset(line), senses) for line in synset_lines],
        [line.replace(" ", "\t", 1) for line in plural_lines],
    )
    return "\n\n".join("\n".join(part) for part in parts) + "\n"


def split_notice(lines: list[str]) -> tuple[list[str], list[str]]:
    """The license at the head of a file, without its line numbers, and the rest.

    >>> split_notice(["  1 This software", "  2   ", "00001740 03 n 01 entity"])
    (['This software', ''], ['00001740 03 n 01 entity'])
    """
    length = next(i for i, line in enumerate(lines) if not line.startswith("  "))
    notice = [line.split(maxsplit=1)[1:] for line in lines[:length]]
    return ["".join(line).rstrip() for line in notice], lines[length:]


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="ascii").splitlines()


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the file; the same input gives the same bytes."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("data_noun", type=Path, help="WordNet 3.0's data.noun")
    parser.add_argument("--target", type=Path, default=TARGET)
    parsed = parser.parse_args(arguments)
    text = build(parsed.data_noun)
    parsed.target.write_bytes(gzip.compress(text.encode("ascii"), 9, mtime=0))


if __name__ == "__main__":
    main()
