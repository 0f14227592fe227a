"""Motion that words ask for: flow diffusion, after LFDM (Ni et al. 2023)."""
