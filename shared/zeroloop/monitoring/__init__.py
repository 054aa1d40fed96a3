"""From prediction lines to what is known of a version's traffic."""
