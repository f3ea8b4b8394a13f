"""An array goes to bytes and comes back; both stay in memory.

python examples/compress_array.py [PHOTO]
"""

import sys
from pathlib import Path

import numpy as np
from PIL import Image

import hvpzip


def main() -> None:
    path = sys.argv[1] if len(sys.argv) > 1 else str(Path(__file__).with_name("kodim23-crop.png"))
    samples = np.asarray(Image.open(path))  # uint8, (height, width, 3) or (height, width)

    data = hvpzip.compress(samples)
    restored = hvpzip.decompress(data)

    if not np.array_equal(restored, samples):
        raise SystemExit("the photo did not come back: please report this as a bug")
    print(f"{samples.nbytes} -> {len(data)} bytes, {8 * len(data) / samples.size:.3f} bits per sample; restored exactly")


if __name__ == "__main__":
    main()
