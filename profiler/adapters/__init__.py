"""Other harnesses ask our probes: each adapter hands requests over and answers back, and computes nothing."""
