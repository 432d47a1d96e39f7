"""carousel.v1: its messages read and written."""
