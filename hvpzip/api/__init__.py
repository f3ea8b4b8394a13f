"""Pictures to ``.hvz`` bytes and back, for arrays, files and batches. Layer rank 4.

``arrays`` (arrays to bytes) < ``files`` (one file, verified and atomic) < ``batch`` (many files on an executor); ``inspect`` reads headers;
``records`` holds what they report. Nothing here imports numpy or torch before a picture has to be coded.
"""

from hvpzip.api.arrays import DEFAULT_MAX_PIXELS, CompressReport, TermBits, compress, compress_with_report, decompress
from hvpzip.api.batch import compress_files, decompress_files
from hvpzip.api.failures import describe_failure
from hvpzip.api.files import compress_file, decompress_file, verify
from hvpzip.api.inspect import Versions, account, info, versions
from hvpzip.api.naming import SUFFIX, Plan, compressed_name, decompressed_name, plan_outputs
from hvpzip.api.records import JSON_KEYS, FileInfo, FileResult, GroupAccount, ScaleAccount, Section, StackPoint, as_record

__all__ = [
    "DEFAULT_MAX_PIXELS",
    "JSON_KEYS",
    "SUFFIX",
    "CompressReport",
    "FileInfo",
    "FileResult",
    "GroupAccount",
    "Plan",
    "ScaleAccount",
    "Section",
    "StackPoint",
    "TermBits",
    "Versions",
    "account",
    "as_record",
    "compress",
    "compress_file",
    "compress_files",
    "compress_with_report",
    "compressed_name",
    "decompress",
    "decompress_file",
    "decompress_files",
    "decompressed_name",
    "describe_failure",
    "info",
    "plan_outputs",
    "verify",
    "versions",
]
