"""The house: what may import what, how long a file is, what is documented."""

import ast
import importlib
import itertools
import re
import subprocess
import sys
import tomllib
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "invert_jax"

# Every file of the package, in the layers of the house from the ground up. A file
# imports from lower layers and from its own.
LAYERS = {
    "core": """
        core/__init__ core/beam core/candidates core/delong core/exact core/nulls
        core/objectives core/packing core/ranking core/search core/shortlist
        core/significance core/tails core/ties
    """,
    "formula": "formula version",
    "activations": """
        activations/__init__ activations/appending activations/array
        activations/batches activations/capture activations/collection
        activations/directions activations/files activations/fingerprint
        activations/function activations/linen activations/listing activations/nnx
        activations/pooling activations/progress activations/running activations/store
        activations/subject
    """,
    "concepts": """
        concepts/__init__ concepts/_build concepts/_build_wordnet concepts/_checks
        concepts/_coco concepts/_crc32c concepts/_distinct concepts/_images
        concepts/_json concepts/_names_file concepts/_npz concepts/_saved
        concepts/_tabular concepts/_tfds_builder concepts/_tfds_coders
        concepts/_tfds_columns concepts/_tfds_features concepts/_tfds_inputs
        concepts/_tfds_maps concepts/_tfds_records concepts/_tfds_source
        concepts/_tfds_values concepts/files concepts/synset_names concepts/synsets
        concepts/table concepts/tfds concepts/wordnet
    """,
    "explanations": """
        settings significance held_out positions explanations tables displays exports
        lookups
    """,
    "engine": "options inputs keys parts blocks splits holdout jobs engine places",
    "audits": "drawing nulls",
    "reports": """
        comparison overlaps reports/__init__ reports/behavior
        reports/comparing reports/evidence reports/heat reports/inputs reports/packing
        reports/page reports/payload reports/pictures reports/plots reports/rendering
        reports/summary reports/words
    """,
    "public names": "__init__",
    "demo": """
        demo/__init__ demo/attributes demo/checks demo/digits demo/files demo/job
        demo/labels demo/network demo/screen
    """,
    "cli": """
        sources cli/__init__ cli/collect cli/demo cli/explain cli/main
        cli/compare cli/null cli/report cli/words
        __main__
    """,
}
# The two inputs do not know each other; what reads TFDS data sets also makes inputs
# of models from them.
NEITHER_KNOWS = {("concepts", "activations"), ("activations", "concepts")}
LET_THROUGH = {
    ("concepts/_tfds_inputs", "activations/batches"),
    ("concepts/tfds", "activations/progress"),
}
HEAVY = {"flax", "tensorflow_datasets", "tensorflow", "optax", "matplotlib", "pandas"}
CORE_IMPORTS = {"invert_jax", "jax", "jaxtyping", "numpy", "scipy"}
DISTRIBUTIONS = {
    "PIL": "pillow",
    "sklearn": "scikit-learn",
    "tensorflow_datasets": "tensorflow-datasets",
}
LONGEST_FILE = 400

LAYER_OF = {file: layer for layer, listed in LAYERS.items() for file in listed.split()}
HEIGHT = {layer: height for height, layer in enumerate(LAYERS)}
FILES = sorted(str(path.relative_to(PACKAGE))[:-3] for path in PACKAGE.rglob("*.py"))
every_file = pytest.mark.parametrize("file", FILES)


def parse(file):
    return ast.parse((PACKAGE / f"{file}.py").read_text())


def file_of(module):
    """The file of a dotted name of the package; None of what is no module."""
    path = "/".join(module.split(".")[1:])
    for file in (path, f"{path}/__init__".lstrip("/")):
        if (PACKAGE / f"{file}.py").is_file():
            return file
    return None


def is_for_types(node):
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)


def import_nodes(tree, *, inside_functions):
    """The imports that run: not those for type checkers alone."""
    for node in ast.iter_child_nodes(tree):
        is_function = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node
        elif not is_for_types(node) and (inside_functions or not is_function):
            yield from import_nodes(node, inside_functions=inside_functions)


def imported_modules(file, *, inside_functions=True):
    """The dotted names that a file imports; of `from a import b` a.b if a module."""
    for node in import_nodes(parse(file), inside_functions=inside_functions):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
            continue
        assert node.level == 0 and node.module, "imports are absolute"
        for alias in node.names:
            name = f"{node.module}.{alias.name}"
            ours = node.module.split(".")[0] == "invert_jax"
            yield name if ours and file_of(name) else node.module


def imported_files(file, **choices):
    modules = imported_modules(file, **choices)
    return {file_of(m) for m in modules if m.split(".")[0] == "invert_jax"}


def test_every_file_has_its_layer_and_every_file_listed_exists():
    listed = list(itertools.chain(*(names.split() for names in LAYERS.values())))
    assert len(listed) == len(set(listed))
    assert set(FILES) - set(listed) == set(), "give each new file a layer in LAYERS"
    assert set(listed) - set(FILES) == set(), "take what is gone out of LAYERS"


@every_file
def test_imports_run_downward_only(file):
    layer = LAYER_OF.get(file)
    if layer is None:
        pytest.skip("has no layer yet, which the test above reports")
    for imported in imported_files(file) - {None}:
        below = LAYER_OF.get(imported, layer)
        crosses = (layer, below) in NEITHER_KNOWS
        assert HEIGHT[below] <= HEIGHT[layer], f"{file} imports {imported} above it"
        assert not crosses or (file, imported) in LET_THROUGH, f"{file}: {imported}"


def test_no_files_import_each_other_as_they_are_loaded():
    graph = {file: imported_files(file, inside_functions=False) for file in FILES}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"imports in a circle: {error.args[1]}")


def test_the_imports_read_from_the_source_are_those_that_run():
    """The reader above sees what Python does, in a file that imports in every way."""
    assert imported_files("core/search") >= {"core/exact", "core/beam", "core/packing"}
    assert "numpy" in set(imported_modules("core/exact"))
    assert file_of("invert_jax") == "__init__"
    assert file_of("invert_jax.concepts") == "concepts/__init__"
    assert file_of("invert_jax.core.exact.Wide") is None


@pytest.mark.parametrize("file", [f for f in FILES if LAYER_OF.get(f) == "core"])
def test_the_core_knows_arrays_only(file):
    packages = {module.split(".")[0] for module in imported_modules(file)}
    assert packages - sys.stdlib_module_names <= CORE_IMPORTS
    assert "jit" not in {
        node.attr for node in ast.walk(parse(file)) if isinstance(node, ast.Attribute)
    }, "jit sits at the doors"


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
