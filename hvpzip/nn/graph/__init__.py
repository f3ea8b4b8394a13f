"""The networks as a graph in torch: for training, for export, and for coding on CUDA.

Needs the extra ``torch``; nothing else in ``hvpzip.nn`` imports it before it is asked for.
"""
