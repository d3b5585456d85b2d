import os
import stat
import subprocess
import sys
from pathlib import Path

import jax
import jaxlib.version
import numpy as np
import pytest

from invert_jax import Explanations, compilation_cache
from invert_jax.cli import main
from invert_jax.compilation_cache import cache_folder, remove_damaged, switch_on

VERSION = jaxlib.version.__version_info__
CHOSEN = "jax_compilation_cache_dir"
OURS = {compilation_cache.VARIABLE, CHOSEN.upper()}
OURS |= {name.upper() for name in compilation_cache.SETTINGS}
UNREADABLE = (
    "Error reading persistent compilation cache entry for 'jit_search': error: "
    "Error -5 while decompressing data: incomplete or truncated stream"
)


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A folder that is named to the package; JAX has no cache yet."""
    names = (CHOSEN, *compilation_cache.SETTINGS)
    before = {name: jax.config.values[name] for name in names}
    for name in OURS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(compilation_cache.VARIABLE, str(tmp_path / "kept" / "programs"))
    monkeypatch.setattr(jaxlib.version, "__version_info__", (0, 10, 2))
    jax.config.update(CHOSEN, None)
    yield tmp_path / "kept" / "programs"
    for name, value in before.items():
        jax.config.update(name, value)


def files_of(folder):
    return {path.name for path in folder.iterdir()}


def test_jax_keeps_programs_in_a_folder_for_the_user_alone(root):
    before = os.umask(0)
    try:
        folder = switch_on()
    finally:
        os.umask(before)

    assert folder is not None and folder.parent == root
    assert jax.config.values[CHOSEN] == str(folder)
    assert jax.config.values.items() >= compilation_cache.SETTINGS.items()
    for made in (folder, root, root.parent):
        assert sys.platform == "win32" or stat.S_IMODE(made.stat().st_mode) == 0o700
    assert switch_on() is None, "it is the user's own from now on"


@pytest.mark.parametrize("word", [None, "1", "on"])
def test_without_a_folder_they_are_in_the_users_cache_folder(root, monkeypatch, word):
    monkeypatch.delenv(compilation_cache.VARIABLE)
    if word is not None:
        monkeypatch.setenv(compilation_cache.VARIABLE, word)
    monkeypatch.setattr("platformdirs.user_cache_path", lambda name, **_: root / name)
    folder = cache_folder()
    assert folder is not None and folder.parent == root / "invert_jax"


def test_the_folder_of_a_user_without_a_home_is_none(root, monkeypatch):
    monkeypatch.delenv(compilation_cache.VARIABLE)
    nowhere = Path("~", ".cache", "invert_jax")
    monkeypatch.setattr("platformdirs.user_cache_path", lambda *_, **__: nowhere)
    assert cache_folder() is None


@pytest.mark.parametrize(
    "word", ["", "0", "off", "OFF", "no", "False", "gs://bucket/folder"]
)
def test_the_variable_turns_it_off(root, monkeypatch, word):
    monkeypatch.setenv(compilation_cache.VARIABLE, word)
    assert switch_on() is None
    assert jax.config.values[CHOSEN] is None
    assert not root.exists()


def test_older_jaxlibs_keep_nothing(root, monkeypatch):
    monkeypatch.setattr(jaxlib.version, "__version_info__", (0, 10, 1))
    assert switch_on() is None
    assert not root.exists()


def test_a_home_in_the_variable_is_the_users(root, monkeypatch):
    monkeypatch.setenv("HOME", str(root))
    monkeypatch.setenv("USERPROFILE", str(root))
    monkeypatch.setenv(compilation_cache.VARIABLE, "~/programs")
    folder = cache_folder()
    assert folder is not None and folder.parent == root / "programs"


def processor(path, text):
    path.write_text(f"processor : 0\nmodel name : fast\n{text}\nbogomips : 1\n")
    return path


@pytest.mark.parametrize("label", ["flags\t\t", "Features\t"])
def test_each_kind_of_processor_and_jaxlib_has_its_folder(root, monkeypatch, label):
    def folder(text):
        path = processor(root.parent / "processor", f"{label}: {text}")
        monkeypatch.setattr(compilation_cache, "_PROCESSOR", path)
        return cache_folder()

    root.parent.mkdir()
    narrow = folder("fpu sse2 avx2")
    assert folder("avx2 fpu  sse2") == narrow
    assert folder("fpu sse2 avx2 avx512f") != narrow
    monkeypatch.setattr("platform.machine", lambda: "riscv64")
    assert folder("fpu sse2 avx2") != narrow
    monkeypatch.undo()
    monkeypatch.setenv(compilation_cache.VARIABLE, str(root))
    assert (
        folder("fpu sse2 avx2") == narrow and jaxlib.version.__version__ in narrow.name
    )
    monkeypatch.setattr(jaxlib.version, "__version__", "9.9.9")
    assert folder("fpu sse2 avx2") != narrow


def test_a_system_that_does_not_say_gives_the_name_of_the_processor(root, monkeypatch):
    monkeypatch.setattr(compilation_cache, "_PROCESSOR", root / "absent")
    named = []
    for name in ("arm", "i386"):
        monkeypatch.setattr("platform.processor", lambda name=name: name)
        named.append(cache_folder())
    assert named[0] != named[1]


def test_a_cache_that_the_user_chose_stays(root):
    before = {**jax.config.values, CHOSEN: str(root.parent)}
    jax.config.update(CHOSEN, str(root.parent))
    assert switch_on() is None
    assert jax.config.values == before
    assert not root.exists()


def test_a_limit_that_the_user_chose_stays(root, monkeypatch):
    (name,) = compilation_cache.SETTINGS
    monkeypatch.setenv(name.upper(), "7")
    jax.config.update(name, 7.0)
    assert switch_on() is not None
    assert jax.config.values[name] == 7


def test_a_folder_that_cannot_be_made_is_not_used(root):
    root.parent.write_text("a file")
    assert switch_on() is None
    assert jax.config.values[CHOSEN] is None


@pytest.mark.skipif(sys.platform == "win32", reason="has no such modes")
def test_a_folder_that_others_write_to_is_not_used(root):
    folder = cache_folder()
    assert folder is not None
    folder.mkdir(parents=True)
    folder.chmod(0o777)
    assert switch_on() is None
    folder.chmod(0o755)
    assert switch_on() == folder


@pytest.mark.skipif(sys.platform == "win32", reason="has no such modes")
def test_a_folder_that_others_can_put_another_one_in_place_of_is_not_used(root):
    folder = cache_folder()
    assert folder is not None
    folder.mkdir(parents=True)
    root.parent.chmod(0o777)
    assert switch_on() is None
    root.parent.chmod(0o1777)
    assert switch_on() == folder


@pytest.mark.parametrize("made", [True, False])
def test_nothing_is_made_or_used_in_the_folder_of_another(root, monkeypatch, made):
    folder = cache_folder()
    assert folder is not None
    owner = root.parents[1].stat().st_uid
    if made:
        folder.mkdir(parents=True)
    # Another user; what is there is not the system's either.
    monkeypatch.setattr(compilation_cache, "_user", lambda: 1234)
    monkeypatch.setattr(compilation_cache, "_owner", lambda _: owner or 4321)
    assert switch_on() is None
    assert folder.exists() == made


def test_what_was_used_longest_ago_goes_when_there_is_too_much(root, monkeypatch):
    monkeypatch.setattr(compilation_cache, "MOST_BYTES", 250)
    folder = cache_folder()
    assert folder is not None
    older = root / "jaxlib-0.1.0-x86_64-0" / "autotune"
    for made in (folder, older):
        made.mkdir(parents=True)
    places = (folder / "first", older / "second", folder / "third", root / "not_ours")
    for age, path in enumerate(places):
        path.write_bytes(bytes(100))
        os.utime(path, (age, age))
    os.utime(places[0], (9, 0))  # written first, and used since

    switch_on()

    assert [path.exists() for path in places] == [True, False, True, True]


def test_entries_that_jax_cannot_read_are_removed(root):
    folder = switch_on()
    assert folder is not None
    for name in ("jit_search-12-cache", "jit_search-34-cache", "jit_searching-5-cache"):
        (folder / name).write_text("")

    assert not remove_damaged("jit_search is deprecated")
    assert not remove_damaged(UNREADABLE.replace("reading", "finding"))
    assert len(files_of(folder)) == 3
    assert remove_damaged(UNREADABLE)
    assert files_of(folder) == {"jit_searching-5-cache"}
    assert remove_damaged(UNREADABLE.replace("reading", "writing"))
    (folder / "jit_search-12-cache").mkdir()  # a file that cannot be removed
    assert not remove_damaged(UNREADABLE)


def test_a_cache_of_the_user_keeps_its_damaged_entries(root):
    jax.config.update(CHOSEN, str(root))
    root.mkdir(parents=True)
    (root / "jit_search-12-cache").write_text("")
    assert not remove_damaged(UNREADABLE)
    assert files_of(root) == {"jit_search-12-cache"}


def test_only_the_command_of_a_process_switches_it_on(root, monkeypatch, capsys):
    words = ["compare", str(root / "a"), str(root / "b")]
    assert main(words) == 2
    assert jax.config.values[CHOSEN] is None
    monkeypatch.setattr(sys, "argv", ["invert-jax", *words])
    assert main() == 2
    assert jax.config.values[CHOSEN] == str(cache_folder())
    assert "compilation" not in capsys.readouterr().err


COMMAND = """
import sys, jax
from invert_jax.cli import main
events = []
jax.monitoring.register_event_listener(lambda event, **_: events.append(event))
status = main()
print(events.count("/jax/compilation_cache/cache_hits"))
sys.exit(status)
"""


@pytest.mark.skipif(VERSION < (0, 10, 2), reason="nothing is kept")
def test_a_later_process_loads_programs_and_mends_what_is_damaged(tmp_path, rng):
    masks = rng.random((60, 3)) < 0.4
    np.save(tmp_path / "acts.npy", masks[:, :2] + rng.normal(size=(60, 2)))
    np.savez(tmp_path / "masks.npz", masks=masks, names=np.array(["a", "b", "c"]))
    environment = {name: v for name, v in os.environ.items() if name not in OURS}
    environment[compilation_cache.VARIABLE] = str(tmp_path / "programs")
    environment["XLA_FLAGS"] = "--xla_backend_optimization_level=0"  # faster

    def explain(output):
        words = f"explain acts.npy masks.npz -q --max-length 1 -o {output}"
        done = subprocess.run(
            [sys.executable, "-c", COMMAND, *words.split(), "--min-fraction", ".35"],
            cwd=tmp_path, env=environment, capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert done.stderr == ""
        return Explanations.load(tmp_path / output), int(done.stdout.split()[-1])

    first, num_loaded = explain("first")
    assert num_loaded == 0
    (folder,) = (tmp_path / "programs").iterdir()
    entries = {path: path.stat().st_size for path in folder.iterdir()}
    assert entries
    for path, size in entries.items():
        os.truncate(path, size // 2)
    second, num_loaded = explain("second")
    assert num_loaded == 0
    third, num_loaded = explain("third")
    assert num_loaded == len(entries)
    assert second.to_arrow().equals(first.to_arrow())
    assert third.to_arrow().equals(first.to_arrow())
