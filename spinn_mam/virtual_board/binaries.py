"""The ARM binaries of the one sPyNNaker release that the board is checked against: their sizes and hashes, and what the installation has.

The table ``binaries.csv`` holds every binary of that release's wheels. It was made, with that release installed, by::

    python -m spinn_mam.virtual_board.binaries > spinn_mam/virtual_board/binaries.csv

The binaries themselves are read from the installed wheels or arrive over the network; none is part of this package.
"""

from __future__ import annotations

import csv
import hashlib
import importlib.util
import io
import struct
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import metadata, resources
from pathlib import Path
from types import MappingProxyType

from spinn_mam.errors import BackendUnavailableError, MissingExtraError, UsageError

#: The release whose binaries the table holds.
RELEASE = "1!7.4.1"
#: Distributions that bring binaries: the import name, and what is a binary below it.
SOURCES = {
    "sPyNNaker": ("spynnaker", "pyNN/model_binaries/*.aplx"),
    "SpiNNFrontEndCommon": ("spinn_front_end_common", "common_model_binaries/*.aplx"),
    "SpiNNMan": ("spinnman", "messages/spinnaker_boot/boot_data/*.boot"),
}
#: Records at the beginning of an APLX file: operation and three words. What is copied from a place relative to its record (RCOPY: target,
#: distance, bytes) is in the file; EXEC is the last record.
_RECORD = struct.Struct("<4I")
_RCOPY, _EXEC = 2, 4
_OTHER_RECORDS = (1, 3)
#: Binaries that ran on the board in the regression networks.
TESTED = frozenset(
    {
        "IF_curr_exp",
        "IF_curr_exp_neuron",
        "IF_curr_exp_stdp_mad_pair_additive",
        "IF_cond_exp",
        "IF_cond_exp_neuron",
        "IZK_curr_exp",
        "IZK_curr_exp_neuron",
        "synapses",
        "synapses_stdp_mad_pair_additive",
        "spike_source_poisson",
        "reverse_iptag_multicast_source",
        "delay_extension",
        "synapse_expander",
        "neuron_expander",
        "simple_pair_compressor",
        "simple_unordered_compressor",
    }
)


#: The tools' own binaries on each chip, which tests run too; with the settings that a board proposes the tools do without.
MONITORS = frozenset({"extra_monitor_support", "data_speed_up_packet_gatherer"})


@dataclass(frozen=True, slots=True)
class Binary:
    """One binary of the pinned release.

    Attributes
    ----------
    name : str
        File name without its ending, such as ``"IF_curr_exp"``.
    distribution : str
        The distribution that ships it.
    n_bytes : int
    sha256, md5 : str
        Hexadecimal digests of the file.
    """

    name: str
    distribution: str
    n_bytes: int
    sha256: str
    md5: str

    @property
    def tested(self) -> bool:
        """Whether tests run it on the board."""
        return self.name in TESTED or self.name in MONITORS


class UnsupportedBinaryError(UsageError):
    """A core is to run a binary that the board was not tested with.

    Parameters
    ----------
    name : str
        Name of the binary; empty if it is none of the release's.
    sha256 : str
    where : str
        The core, for example ``"chip (0, 0), core 3"``.
    """

    def __init__(self, name: str, sha256: str, where: str) -> None:
        self.name = name
        self.sha256 = sha256
        self.where = where
        what = f"'{name}'" if name else f"a binary that sPyNNaker {RELEASE} doesn't ship (sha256 {sha256[:16]}...)"
        super().__init__(
            f"{where} is to run {what}, which the virtual board is not tested with; it is tested with {', '.join(sorted(TESTED))}. "
            "Use models of these, or give --any-binary to run it at your own risk"
        )


@cache
def pinned() -> Mapping[str, Binary]:
    """Return the binaries of the pinned release by name."""
    text = resources.files("spinn_mam.virtual_board").joinpath("binaries.csv").read_text(encoding="utf-8")
    rows = csv.DictReader(io.StringIO(text))
    return MappingProxyType({row["name"]: Binary(row["name"], row["distribution"], int(row["bytes"]), row["sha256"], row["md5"]) for row in rows})


def identify(image: bytes) -> Binary | None:
    """Say which binary of the release an image is, by its content; None if it is none of them.

    Parameters
    ----------
    image : bytes
        As it was loaded: the file, and whatever is in memory behind it.

    Examples
    --------
    >>> identify(b"not a binary") is None
    True
    """
    return _by_digest().get(hashlib.sha256(memoryview(image)[: aplx_bytes(image)]).hexdigest())


def aplx_bytes(image: bytes) -> int:
    """Return the length of the APLX file that an image begins with, as its own records say; 0 if it is none."""
    end = 0
    for at in range(0, len(image) - _RECORD.size + 1, _RECORD.size):
        operation, _, distance, n_bytes = _RECORD.unpack_from(image, at)
        end = max(end, at + _RECORD.size)
        if operation == _RCOPY:
            end = max(end, at + distance + n_bytes)
        elif operation == _EXEC:
            return end
        elif operation not in _OTHER_RECORDS:
            break
    return 0


@cache
def _by_digest() -> Mapping[str, Binary]:
    return {binary.sha256: binary for binary in pinned().values()}


def binary_path(name: str) -> Path:
    """Return where the installation has a binary of the release.

    Parameters
    ----------
    name : str
        Such as ``"IF_curr_exp"``.

    Raises
    ------
    UsageError
        If the release has no such binary.
    MissingExtraError
        If the distribution that ships it is not installed.
    BackendUnavailableError
        If the installed release is another one, or the file is not the pinned one.
    """
    binary = pinned().get(name)
    if binary is None:
        raise UsageError(f"sPyNNaker {RELEASE} has no binary '{name}'")
    check_release(binary.distribution)
    path = next((p for p in _files(binary.distribution) if p.stem == name), None)
    if path is None:
        raise BackendUnavailableError(f"{binary.distribution} {RELEASE} is installed without its binary '{name}': {_REINSTALL}")
    _check_file(path, binary)
    return path


def check_installation() -> None:
    """Check that the pinned release is installed and that its binaries are the pinned ones.

    Raises
    ------
    MissingExtraError
        If sPyNNaker is not installed.
    BackendUnavailableError
        If it is another release, or a binary is missing or has changed.
    """
    for distribution in SOURCES:
        check_release(distribution)
    files = {path.stem: path for distribution in SOURCES for path in _files(distribution)}
    for name, binary in pinned().items():
        if name not in files:
            raise BackendUnavailableError(f"{binary.distribution} {RELEASE} is installed without its binary '{name}': {_REINSTALL}")
        _check_file(files[name], binary)


def check_release(distribution: str = "sPyNNaker") -> None:
    """Check that the pinned release of a distribution is installed; errors as ``check_installation``."""
    try:
        version = metadata.version(distribution)
    except metadata.PackageNotFoundError:
        raise MissingExtraError("running sPyNNaker's binaries", "spinnaker", distribution) from None
    if version != RELEASE:
        raise BackendUnavailableError(
            f"{distribution} {version} is installed, but the virtual board is checked against the binaries of {RELEASE}: "
            f"run pip install '{distribution}=={RELEASE}'"
        )


def check_unicorn() -> None:
    """Check that the CPU emulator is installed.

    Raises
    ------
    MissingExtraError
        If it is not.
    """
    if importlib.util.find_spec("unicorn") is None:
        raise MissingExtraError("the virtual board", "board", "unicorn")


_REINSTALL = f"run pip install --force-reinstall --no-deps 'sPyNNaker=={RELEASE}' 'SpiNNFrontEndCommon=={RELEASE}' 'SpiNNMan=={RELEASE}'"


def _files(distribution: str) -> Iterator[Path]:
    package, pattern = SOURCES[distribution]
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise MissingExtraError("running sPyNNaker's binaries", "spinnaker", distribution)
    yield from sorted(Path(spec.origin).parent.glob(pattern))


def _check_file(path: Path, binary: Binary) -> None:
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    if digest != binary.sha256:
        raise BackendUnavailableError(
            f"{path}: the binary '{binary.name}' is not the one of {binary.distribution} {RELEASE} "
            f"(sha256 {digest[:16]}..., expected {binary.sha256[:16]}...): {_REINSTALL}"
        )


def write_table() -> str:
    """Return the table of the installed binaries as CSV."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(("name", "distribution", "bytes", "sha256", "md5"))
    for distribution in SOURCES:
        check_release(distribution)
        for path in _files(distribution):
            image = path.read_bytes()
            writer.writerow(
                (path.stem, distribution, len(image), hashlib.sha256(image).hexdigest(), hashlib.md5(image, usedforsecurity=False).hexdigest())
            )
    return out.getvalue()


if __name__ == "__main__":
    sys.stdout.write(write_table())
