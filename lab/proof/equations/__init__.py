"""The equations, each with its check: a file for each chapter of the README."""

from lab.proof.equations import (  # noqa: F401  importing a chapter registers its checks
    a_process,
    b_advantages,
    c_distributions,
    d_network,
    e_value,
    f_ppo,
    h_tokens,
)
