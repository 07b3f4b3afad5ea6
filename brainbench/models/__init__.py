"""From a network to stimulus x neuroid x time responses."""
