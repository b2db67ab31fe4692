"""The script of docs/pynn.md runs as it stands, and the page's list of what is refused is true."""

import re
from pathlib import Path

import pytest

pytest.importorskip("pyNN")

PAGE = (Path(__file__).parents[2] / "docs" / "pynn.md").read_text(encoding="utf-8")
SCRIPT = "\n".join(re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL))


def test_the_script_runs(capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, object] = {}
    exec(compile(SCRIPT, "docs/pynn.md", "exec"), names)
    rate = float(capsys.readouterr().out) / 0.1
    assert 1 < rate < 100
    (segment,) = names["block"].segments
    assert len(segment.spiketrains) == 100
    assert segment.analogsignals[0].shape == (1001, 100)
