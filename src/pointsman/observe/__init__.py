"""Tell the outside: metrics from outcomes."""
