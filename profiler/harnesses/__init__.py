"""Other people's front doors: our probes in lm-eval and HELM, and what they left as runs of ours."""
