"""The papers' diffusion: a cascade of time-conditioned diffusions over a volume-preserving map, its bounds and its uses.

    log_snr.py           gamma(t) = -log SNR: linear, cosine, learned (VDM's monotone network)
    parameterisation.py  eps, v, x and mixture: what the network says, as an estimate of x
    denoiser.py          one network a scale, all noise levels
    cascade.py           all scales of a map: units of the noise, preconditioning, configuration
    bound.py             prior, diffusion (T steps or continuous time) and reconstruction
    images.py            mosaics of small pictures
    loop.py              training
    evaluate.py          the bound on pictures, in continuous time and in T steps
    path.py, steps.py    few noise levels: their bound, and the best ones by dynamic programming
    integer.py, quantise.py, coding.py, strict.py    a path coded by bits-back in integers
    ode.py, local_bits_back.py    the probability-flow ODE: likelihood, and coding with it as a flow
    sampling.py, ood.py  draws and means of what is not known; scores of unlikeness
    cli.py, figures.py   python -m hvpzip.training diffusion

Only research code: nothing here is needed to code a file with a shipped model. Reference: docs/diffusion.md.
"""
