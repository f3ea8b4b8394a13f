"""Experiments around training: variants of a run, noise levels, schedules searched for. No model that ships needs them."""
