"""Pictures to ``.hvz`` bytes and back, for arrays, files and batches.

``arrays`` (arrays to bytes) < ``files`` (one file, verified and atomic) < ``batch`` (many files on an executor); ``inspect`` reads headers;
``records`` holds what they report. Nothing here imports numpy before a picture has to be coded.
"""

from hvpzip.api.arrays import compress, compress_with_report, decompress
from hvpzip.api.batch import (
    Job,
    SourceState,
    Tree,
    compress_files,
    decompress_files,
    delete_source,
    plan_tree,
    refuse_to_remove,
    run_batch,
    source_state,
)
from hvpzip.api.decoding import packed_bytes
from hvpzip.api.encoding import CompressReport
from hvpzip.api.failures import describe_failure, failed
from hvpzip.api.files import compress_file, decompress_file, verify
from hvpzip.api.inspect import Versions, account, bit_map, choices, draw_bit_map, info, likeness, versions
from hvpzip.api.naming import SUFFIX, PlannedFile, compressed_name, decompressed_name, plan_outputs
from hvpzip.api.options import DEFAULT_MAX_PIXELS, CompressOptions, DecompressOptions, FileOptions
from hvpzip.api.records import JSON_KEYS, Damage, FileInfo, FileResult, GroupAccount, Likeness, ScaleAccount, Section, StackPoint, as_record
from hvpzip.api.view import Crop, checked_scale
from hvpzip.diffusion.bound import Term

__all__ = [
    "DEFAULT_MAX_PIXELS",
    "JSON_KEYS",
    "SUFFIX",
    "CompressOptions",
    "CompressReport",
    "Crop",
    "Damage",
    "DecompressOptions",
    "FileInfo",
    "FileOptions",
    "FileResult",
    "GroupAccount",
    "Job",
    "Likeness",
    "PlannedFile",
    "ScaleAccount",
    "Section",
    "SourceState",
    "StackPoint",
    "Term",
    "Tree",
    "Versions",
    "account",
    "as_record",
    "bit_map",
    "checked_scale",
    "choices",
    "compress",
    "compress_file",
    "compress_files",
    "compress_with_report",
    "compressed_name",
    "decompress",
    "decompress_file",
    "decompress_files",
    "decompressed_name",
    "delete_source",
    "describe_failure",
    "draw_bit_map",
    "failed",
    "info",
    "likeness",
    "packed_bytes",
    "plan_outputs",
    "plan_tree",
    "refuse_to_remove",
    "run_batch",
    "source_state",
    "verify",
    "versions",
]
