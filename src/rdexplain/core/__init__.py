"""The rate-distortion core: noise, the objective and its gradient, the solver."""
