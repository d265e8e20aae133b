"""Experiment trackers, which record a run in addition to its own files.

A tracker is a registered subclass of :class:`Tracker` in a file of its own; its fields are its options.
"""

from nas.tracking.base import Artifact, Table, Tracker, make_tracker, register, tracker_names
from nas.tracking.guard import Guard

__all__ = ["Artifact", "Guard", "Table", "Tracker", "make_tracker", "register", "tracker_names"]
