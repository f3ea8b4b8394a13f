"""What encoder, decoder, fit and measurements share of the way through a group: its levels, and the network's states along a path."""
