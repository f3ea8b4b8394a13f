"""Models are loaded once a process."""

from hvpzip.api import runtime


def test_model_is_loaded_once_a_process() -> None:
    model = runtime.model_by_name(None)
    assert runtime.model_by_name(None) is model
    assert runtime.model_by_id(model.id) is runtime.model_by_id(bytes(model.id))
