"""Programs that other people's libraries run in: what they do, to be held against what ours do."""
