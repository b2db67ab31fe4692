"""The table of pinned binaries against what is installed, and the errors of an installation that is not the pinned one."""

import hashlib
import importlib.util
from pathlib import Path

import pytest

from spinn_mam.errors import BackendUnavailableError, MissingExtraError, UsageError
from spinn_mam.virtual_board import binaries

spynnaker = pytest.mark.skipif(importlib.util.find_spec("spynnaker") is None, reason="needs sPyNNaker")

#: Digests that were taken of the same release on another computer, months before the table.
MD5 = {
    "IF_curr_exp": "b5440363e44bb91c663b0c5ff5f44e6b",
    "IF_curr_exp_neuron": "4db7eff1d055ae8bbee6e736eac74755",
    "synapses": "485a6fc7e8efa77eed8a04f14a759acb",
    "scamp": "a325ae172c73ca31b7cb0b2d92f4d7a2",
}


def test_the_table_holds_the_digests_that_others_took() -> None:
    assert {name: binaries.pinned()[name].md5 for name in MD5} == MD5
    assert len(binaries.pinned()) == 101
    assert set(binaries.pinned()) >= binaries.TESTED


@spynnaker
def test_the_installation_is_the_table() -> None:
    binaries.check_installation()
    table = Path(binaries.__file__).with_name("binaries.csv").read_text()
    assert binaries.write_table() == table


@spynnaker
def test_an_image_is_known_by_its_content() -> None:
    image = binaries.binary_path("IF_curr_exp").read_bytes()
    for padded in (image, image + bytes(24)):
        found = binaries.identify(padded)
        assert found is not None
        assert found.name == "IF_curr_exp"
        assert found.tested
    assert binaries.identify(image[:-1]) is None
    assert binaries.identify(image[:-1] + b"?") is None
    assert binaries.identify(b"") is None


@spynnaker
def test_the_length_of_an_image_is_in_its_records() -> None:
    for name, binary in binaries.pinned().items():
        if binary.distribution != "SpiNNMan":  # the boot image is no APLX file
            image = binaries.binary_path(name).read_bytes()
            assert binaries.aplx_bytes(image + b"rest") == binary.n_bytes == len(image)
    assert binaries.aplx_bytes(bytes(64)) == 0


@spynnaker
def test_a_changed_binary_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    changed = tmp_path / "synapses.aplx"
    changed.write_bytes(b"other")
    files = binaries._files

    def some_changed(distribution: str) -> list[Path]:
        return [changed if path.stem == "synapses" else path for path in files(distribution)]

    monkeypatch.setattr(binaries, "_files", some_changed)
    with pytest.raises(BackendUnavailableError, match=rf"synapses\.aplx: the binary 'synapses' is not .*{hashlib.sha256(b'other').hexdigest()[:16]}"):
        binaries.check_installation()
    with pytest.raises(BackendUnavailableError, match="'synapses'"):
        binaries.binary_path("synapses")
    assert binaries.binary_path("IF_curr_exp").is_file()
    monkeypatch.setattr(binaries, "_files", lambda distribution: [path for path in files(distribution) if path.stem != "IF_cond_exp"])
    with pytest.raises(BackendUnavailableError, match="without its binary 'IF_cond_exp'"):
        binaries.check_installation()


def test_another_release_is_named_with_the_expected_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binaries.metadata, "version", lambda name: "1!7.5.0")
    with pytest.raises(BackendUnavailableError, match=r"sPyNNaker 1!7\.5\.0 is installed.* 1!7\.4\.1: run pip install") as raised:
        binaries.check_installation()
    assert raised.value.exit_code == 4
    with pytest.raises(UsageError, match="has no binary 'no_such'"):
        binaries.binary_path("no_such")


def test_missing_packages_are_named_with_their_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> str:
        raise binaries.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(binaries.metadata, "version", missing)
    with pytest.raises(MissingExtraError, match=r"'sPyNNaker', which is not installed.*spinn-mam\[spinnaker\]"):
        binaries.check_installation()
    monkeypatch.setattr(binaries.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"'unicorn', which is not installed.*spinn-mam\[board\]"):
        binaries.check_unicorn()


def test_a_binary_beyond_the_list_is_refused_by_name() -> None:
    error = binaries.UnsupportedBinaryError("IF_curr_alpha", "ab" * 32, "chip (0, 1), core 4")
    assert str(error).startswith(
        "chip (0, 1), core 4 is to run 'IF_curr_alpha', which the virtual board is not tested with; it is tested with IF_cond"
    )
    assert "--any-binary" in str(error)
    assert "doesn't ship (sha256 abab" in str(binaries.UnsupportedBinaryError("", "ab" * 32, "chip (0, 1), core 4"))
