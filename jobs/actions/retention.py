"""How long jobs are kept: 30 days after they ended, with all that belongs to them."""
