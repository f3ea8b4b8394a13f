"""Training: ``python -m hvpzip.training --help``. Never needed to compress or decompress."""
