"""The making of the WordNet file, from three lines by hand and from WordNet's own."""

import gzip
from pathlib import Path

import pytest

from invert_jax.concepts.wordnet import making
from invert_jax.concepts.wordnet.making import TARGET, build, main, parse_synset
from tests.repository import ROOT

DATA_NOUN = Path("/usr/share/wordnet/data.noun")  # where Debian has it

NOTICE = "  1 Permission is granted.  \n  2   \n  3 WordNet 3.0  \n"
SYNSETS = """\
00001740 03 n 01 entity 0 001 ~ 02012849 n 0000 | that which is  
02012849 05 n 02 Crane 1 wading_bird 0 003 @ 00001740 n 0000 + 00002000 v 0101 #m 03126707 n 0000 | a bird; "@ n"  
03126707 06 n 01 crane 0 002 @i 00001740 n 0000 @ 02012849 n 0000 | lifts | things  
"""  # noqa: E501
INDEX = """\
crane n 2 2 @ #m 2 0 03126707 02012849  
entity n 1 1 ~ 1 1 00001740  
wading_bird n 1 1 @ 1 0 02012849  
"""


@pytest.fixture
def data_noun(tmp_path):
    (tmp_path / "data.noun").write_text(NOTICE + SYNSETS)
    (tmp_path / "index.noun").write_text(NOTICE + INDEX)
    (tmp_path / "noun.exc").write_text("axes ax axis\nmice mouse\n")
    return tmp_path / "data.noun"


def shipped():
    return gzip.decompress(TARGET.read_bytes()).decode("ascii")


def test_the_text_is_notice_synsets_and_plurals(data_noun):
    assert build(data_noun) == (
        "# Permission is granted.\n#\n# WordNet 3.0\n\n"
        "n00001740\tentity\t\n"
        "n02012849\tCrane%2 wading_bird\tn00001740\n"
        "n03126707\tcrane\tn00001740 n02012849\n\n"
        "axes\tax axis\nmice\tmouse\n"
    )


def test_the_number_of_words_is_hexadecimal():
    words = " ".join(f"w{i} 0" for i in range(16))
    line = f"00000001 03 n 10 {words} 001 @ 00001740 n 0000 | x"
    assert parse_synset(line).words == tuple(f"w{i}" for i in range(16))
    assert parse_synset(line).hypernyms == ("00001740",)


def test_the_same_input_gives_the_same_bytes(data_noun, tmp_path):
    targets = [tmp_path / "first.gz", tmp_path / "second.gz"]
    for target in targets:
        main([str(data_noun), "--target", str(target)])
    first, second = (target.read_bytes() for target in targets)
    assert first == second
    assert first[4:8] == bytes(4)  # the time in the header
    assert gzip.decompress(first).decode() == build(data_noun)


def test_a_missing_file_is_named(data_noun):
    data_noun.with_name("index.noun").unlink()
    with pytest.raises(FileNotFoundError, match=r"index\.noun"):
        build(data_noun)


@pytest.mark.skipif(not DATA_NOUN.exists(), reason="WordNet 3.0 is not installed")
def test_the_file_that_ships_is_made_from_wordnet():
    assert build(DATA_NOUN) == shipped()


def test_the_license_goes_along_in_the_file_and_beside_the_package():
    notice = shipped().partition("\n\n")[0].splitlines()
    text = "\n".join(line.removeprefix("#").removeprefix(" ") for line in notice)
    assert "WordNet 3.0 Copyright 2006 by Princeton University" in text
    assert text in (ROOT / "LICENSE-WordNet").read_text()


def test_the_file_holds_no_definitions_and_is_small():
    _, synset_lines, _ = shipped().split("\n\n")
    assert all(line.count("\t") == 2 for line in synset_lines.splitlines())
    assert "|" not in synset_lines
    assert TARGET.stat().st_size < 1_300_000
    assert TARGET == Path(making.__file__).with_name("wordnet_nouns.txt.gz")
