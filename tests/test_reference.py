"""The reference is whole: whoever reads a public docstring learns what goes in, what comes out and what is raised."""

import ast
import importlib
import inspect
import re
import textwrap

import pytest

import carousel
import carousel_models

FACES = [
    "carousel",
    "carousel.client",
    "carousel.offline",
    *(f"carousel_models.{name}" for name in carousel_models.__all__),
]
ARRAYS = ("Floats", "Samples", "ArrayLike", "ndarray", "Steps")


def public():
    """Each public function and method, by its name."""
    for face in FACES:
        module = importlib.import_module(face)
        for name in module.__all__:
            thing = getattr(module, name)
            if inspect.isfunction(thing):
                yield f"{face}.{name}", thing
            elif inspect.isclass(thing):
                for key, own in vars(thing).items():
                    function = getattr(own, "__func__", own)
                    if not key.startswith("_") and inspect.isfunction(function):
                        yield f"{face}.{name}.{key}", function


PUBLIC = dict(public())


def section(text, name):
    """What stands in a section of a docstring."""
    found = re.search(rf"^{name}:\n((?:    .*\n?|\n)+)", text, re.MULTILINE)
    return found[1] if found else ""


def faults(function):
    """What a reader would not learn."""
    text, signature = inspect.getdoc(function) or "", inspect.signature(function)
    given = [name for name in signature.parameters if name not in {"self", "cls"}]
    said = {
        name
        for line in re.findall(r"^    (\w[\w, ]*):", section(text, "Args"), re.MULTILINE)
        for name in line.split(", ")
    }
    yield from (f"Args does not name {name}" for name in given if name not in said)
    yield from (f"Args names {name}, which it does not take" for name in said - {*given})
    returned = signature.return_annotation
    if returned not in {None, "None", inspect.Signature.empty} and not section(text, "Returns") + section(
        text, "Yields"
    ):
        yield "it says nothing of what is returned"
    if any(array in str(signature) for array in ARRAYS) and not re.search(r"\[[a-z_]\w*(, \w+)*\]", text):
        yield "it takes or gives arrays and says no shape"
    code = ast.parse(textwrap.dedent(inspect.getsource(function)))
    raises = {
        node.exc.func.id
        for node in ast.walk(code)
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call) and isinstance(node.exc.func, ast.Name)
    }
    known = set(re.findall(r"^    (\w+):", section(text, "Raises"), re.MULTILINE))
    yield from (f"Raises does not name {name}" for name in raises - known if name[0].isupper())


def test_there_is_something_public():
    assert {"carousel.load", "carousel.client.Client.predict", "carousel_models.export.export"} <= PUBLIC.keys()
    assert set(carousel.__all__) == {"LocalModel", "__version__", "load"}


@pytest.mark.parametrize("name", PUBLIC)
def test_each_public_function_says_what_goes_in_and_comes_out(name):
    assert list(faults(PUBLIC[name])) == []


def test_what_is_left_out_would_be_found():
    def silent(steps: "ArrayLike", much: int) -> "Floats":  # noqa: ARG001, F821 - as a docstring would have it
        """Do.

        Args:
            steps: Some.
            more: There is none.
        """
        raise ValueError(much)

    assert list(faults(silent)) == [
        "Args does not name much",
        "Args names more, which it does not take",
        "it says nothing of what is returned",
        "it takes or gives arrays and says no shape",
        "Raises does not name ValueError",
    ]
