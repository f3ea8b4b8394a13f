"""The networks: features and predictions in integers, one graph for float training and integer inference, weights."""
