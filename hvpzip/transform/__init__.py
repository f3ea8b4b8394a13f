"""Pixels to scales and back, exactly: reversible colour lift (``colour``), integer wavelets (``lifting``, ``maps``), levels, tiles."""
