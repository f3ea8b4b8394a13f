"""The curve of a run as a PNG: bits per dimension over steps, training and validation. Needs matplotlib (extra ``bench``)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

__all__ = ["plot_log", "read_log"]


def read_log(path: str | Path) -> list[dict[str, Any]]:
    """The entries of a run's ``log.jsonl``. A last line cut short by a kill is left out."""
    entries = []
    for line in Path(path).read_text().splitlines():
        try:
            entries.append(json.loads(line))
        except ValueError:
            continue
    return entries


def plot_log(log: str | Path, image: str | Path) -> None:
    """Draw the log of a run. Raises ValueError where it has no entries yet."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    entries = read_log(log)
    if not entries:
        raise ValueError(f"{log} has no entries yet")
    figure, axes = pyplot.subplots(figsize=(9, 5), layout="constrained")
    series: dict[str, list[tuple[int, float]]] = {}
    for entry in entries:
        for key, value in entry["bits_per_dim"].items():
            key = key.removeprefix("path/")  # as older logs have it
            if "level" not in key:
                kind = "training" if entry["kind"] == "train" else "validation"
                series.setdefault(f"{kind}, {key}", []).append((entry["step"], value))
    for name, points in sorted(series.items()):
        steps, values = zip(*points, strict=True)
        training = name.startswith("training")
        axes.plot(
            steps, values, label=name, alpha=0.4 if training else 1.0, linewidth=0.8 if training else 1.5, marker="" if training else "."
        )
    axes.set(xlabel="step", ylabel="bits per dimension (bound)", title=f"{Path(log).parent.name}: {entries[-1]['step']} steps")
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small")
    figure.savefig(image, dpi=110)
    pyplot.close(figure)
