"""Many files: what is done with each (``jobs``, ``existing``, ``sources``), the files of a folder (``tree``), all on an executor (``runs``,
``workers``)."""

from hvpzip.api.batch.jobs import Job
from hvpzip.api.batch.runs import compress_files, decompress_files, run_batch
from hvpzip.api.batch.sources import SourceState, delete_source, refuse_to_remove, source_state
from hvpzip.api.batch.tree import Tree, plan_tree

__all__ = [
    "Job",
    "SourceState",
    "Tree",
    "compress_files",
    "decompress_files",
    "delete_source",
    "plan_tree",
    "refuse_to_remove",
    "run_batch",
    "source_state",
]
