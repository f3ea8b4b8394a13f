"""The image codec: groups of samples to payloads and back, by bits-back along the model's schedule."""
