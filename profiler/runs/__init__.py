"""What is asked of a model, kept, estimated, compared and scored anew: a run is a folder."""
