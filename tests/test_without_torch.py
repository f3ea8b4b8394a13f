"""Compressing and decompressing need no torch: it is for training and CUDA."""

import sys
from pathlib import Path

from tests.helpers.children import ran

PHOTO = Path(__file__).resolve().parent.parent / "examples" / "kodim23-crop.png"

CODE = """
import sys
sys.modules["torch"] = None  # whoever imports it fails
import numpy as np
from PIL import Image
import hvpzip
photo = np.asarray(Image.open(sys.argv[1]).convert("RGB"))[:160, :200]
for samples in (photo, np.ascontiguousarray(photo[:, :, 1]), photo[:16, :16]):
    data = hvpzip.compress(np.ascontiguousarray(samples), effort=2)
    assert np.array_equal(hvpzip.decompress(data), samples)
    assert hvpzip.info(data).model != "none"
print("done", [name for name in sys.modules if name.split(".")[0] in ("torch", "numba")])
"""


def test_a_photo_is_compressed_and_comes_back_without_torch() -> None:
    done = ran([sys.executable, "-c", CODE, str(PHOTO)], cwd=PHOTO.parents[1])
    assert done.stdout.strip() == "done ['torch']", done.stderr
