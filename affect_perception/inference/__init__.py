"""Running a network on live faces (`engine.py`)."""
