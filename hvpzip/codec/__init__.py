"""Groups of samples to payloads and back: by the model along its schedule, by coders without a model, and by the smaller of both."""
