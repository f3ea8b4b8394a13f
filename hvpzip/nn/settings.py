"""What ``config.json`` in a model's folder says of the model, before anything of it is loaded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hvpzip.errors import ModelError

__all__ = ["FORMAT", "settings"]

FORMAT = 1


def settings(folder: Path) -> dict[str, Any]:
    """What config.json of a model's folder says. Raises ModelError."""
    name = folder.name
    try:
        data = json.loads((folder / "config.json").read_text())
        if data["format"] != FORMAT:
            raise ModelError(f"model {name} has format {data['format']}, this version reads {FORMAT}")
        bytes.fromhex(data["id"])
        wanted = ("photo_model", "noise_path") if "noise_path" in data else ("network", "schedule", "self_test")
        missing = [key for key in wanted if key not in data]
        if missing:
            raise ValueError(f"it does not say {', '.join(missing)}")
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise ModelError(f"model {name}: config.json is missing or damaged ({error})") from error
    assert isinstance(data, dict)
    return data
