"""A group of samples along the model's path, by bits-back: encoder and decoder are each other's inverse."""
