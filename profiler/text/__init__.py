"""A string, counted once: words, sentences, syllables, tokens and what is known of them."""
