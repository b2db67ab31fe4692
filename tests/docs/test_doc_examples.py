"""The examples in docstrings give what they say; modules are imported by name, so links at the top level do not count twice."""

import doctest
import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODULES = [
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    for path in sorted((ROOT / "spinn_mam").rglob("*.py"))
    if path.name != "__main__.py" and ">>> " in path.read_text(encoding="utf-8")
]


class Checker(doctest.OutputChecker):
    """Takes numpy's booleans for Python's, which is all that a reader sees in them."""

    def check_output(self, want: str, got: str, optionflags: int) -> bool:
        plain = {"np.True_\n": "True\n", "np.False_\n": "False\n"}
        return super().check_output(want, plain.get(got, got), optionflags)


def test_there_are_examples() -> None:
    assert len(MODULES) > 15


@pytest.mark.parametrize("name", MODULES)
def test_examples(name: str) -> None:
    module = importlib.import_module(name)
    tests = [test for test in doctest.DocTestFinder().find(module) if test.examples]
    assert tests, "there are examples that doctest does not find"
    runner = doctest.DocTestRunner(Checker(), optionflags=doctest.NORMALIZE_WHITESPACE)
    said: list[str] = []
    for test in tests:
        runner.run(test, out=said.append)
    assert not runner.failures, "".join(said)
