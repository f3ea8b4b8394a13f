"""Which colours a group can have, learnt from its pixels: factors for the frequencies of the two chroma channels."""
