"""The compiled core: kernels in C++ (``src/``), built with the package into ``hvpzip.core._core``.

Layer rank 0: imports the standard library and ``_core`` only.
"""
