"""The house: what may import what, how long a file is, what is documented."""

import ast
import importlib
import itertools
import re
import subprocess
import sys
import tomllib
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "invert_jax"

# The folders and the files beside them, in the floors of the house from the ground up:
# what stands on a floor imports from lower floors and from its own.
FLOORS = (
    "core formula checks compilation_cache disk pipeline plain_arrays progress "
    "sample_ids version",
    "settings datasets",
    "concepts activations",
    "explanations",
    "engine",
    "analyses",
    "reports",
    "__init__",
    "demo",
    "cli __main__",
)
# Two rooms of one floor that do not know each other: the two inputs.
APART = ({"concepts", "activations"},)
# What `import invert_jax` does not load.
HEAVY = {
    "flax",
    "tensorflow_datasets",
    "tensorflow",
    "optax",
    "matplotlib",
    "pandas",
    "pyarrow",
    "scipy.stats",
    "rich",
    "tensorstore",
}
# What may be imported where it is used: slow to load, or an extra.
LATE = HEAVY | {
    "h5py",
    "jinja2",
    "PIL",
    "sklearn",
    "array_record",
}
CORE_IMPORTS = {"invert_jax", "jax", "jaxtyping", "numpy", "scipy"}
DISTRIBUTIONS = {
    "PIL": "pillow",
    "google_crc32c": "google-crc32c",
    "jaxlib": "jax",
    "sklearn": "scikit-learn",
    "tensorflow_datasets": "tensorflow-datasets",
}
LONGEST_FILE = 400

HEIGHT = {room: height for height, rooms in enumerate(FLOORS) for room in rooms.split()}
FILES = sorted(str(path.relative_to(PACKAGE))[:-3] for path in PACKAGE.rglob("*.py"))
every_file = pytest.mark.parametrize("file", FILES)


@cache
def parse(file):
    return ast.parse((PACKAGE / f"{file}.py").read_text())


def file_of(module):
    """The file of a dotted name of the package; None of what is no module."""
    path = "/".join(module.split(".")[1:])
    for file in (path, f"{path}/__init__".lstrip("/")):
        if (PACKAGE / f"{file}.py").is_file():
            return file
    return None


def room_of(file):
    """The folder of a file under the roof, or the file itself."""
    return file.split("/")[0]


def is_for_types(node):
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)


def import_nodes(tree, *, inside_functions, for_types=True):
    """The imports of a file, those for type checkers among them if not told not to."""
    choices = {"inside_functions": inside_functions, "for_types": for_types}
    for node in ast.iter_child_nodes(tree):
        is_function = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node
        elif (for_types or not is_for_types(node)) and (
            inside_functions or not is_function
        ):
            yield from import_nodes(node, **choices)


def modules_of(node):
    """The dotted names that an import reads; of `from a import b` a.b if a module."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
        return
    assert node.level == 0 and node.module, "imports are absolute"
    for alias in node.names:
        name = f"{node.module}.{alias.name}"
        yield name if file_of(name) or name in LATE else node.module


@cache
def imported_modules(file, *, inside_functions=True, for_types=True):
    """The dotted names that a file imports."""
    choices = {"inside_functions": inside_functions, "for_types": for_types}
    nodes = import_nodes(parse(file), **choices)
    return [module for node in nodes for module in modules_of(node)]


def imported_files(file, **choices):
    modules = imported_modules(file, **choices)
    return {file_of(m) for m in modules if m.split(".")[0] == "invert_jax"} - {None}


def test_every_room_has_its_floor_and_every_room_listed_exists():
    rooms = {room_of(file) for file in FILES}
    assert rooms == set(HEIGHT)
    assert len(HEIGHT) == sum(len(floor.split()) for floor in FLOORS)


@every_file
def test_imports_run_downward_only(file):
    room = room_of(file)
    for imported in imported_files(file):
        below = room_of(imported)
        assert HEIGHT[below] <= HEIGHT[room], f"{file} imports {imported} above it"
        assert {room, below} not in APART, f"{file} imports {imported}"


def test_no_files_import_each_other():
    """Nor do those that import inside functions, or for type checkers alone."""
    graph = {file: imported_files(file) for file in FILES}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"imports in a circle: {error.args[1]}")


@cache
def is_late(module):
    """Whether a module is one of `LATE`, or of ours and loads one itself."""
    file = file_of(module) if module.split(".")[0] == "invert_jax" else None
    if file is None:
        return module in LATE or module.split(".")[0] in LATE
    loaded = imported_modules(file, inside_functions=False, for_types=False)
    return any(map(is_late, loaded))


@every_file
def test_imports_inside_functions_are_of_what_is_slow_to_load_or_an_extra(file):
    tree = parse(file)
    outside = set(import_nodes(tree, inside_functions=False))
    inside = set(import_nodes(tree, inside_functions=True)) - outside
    early = [m for node in inside for m in modules_of(node) if not is_late(m)]
    assert early == []


def test_the_imports_read_from_the_source_are_those_that_run():
    """The reader above sees what Python does, in a file that imports in every way."""
    assert imported_files("core/search/search") >= {
        "core/exact", "core/search/beam", "core/search/packing",
    }  # fmt: skip
    assert "numpy" in set(imported_modules("core/exact"))
    assert "flax" not in set(imported_modules("cli/demo"))
    assert file_of("invert_jax") == "__init__"
    assert file_of("invert_jax.concepts") == "concepts/__init__"
    assert file_of("invert_jax.core.exact.Wide") is None
    assert is_late("invert_jax.activations.capture.linen")
    for module in (
        "core.exact",
        "progress",
        "explanations.explanations",
        "engine.blocks",
    ):
        assert not is_late(f"invert_jax.{module}")


@pytest.mark.parametrize("file", [f for f in FILES if room_of(f) == "core"])
def test_the_core_knows_arrays_only(file):
    packages = {module.split(".")[0] for module in imported_modules(file)}
    assert packages - sys.stdlib_module_names <= CORE_IMPORTS
    assert "jit" not in {
        node.attr for node in ast.walk(parse(file)) if isinstance(node, ast.Attribute)
    }, "jit sits at the doors"


def texts_of(file):
    """The texts that a file shows: its strings that are no docstrings."""
    tree = parse(file)
    documented = ast.Module | ast.ClassDef | ast.FunctionDef
    bodies = [node.body for node in ast.walk(tree) if isinstance(node, documented)]
    docstrings = {id(body[0].value) for body in bodies if isinstance(body[0], ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            if id(node) not in docstrings:
                yield node.value


# Where the objective is defined; and texts about the whole: the demo and the help.
NAME_THE_SCORE = ("core/objectives/", "demo/", "cli/")


@pytest.mark.parametrize("file", [f for f in FILES if not f.startswith(NAME_THE_SCORE)])
def test_texts_ask_the_record_for_the_name_of_the_score(file):
    assert [text for text in texts_of(file) if "AUROC" in text] == []


def test_importing_the_package_loads_nothing_heavy():
    script = f"import sys, invert_jax; print(*({HEAVY} & sys.modules.keys()))"
    printed = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert printed.split() == []


@every_file
def test_no_file_is_too_long(file):
    num_lines = len((PACKAGE / f"{file}.py").read_text().splitlines())
    assert num_lines <= LONGEST_FILE


def public_definitions(node, prefix=""):
    """Classes, functions and methods that a reader may meet, with their names."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            if not child.name.startswith("_") and not is_overload(child):
                yield prefix + child.name, child
                if isinstance(child, ast.ClassDef):
                    yield from public_definitions(child, f"{child.name}.")
        elif isinstance(child, ast.If | ast.Try | ast.With):
            yield from public_definitions(child, prefix)


def is_overload(node):
    names = {ast.unparse(decorator) for decorator in node.decorator_list}
    return bool({"overload", "typing.overload"} & names)


@every_file
def test_every_public_name_is_documented(file):
    tree = parse(file)
    assert ast.get_docstring(tree), "the module itself"
    bare = [
        name for name, node in public_definitions(tree) if not ast.get_docstring(node)
    ]
    assert bare == []


@pytest.mark.parametrize(
    "package", ["invert_jax", "invert_jax.concepts", "invert_jax.activations"]
)
def test_no_module_bears_the_name_of_a_public_function(package):
    module = importlib.import_module(package)
    assert module.__file__ is not None
    folder = Path(module.__file__).parent
    modules = {path.stem for path in folder.iterdir()}
    functions = {
        name
        for name in dir(module)
        if not name.startswith("_") and callable(getattr(module, name))
    }
    assert functions
    assert modules & functions == set()


def declared_packages():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"].values()
    lines = itertools.chain(project["dependencies"], *extras)
    return {re.split(r"[^\w-]", line)[0].lower() for line in lines}


def test_every_package_that_is_imported_is_declared():
    imported = {m.split(".")[0] for f in FILES for m in imported_modules(f)}
    imported -= {"invert_jax", *sys.stdlib_module_names}
    wanted = {DISTRIBUTIONS.get(package, package) for package in imported}
    assert wanted - declared_packages() == set()
