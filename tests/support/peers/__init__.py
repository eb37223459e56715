"""Programs that other people's libraries run in: what they do, to be compared with what ours do."""
