"""Active inheritance: candidates of one or several teachers, scored; the ones that carry what is wanted, kept."""
