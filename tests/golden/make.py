"""Writes the golden files of this folder. Run it only to add files, or after a change of the format that is meant: review what it changes.

python tests/golden/make.py              the payloads of the tiny model (tests/conftest.py), which never change
python tests/golden/make.py --bundled    good-photo-<model id>.hvz by the bundled default model

tiny-*.payload   payload of a group, made by the tiny model from a crop of examples/kodim23-crop.png
good-*.hvz       whole files that must decode as long as their model is installed
digests.txt      one line a file: SHA-256 of the decoded samples, uint8 in the order (row, column, channel), and the file's name
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np

FOLDER = Path(__file__).resolve().parent
DIGESTS = FOLDER / "digests.txt"

# name: map, path, crop (left, top, width, height), gray
TINY = {
    "tiny-rgb-diffusion.payload": (0, "diffusion", (64, 40, 64, 48), False),
    "tiny-rgb-direct.payload": (0, "direct", (64, 40, 64, 48), False),
    "tiny-odd-haar.payload": (1, "diffusion", (90, 60, 37, 21), False),
    "tiny-odd-legall53.payload": (2, "diffusion", (90, 60, 21, 37), False),
    "tiny-gray-diffusion.payload": (0, "diffusion", (120, 20, 33, 50), True),
    "tiny-lattice-diffusion.payload": (0, "diffusion", (32, 20, 96, 80), False),
    "tiny-lattice-direct.payload": (0, "direct", (32, 20, 96, 80), False),
    "tiny-row-direct.payload": (0, "direct", (120, 20, 40, 1), False),
}
# The same, with adapted heads: another processor may find other changes, so these are read again, not written again.
ADAPTED = {
    "tiny-adapted-diffusion.payload": (0, "diffusion", (64, 40, 64, 64), False),
    "tiny-adapted-lattice-direct.payload": (0, "direct", (32, 20, 96, 80), False),
}
BUNDLED_CROP = (64, 40, 64, 48)


def helpers() -> ModuleType:
    """tests/conftest.py, where the tiny model is."""
    spec = importlib.util.spec_from_file_location("golden_helpers", FOLDER.parent / "conftest.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def digest(samples: np.ndarray) -> str:
    """SHA-256 of samples ``(C, h, w)`` in the order (row, column, channel)."""
    return hashlib.sha256(np.ascontiguousarray(samples.transpose(1, 2, 0)).tobytes()).hexdigest()


def encode_tiny(name: str) -> tuple[bytes, np.ndarray]:
    """Payload of a golden file, made anew, and the samples that it holds."""
    from hvpzip.codec import image_codec
    from hvpzip.codec.fitting import FitSettings

    transform, path, box, gray = (TINY | ADAPTED)[name]
    fit = FitSettings(steps=12, batch=512) if name in ADAPTED else None
    tools = helpers()
    samples, model = tools.photo_crop(*box, gray), tools.make_tiny_model(transform)
    found = image_codec.encode_along(samples, model, model.schedule.path_names.index(path), learn_colours="lattice" in name, fit=fit)
    assert found is not None, f"{name}: the stack ran dry"
    return found[0], samples


def main() -> int:
    """Write the files and add their digests."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bundled", action="store_true", help="write a whole file by the bundled default model")
    digests = dict(line.split()[::-1] for line in DIGESTS.read_text().splitlines()) if DIGESTS.exists() else {}
    if parser.parse_args().bundled:
        import hvpzip
        from hvpzip.nn.weights import list_models, model_id

        samples = helpers().photo_crop(*BUNDLED_CROP)
        name = f"good-photo-{model_id(list_models()[0]).hex()}.hvz"
        (FOLDER / name).write_bytes(hvpzip.compress(np.ascontiguousarray(samples.transpose(1, 2, 0))))
        digests[name] = digest(samples)
    else:
        for name in TINY | ADAPTED:
            payload, samples = encode_tiny(name)
            (FOLDER / name).write_bytes(payload)
            digests[name] = digest(samples)
    DIGESTS.write_text("".join(f"{value}  {name}\n" for name, value in sorted(digests.items())))
    return 0


if __name__ == "__main__":
    sys.path.insert(0, str(FOLDER.parents[1]))
    sys.exit(main())
