"""The papers' diffusion: a cascade of time-conditioned diffusions over a volume-preserving map, its bounds and its uses.

    log_snr.py           gamma(t) = -log SNR: linear, cosine, learned (VDM's monotone network)
    parameterisation.py  eps, v, x and mixture: what the network says, as an estimate of x
    denoiser.py          one network a scale, all noise levels
    cascade.py           all scales of a map: units of the noise, preconditioning, configuration
    bound.py             prior, diffusion (T steps or continuous time) and reconstruction
    images.py            mosaics of small pictures
    loop.py              training

Only research code: nothing here is needed to code a file with a shipped model. Reference: docs/diffusion.md.
"""
