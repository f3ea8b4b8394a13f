"""hvpzip beside other lossless codecs, over a folder of photos: ``python -m benchmarks FOLDER``.

Outside the package: it imports hvpzip's public names only, and they only inside the adapter that needs them.
"""
