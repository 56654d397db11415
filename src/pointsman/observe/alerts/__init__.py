"""Alerts: what is due (`engine`), how it is told (`courier`) and to whom (a channel each)."""
