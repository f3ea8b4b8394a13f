"""The diffusion over scales: schedules as data, and the bound they give, term by term."""
