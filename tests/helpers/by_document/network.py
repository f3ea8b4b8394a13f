"""The network and its mixtures' weights, written from docs/format.md alone: sections 7.5 and 7.10."""

import numpy as np

from hvpzip.core.tables import exp2_table, gaussian_tables

TABLES = gaussian_tables()
PHI, RECIPROCAL, SCALE64, EXP2 = (table.tolist() for table in (TABLES.phi, TABLES.reciprocal, TABLES.scale64, exp2_table()))


def rhe(values: np.ndarray, shift: int) -> np.ndarray:
    if shift == 0:
        return values
    down = values >> shift
    rest, half = values - (down << shift), 1 << (shift - 1)
    return down + ((rest > half) | ((rest == half) & (down % 2 == 1)))


def weights(logits: list[int]) -> list[int]:
    top = max(logits)
    p = [EXP2[min(top - logit, 1344)] for logit in logits]
    found = [share * (2**16 - len(p)) // sum(p) + 1 for share in p]
    found[logits.index(top)] += 2**16 - sum(found)
    return found


class Network:
    """7.10, on int64 arrays ``(C, h, w)``."""

    def __init__(self, tensors: dict[str, np.ndarray], prefix: str) -> None:
        self.get = lambda name: tensors[f"{prefix}.{name}"].astype(np.int64)
        self.blocks = lambda name: sum(f"{prefix}.{name}.blocks.{n}.mix.weight" in tensors for n in range(9))

    def correlate(self, x: np.ndarray, w: np.ndarray, mode: str) -> np.ndarray:
        k = w.shape[-1]
        h, wide = x.shape[1:]
        x = np.pad(x, ((0, 0), (k // 2, k // 2), (k // 2, k // 2)), mode=mode)
        return sum(np.einsum("oi,ihw->ohw", w[:, :, r, c], x[:, r : r + h, c : c + wide]) for r in range(k) for c in range(k))

    def conv(self, name: str, a: np.ndarray, back: int) -> np.ndarray:
        total = self.correlate(a, self.get(f"{name}.weight"), "constant") + self.get(f"{name}.bias")[:, None, None]
        return np.stack([rhe(plane, int(e) - back) for plane, e in zip(total, self.get(f"{name}.exponent"), strict=True)])

    def act(self, f: np.ndarray) -> np.ndarray:
        return np.clip(rhe(f, 3), 0, 255)

    def carry(self, name: str, a: np.ndarray, f: np.ndarray | int) -> np.ndarray:
        return np.clip(f + self.conv(name, a, 3), -32767, 32767)

    def branch(self, name: str, inputs: np.ndarray, f: np.ndarray | int) -> np.ndarray:
        f = self.carry(f"{name}.embed", inputs, f)
        for n in range(self.blocks(name)):
            block = f"{name}.blocks.{n}"
            f = self.carry(f"{block}.mix", np.clip(self.conv(f"{block}.spatial", self.act(f), 0), 0, 255), f)
        return f

    def head(self, step: int, f: np.ndarray) -> np.ndarray:
        hidden = np.clip(self.conv(f"heads.{step}.hidden", self.act(f), 0), 0, 255)
        return np.clip(self.conv(f"heads.{step}.out", hidden, 1), -2047, 2047)

    def closed(self, step: int, kind: str, known: np.ndarray) -> np.ndarray:
        name = f"closed_form.{step}.{kind}"
        total = self.correlate(known, self.get(f"{name}_weight"), "edge") + self.get(f"{name}_bias")[:, None, None]
        return rhe(total, 6 if kind == "mean" else 8)


def compand(d: np.ndarray) -> np.ndarray:
    size = np.minimum(np.abs(d), 1023)
    return np.sign(d) * np.minimum(127, np.round(14 * np.log2(1 + size))).astype(np.int64)


def differences(x: np.ndarray) -> list[np.ndarray]:
    p = np.pad(x, ((0, 0), (0, 1), (0, 1)), mode="edge")
    here, right, below, diagonal = p[:, :-1, :-1], p[:, :-1, 1:], p[:, 1:, :-1], p[:, 1:, 1:]
    return [right - here, below - here, diagonal - here, below - right]
