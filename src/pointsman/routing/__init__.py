"""From needs and facts to a plan."""
