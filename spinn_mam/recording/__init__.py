"""What a run leaves behind: spikes and sampled potentials as columns, in memory or on disk, the same from every backend."""

from spinn_mam.recording.activity import ActivityCounts, Potentials
from spinn_mam.recording.files import RecordingWriter
from spinn_mam.recording.recording import Recording
from spinn_mam.recording.selection import global_indices, parse_selection

__all__ = ["ActivityCounts", "Potentials", "Recording", "RecordingWriter", "global_indices", "parse_selection"]
